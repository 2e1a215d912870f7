import { CodedError } from "@bellwether/service-kit/coded-error";
import { TradingError } from "@bellwether/trading/trading-error";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { terminationMessage } from "./config.ts";
import { AgentError } from "./errors.ts";
import { completed, endingOf, terminationText } from "./termination.ts";

describe("the last words of an agent", () => {
  test.each([
    {
      when: "the program threw",
      error: new AgentError("PROGRAM_THREW", "Error: no idea\nsecond line"),
      ends: { exitCode: 70, message: { reason: "ProgramFailed", message: "Error: no idea" } },
    },
    { when: "a parameter is wrong", error: new AgentError("BAD_PARAMETERS", "fast is 0"), ends: { exitCode: 70 } },
    {
      when: "the bars are wrong",
      error: new TradingError("BARS_INVALID", "line 3"),
      ends: { exitCode: 65, message: { reason: "BadInput" } },
    },
    {
      when: "the dataset is missing",
      error: Object.assign(new Error("ENOENT: no such file"), { code: "ENOENT" }),
      ends: { exitCode: 65, message: { reason: "BadInput" } },
    },
    {
      when: "the configuration is wrong",
      error: new CodedError("CONFIG_INVALID", "two faults"),
      ends: { exitCode: 64, message: { reason: "BadConfig" } },
    },
    {
      when: "risk sends nonsense",
      error: new CodedError("INVALID_REPLY", "what"),
      ends: { exitCode: 1, message: { reason: "Crashed" } },
    },
    {
      when: "something else breaks",
      error: "a string",
      ends: { exitCode: 1, message: { reason: "Crashed", message: "a string" } },
    },
  ])("when $when", ({ error, ends }) => {
    expect(endingOf(error)).toMatchObject(ends);
  });

  test("are the figures without the fills when a backtest is complete", () => {
    const figures = {
      bars: 1,
      trades: 0,
      pnlRatio: "0",
      maxDrawdownRatio: "0",
      sharpe: "0",
      finalEquity: "1",
      fees: "0",
      logSha256: "ab",
    };
    expect(completed({ ...figures, fills: [] })).toEqual({ exitCode: 0, message: { reason: "Completed", backtest: figures } });
  });

  test("fit into the kubelet's 4,096 bytes and its schema, whatever was thrown", () => {
    const anything = fc.oneof(fc.string({ maxLength: 6000 }), fc.string({ unit: "grapheme", maxLength: 6000, minLength: 2000 }));
    fc.assert(
      fc.property(anything, fc.constantFrom("PROGRAM_THREW", "BAD_MANIFEST"), (text, code) => {
        const written = terminationText(endingOf(new AgentError(code, text)).message);
        expect(Buffer.byteLength(written)).toBeLessThanOrEqual(4096);
        expect(terminationMessage.safeParse(JSON.parse(written)).success).toBe(true);
      }),
      { numRuns: 50 },
    );
  });
});
