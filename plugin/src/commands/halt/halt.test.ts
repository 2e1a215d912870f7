import { ANNOTATION } from "@bellwether/crds";
import { describe, expect, test } from "vitest";
import { PluginError } from "../../errors.ts";
import { plainStyle } from "../../render/style.ts";
import { fakeWorld, policyObject, startMs } from "../../testing/fake-world.ts";
import { planStop } from "./plan.ts";
import { halt } from "./run.ts";

const wish = { policy: undefined, all: false, reason: "wrong prices", dryRun: false } as const;
const stamped = "wrong prices (by ada at 2026-11-21T14:00:00Z)";

describe("planStop", () => {
  const base = { who: "ada", reason: "wrong prices", nowMs: startMs };
  test.each([
    {
      when: "nothing stands",
      given: policyObject("demo"),
      to: "Halted",
      then: { annotation: ANNOTATION.halt, value: stamped, changes: true },
    },
    {
      when: "nothing stands",
      given: policyObject("demo"),
      to: "Reducing",
      then: { annotation: ANNOTATION.reduce, value: stamped, changes: true },
    },
    {
      when: "a halt stands",
      given: policyObject("demo", { annotations: { [ANNOTATION.halt]: "first" } }),
      to: "Halted",
      then: { annotation: ANNOTATION.halt, value: "first", changes: false },
    },
    {
      when: "an empty halt stands",
      given: policyObject("demo", { annotations: { [ANNOTATION.halt]: "" } }),
      to: "Halted",
      then: { annotation: ANNOTATION.halt, value: "", changes: false },
    },
    {
      when: "only a reduce stands",
      given: policyObject("demo", { annotations: { [ANNOTATION.reduce]: "slow" } }),
      to: "Halted",
      then: { annotation: ANNOTATION.halt, value: stamped, changes: true },
    },
  ] as const)("$to when $when", ({ given, to, then }) => {
    expect(planStop(given, { ...base, to })).toMatchObject(then);
  });

  test("without a reason says so", () => {
    expect(planStop(policyObject("demo"), { ...base, reason: undefined, to: "Halted" }).value).toContain(
      "no reason given (by ada",
    );
  });
});

