import { ANNOTATION } from "@bellwether/crds";
import { describe, expect, test } from "vitest";
import { plainStyle } from "../../render/style.ts";
import { fakeWorld, policyObject, portfolioObject } from "../../testing/fake-world.ts";
import { resume } from "./run.ts";

const wish = { policy: undefined, reason: "prices agree", dryRun: false };
const halted = { annotations: { [ANNOTATION.halt]: "wrong prices", [ANNOTATION.reduce]: "weekend", other: "stays" } };

describe("resume", () => {
  test("clears both annotations and the journal, and leaves everything else", async () => {
    const { world, cluster, risks } = fakeWorld(policyObject("demo", halted));
    const risk = risks.get("demo")!;
    risk.journalHalt = { state: "Halted", reason: "wrong prices" };
    const outcome = await resume(wish, world);
    expect(outcome).toMatchObject({ exitCode: 0, document: { changed: true, journal: true, holds: [] } });
    expect(cluster.stored("demo")?.metadata.annotations).toEqual({ other: "stays" });
    expect(risk.calls).toEqual([{ call: "resume", body: { who: "ada", reason: "prices agree" } }]);
    expect(outcome.lines(plainStyle)[0]).toBe("riskpolicy/demo resumed: trading is Active");
  });

  test("of what is not stopped changes nothing", async () => {
    const { world, cluster } = fakeWorld(policyObject("demo"));
    const outcome = await resume(wish, world);
    expect(outcome).toMatchObject({ exitCode: 0, document: { changed: false } });
    expect(cluster.writes).toEqual([]);
  });

  test("ends with 1 and the next step while spec.trading holds", async () => {
    const { world } = fakeWorld(policyObject("demo", { ...halted, trading: "Halted" }));
    const outcome = await resume(wish, world);
    expect(outcome).toMatchObject({ exitCode: 1, document: { changed: true, holds: [{ by: "policy", state: "Halted" }] } });
    expect(outcome.lines(plainStyle).join("\n")).toContain("spec.trading: Active");
  });

  test("ends with 1 while a breaker holds the policy, with 0 while one holds a strategy", async () => {
    const { world, risks } = fakeWorld(policyObject("demo"));
    const risk = risks.get("demo")!;
    risk.shown = portfolioObject({ holds: [{ by: "breaker", state: "Halted", message: "Drawdown: 0.21, at most 0.2" }] });
    expect((await resume(wish, world)).exitCode).toBe(1);
    risk.shown = portfolioObject({
      holds: [{ by: "breaker", state: "Halted", message: "ConsecutiveLosses", scope: { strategy: "trend" } }],
    });
    expect((await resume(wish, world)).exitCode).toBe(0);
  });

  test("clears nothing when risk is down: the journal may hold a halt that nobody would see", async () => {
    const { world, cluster, down } = fakeWorld(policyObject("demo", halted));
    down.add("demo");
    await expect(resume(wish, world)).rejects.toMatchObject({ code: "RISK_UNREACHABLE" });
    expect(cluster.stored("demo")?.metadata.annotations).toEqual(halted.annotations);
  });

  test("tries again when only the operator wrote status meanwhile", async () => {
    const { world, cluster } = fakeWorld(policyObject("demo", halted));
    cluster.meanwhile = () => cluster.change("demo", {});
    expect(await resume(wish, world)).toMatchObject({ exitCode: 0, document: { changed: true } });
    expect(cluster.stored("demo")?.metadata.annotations).toEqual({ other: "stays" });
  });

  test("does not clear a halt that came after it looked", async () => {
    const { world, cluster } = fakeWorld(policyObject("demo", halted));
    cluster.meanwhile = () => cluster.change("demo", { [ANNOTATION.halt]: "fire" });
    await expect(resume(wish, world)).rejects.toMatchObject({
      code: "CHANGED_MEANWHILE",
      message: expect.stringContaining("fire") as string,
    });
    expect(cluster.stored("demo")?.metadata.annotations).toMatchObject({ [ANNOTATION.halt]: "fire" });
  });

  test("waits until risk has seen the annotation go", async () => {
    const { world, risks, clock } = fakeWorld(policyObject("demo", halted));
    const before = clock.nowMs();
    risks.get("demo")!.blindFor = 5;
    expect((await resume(wish, world)).exitCode).toBe(0);
    expect(clock.nowMs()).toBeGreaterThan(before);
  });

  test("gives the last answer when risk stays blind", async () => {
    const { world, risks } = fakeWorld(policyObject("demo", halted));
    risks.get("demo")!.blindFor = 1_000;
    expect(await resume(wish, world)).toMatchObject({
      exitCode: 1,
      document: { holds: [{ by: "annotation" }, { by: "annotation" }] },
    });
  });

  test("a dry run says what it would clear and what would hold, and changes nothing", async () => {
    const { world, cluster, risks } = fakeWorld(policyObject("demo", { ...halted, trading: "Reducing" }));
    const outcome = await resume({ ...wish, dryRun: true }, world);
    expect(outcome).toMatchObject({
      exitCode: 0,
      document: { dryRun: true, annotations: { [ANNOTATION.halt]: "wrong prices" }, holds: [{ by: "policy" }] },
    });
    expect(cluster.writes).toEqual([]);
    expect(risks.get("demo")?.calls).toEqual([]);
    expect(outcome.lines(plainStyle).join("\n")).toContain("would clear");
  });
});
