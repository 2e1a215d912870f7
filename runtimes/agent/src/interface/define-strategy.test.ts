import { describe, expect, expectTypeOf, test } from "vitest";
import { AgentError } from "../errors.ts";
import { bindProgram, defineStrategy } from "./define-strategy.ts";
import { choice, decimal, integer, resolveParameters } from "./parameters.ts";

const context = {} as Parameters<ReturnType<typeof bindProgram>["onBar"]>[0];

describe("defineStrategy", () => {
  test("gives each parameter the type of its default", () => {
    defineStrategy({
      parameters: { fast: integer({ default: 1, min: 1, max: 9, about: "" }), slow: 60, label: "a", loud: true },
      onBar({ parameters }) {
        expectTypeOf(parameters.fast).toEqualTypeOf<number>();
        expectTypeOf(parameters.slow).toEqualTypeOf<number>();
        expectTypeOf(parameters.label).toEqualTypeOf<string>();
        expectTypeOf(parameters.loud).toEqualTypeOf<boolean>();
      },
    });
  });

  test.each([
    {
      when: "sync",
      onBar: () => {
        throw new TypeError("no\nidea");
      },
    },
    {
      when: "async",
      onBar: async () => {
        await Promise.resolve();
        throw new TypeError("no\nidea");
      },
    },
    {
      when: "something that is no error",
      onBar: () => {
        throw "TypeError: no";
      },
    },
  ])("tells what a callback throws ($when) by its first line", async ({ onBar }) => {
    const program = bindProgram(defineStrategy({ onBar }), {});
    const failure = await (async () => program.onBar(context))().catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(AgentError);
    expect(failure).toMatchObject({ code: "PROGRAM_THREW", message: expect.stringMatching(/TypeError: no$/) as string });
  });

  test.each([
    { what: "nothing", exported: undefined },
    { what: "a bare object", exported: { onBar: () => undefined } },
    { what: "a strategy without onBar", exported: defineStrategy({} as never) },
    { what: "a misspelt callback", exported: defineStrategy({ onBar: () => undefined, onbar: () => undefined } as never) },
    { what: "a callback that is no function", exported: defineStrategy({ onBar: () => undefined, onFill: 7 } as never) },
  ])("refuses $what as a program", ({ exported }) => {
    expect(() => bindProgram(exported, {})).toThrow(expect.objectContaining({ code: "BAD_PROGRAM" }));
  });

  test("asks `check` about parameters that fit one by one", () => {
    const strategy = defineStrategy({
      parameters: { low: 1, high: 2 },
      check: ({ low, high }) => (low < high ? [] : [`parameter low is ${low}: must be below high (${high})`]),
      onBar: () => undefined,
    });
    expect(bindProgram(strategy, { high: 5 }).parameters).toEqual({ low: 1, high: 5 });
    expect(() => bindProgram(strategy, { low: 2 })).toThrow("parameter low is 2: must be below high (2)");
  });
});

describe("parameters", () => {
  const specs = {
    bars: integer({ default: 20, min: 2, max: 500, about: "" }),
    ratio: decimal({ default: "0.2", min: "0.0001", max: "1", about: "" }),
    exit: choice({ default: "Cross", choices: ["Cross", "Stop"], about: "" }),
    plain: 1.5,
    loud: false,
  };

  test.each([
    { given: {}, values: { bars: 20, ratio: "0.2", exit: "Cross", plain: 1.5, loud: false } },
    { given: { bars: "30", ratio: "1", plain: "-2.5", loud: "true" }, values: { bars: 30, ratio: "1", plain: -2.5, loud: true } },
    { given: { ratio: 1, exit: "Stop", bars: 500 }, values: { bars: 500, ratio: "1", exit: "Stop" } },
  ])("of $given are taken as $values", ({ given, values }) => {
    expect(resolveParameters(specs, given)).toMatchObject(values);
  });

  test("are refused all at once, each with name, value and range", () => {
    const given = { bars: 2.5, ratio: "1.000000000000000001", exit: "stop", plain: "many", loud: "yes", toString: 1 };
    expect(() => resolveParameters(specs, given)).toThrow(
      [
        "parameter bars is 2.5: must be a whole number from 2 to 500",
        'parameter ratio is "1.000000000000000001": must be a decimal number from 0.0001 to 1',
        'parameter exit is "stop": must be one of Cross, Stop',
        'parameter plain is "many": must be a number',
        'parameter loud is "yes": must be a boolean',
        "parameter toString is unknown (known: bars, ratio, exit, plain, loud)",
      ].join("; "),
    );
  });
});