describe("halt", () => {
  test("writes annotation and journal, each with who and why", async () => {
    const { world, cluster, risks } = fakeWorld(policyObject("demo"));
    const outcome = await halt({ command: "halt", ...wish }, world);
    expect(outcome).toMatchObject({
      exitCode: 0,
      document: { changed: true, state: "Halted", journal: { recorded: true }, workingOrders: 2 },
    });
    expect(cluster.stored("demo")?.metadata.annotations).toEqual({ [ANNOTATION.halt]: stamped });
    expect(risks.get("demo")?.calls).toEqual([{ call: "halt", body: { who: "ada", reason: "wrong prices", state: "Halted" } }]);
    expect(risks.get("demo")?.closed).toBe(1);
    expect(outcome.lines(plainStyle).join("\n")).toContain('kubectl bellwether resume demo --reason "…"');
  });

  test("reduce writes its own annotation and state", async () => {
    const { world, cluster, risks } = fakeWorld(policyObject("demo"));
    const outcome = await halt({ command: "reduce", ...wish }, world);
    expect(outcome).toMatchObject({ exitCode: 0, document: { action: "reduce", state: "Reducing" } });
    expect(cluster.stored("demo")?.metadata.annotations).toEqual({ [ANNOTATION.reduce]: stamped });
    expect(risks.get("demo")?.calls[0]?.body).toMatchObject({ state: "Reducing" });
  });

  test("holds by the annotation alone when risk is down, and says so", async () => {
    const { world, cluster, down } = fakeWorld(policyObject("demo"));
    down.add("demo");
    const outcome = await halt({ command: "halt", ...wish }, world);
    expect(outcome).toMatchObject({ exitCode: 0, document: { journal: { recorded: false } } });
    expect(cluster.stored("demo")?.metadata.annotations).toHaveProperty([ANNOTATION.halt]);
    expect(outcome.lines(plainStyle).join("\n")).toContain("The annotation alone holds it");
  });

  test("holds by the journal alone when the annotation is refused, and says so", async () => {
    const { world, cluster, risks } = fakeWorld(policyObject("demo"));
    cluster.faults.set("annotate", new PluginError("FORBIDDEN", "may not patch"));
    const outcome = await halt({ command: "halt", ...wish }, world);
    expect(outcome.exitCode).toBe(0);
    expect(risks.get("demo")?.journalHalt?.state).toBe("Halted");
    expect(outcome.lines(plainStyle).join("\n")).toContain("The journal alone holds it");
  });

  test("fails, with both causes and the last resort, when neither takes it", async () => {
    const { world, cluster, down } = fakeWorld(policyObject("demo"));
    down.add("demo");
    cluster.faults.set("annotate", new PluginError("FORBIDDEN", "may not patch"));
    const error = await halt({ command: "halt", ...wish }, world).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({
      code: "FORBIDDEN",
      message: expect.stringMatching(/NOT STOPPED.*may not patch.*no running risk/) as string,
    });
    expect((error as PluginError).next).toContain("scale");
  });

  test("a second halt keeps the first reason", async () => {
    const { world, cluster } = fakeWorld(policyObject("demo", { annotations: { [ANNOTATION.halt]: "first" } }));
    const outcome = await halt({ command: "halt", ...wish }, world);
    expect(outcome).toMatchObject({ exitCode: 0, document: { annotation: { value: "first", changed: false } } });
    expect(cluster.writes).toEqual([]);
  });

  test("a dry run asks the API server, and changes neither object nor journal", async () => {
    const { world, cluster, risks } = fakeWorld(policyObject("demo"));
    const outcome = await halt({ command: "halt", ...wish, dryRun: true }, world);
    expect(outcome).toMatchObject({ exitCode: 0, document: { dryRun: true } });
    expect(cluster.stored("demo")?.metadata.annotations).toEqual({});
    expect(risks.get("demo")?.calls).toEqual([]);
  });

  test("a dry run that the API server refuses is a failure", async () => {
    const { world, cluster } = fakeWorld(policyObject("demo"));
    cluster.faults.set("annotate", new PluginError("FORBIDDEN", "may not patch"));
    await expect(halt({ command: "halt", ...wish, dryRun: true }, world)).rejects.toMatchObject({ code: "FORBIDDEN" });
  });

  test("of all policies stops each, and one that fails keeps no other from it", async () => {
    const { world, cluster, down } = fakeWorld(policyObject("a"), policyObject("b"), policyObject("c"));
    cluster.faults.set("annotate", new PluginError("FORBIDDEN", "may not patch"));
    down.add("a");
    const outcome = await halt({ command: "halt", ...wish, all: true }, world);
    expect(outcome).toMatchObject({ exitCode: 1, document: { policies: [{ policy: "b" }, { policy: "c" }] } });
    for (const name of ["b", "c"]) expect(cluster.stored(name)?.metadata.annotations).toHaveProperty([ANNOTATION.halt]);
    expect(outcome.lines(plainStyle)[0]).toMatch(/^riskpolicy\/a is NOT STOPPED/);
  });

  test("of all policies where there is none says so", async () => {
    const { world } = fakeWorld();
    const outcome = await halt({ command: "halt", ...wish, all: true }, world);
    expect([outcome.exitCode, outcome.lines(plainStyle)]).toEqual([
      0,
      ["namespace demo has no RiskPolicy: there is nothing to stop"],
    ]);
  });

  test.each([
    { when: "none is there", names: [], policy: undefined, code: "POLICY_NOT_FOUND" },
    { when: "it is not there", names: ["demo"], policy: "demi", code: "POLICY_NOT_FOUND" },
    { when: "several are there", names: ["a", "b"], policy: undefined, code: "POLICY_AMBIGUOUS" },
  ])("names what to do when $when", async ({ names, policy, code }) => {
    const { world } = fakeWorld(...names.map((name) => policyObject(name)));
    await expect(halt({ command: "halt", ...wish, policy }, world)).rejects.toMatchObject({ code });
  });
});
