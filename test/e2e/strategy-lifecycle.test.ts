import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { skipReason } from "../cluster/prerequisites.ts";
import { apply, condition, get, kubectl, query, waitFor } from "../cluster/kubectl.ts";
import { riskPolicy, strategy } from "./manifests.ts";

const phase = async (name: string): Promise<string | undefined> =>
  (await get("strategy", name))?.status?.phase as string | undefined;
const reached = (name: string, wanted: string, timeoutMs = 90_000): Promise<unknown> =>
  waitFor(async () => (await phase(name)) === wanted, { timeoutMs, what: `${name} ${wanted}` });

describe.skipIf(skipReason)(`a Strategy's life${skipReason ? ` (skipped: ${skipReason})` : ""}`, () => {
  beforeAll(async () => {
    await apply(riskPolicy("lab"));
    await waitFor(async () => condition(await get("riskpolicy", "lab"), "Ready")?.status === "True", {
      timeoutMs: 120_000,
      what: "lab Ready",
    });
  });
  afterAll(async () => {
    await kubectl(["delete", "strategy", "second", "orphan", "life", "doomed", "--ignore-not-found"], { timeoutMs: 120_000 });
    await kubectl(["delete", "riskpolicy", "lab", "late", "--ignore-not-found"], { timeoutMs: 120_000 });
  });

  test("is queued for want of a core and starts when another is suspended", async () => {
    await apply(strategy({ name: "second", resources: "{cpus: 1, pinning: Exclusive}" }));
    await reached("second", "Queued");
    const queued = condition(await get("strategy", "second"), "Admitted");
    expect(queued).toMatchObject({
      status: "False",
      reason: "InsufficientExclusiveCpu",
      message: expect.stringMatching(/wants 1, free 0 of \d+/),
    });

    await kubectl(["patch", "strategy", "quickstart-momentum", "--type=merge", "-p", '{"spec":{"suspend":true}}']);
    await reached("quickstart-momentum", "Paused");
    await reached("second", "Running");

    await kubectl(["delete", "strategy", "second"], { timeoutMs: 90_000 });
    await kubectl(["patch", "strategy", "quickstart-momentum", "--type=merge", "-p", '{"spec":{"suspend":false}}']);
    await reached("quickstart-momentum", "Running");
  });

  test("waits for a RiskPolicy that is not there, says so, and heals by itself when it appears", async () => {
    await apply(strategy({ name: "orphan", policy: "late" }));
    const ready = await waitFor(async () => condition(await get("strategy", "orphan"), "Ready"), {
      timeoutMs: 30_000,
      what: "a condition",
    });
    expect(ready).toMatchObject({ status: "False", message: expect.stringContaining("late") });
    await apply(riskPolicy("late"));
    await reached("orphan", "Running", 120_000);
    await kubectl(["delete", "strategy", "orphan"], { timeoutMs: 90_000 });
    await kubectl(["delete", "riskpolicy", "late"], { timeoutMs: 90_000 });
  });

  test("refuses Live on a paper account with a sentence", async () => {
    await apply(strategy({ name: "doomed", mode: "Live", extra: "  acknowledgeLive: true" }));
    // Its first word is that it was seen; what is wrong with it comes with the second.
    const judged = async (): Promise<ReturnType<typeof condition>> => {
      const ready = condition(await get("strategy", "doomed"), "Ready");
      return ready?.status === "Unknown" ? undefined : ready;
    };
    const ready = await waitFor(judged, { timeoutMs: 30_000, what: "a verdict" });
    expect(ready.status).toBe("False");
    expect(ready.message).toMatch(/paper/i);
    await kubectl(["delete", "strategy", "doomed"], { timeoutMs: 60_000 });
  });

  test("takes its first paper decision soon after it was applied, and its pod follows a changed spec", async () => {
    await apply(strategy({ name: "life" }));
    // From the journal: figures reach the status only every 30 s.
    await waitFor(async () => (await query("SELECT 1 FROM risk.strategies WHERE name = 'life' AND decisions > 0")).length > 0, {
      timeoutMs: 60_000,
      what: "a first decision",
    });
    const before = (await get("pod", "strat-life-agent"))?.metadata.uid;
    await apply(strategy({ name: "life", program: "{builtin: {name: momentum, parameters: {fast: 6, slow: 18}}}" }));
    await waitFor(
      async () => {
        const pod = await get("pod", "strat-life-agent");
        return pod !== undefined && pod.metadata.uid !== before && (await phase("life")) === "Running";
      },
      { timeoutMs: 60_000, what: "a new pod" },
    );
    const uid = (await get("strategy", "life"))?.metadata.uid;
    expect(
      await query(
        `SELECT decision_time_ms FROM risk.decisions WHERE strategy_uid = '${uid}' GROUP BY run, decision_time_ms HAVING count(*) > 1`,
      ),
    ).toEqual([]);
  });

  test("is deleted with its finalizer, and leaves nothing of its own", async () => {
    await kubectl(["delete", "strategy", "life"], { timeoutMs: 60_000 });
    await waitFor(async () => (await get("pod", "strat-life-agent")) === undefined, { timeoutMs: 60_000, what: "its pod gone" });
    await waitFor(async () => (await get("configmap", "strat-life-agent")) === undefined, {
      timeoutMs: 60_000,
      what: "its ConfigMap gone",
    });
  });
});

describe.skipIf(skipReason)(`a whole namespace${skipReason ? ` (skipped: ${skipReason})` : ""}`, () => {
  test("with a policy and a strategy in it can be deleted", async () => {
    await kubectl(["create", "namespace", "doomed"]);
    await apply(riskPolicy("lab"), ["-n", "doomed"]);
    await apply(strategy({ name: "any" }), ["-n", "doomed"]);
    await waitFor(
      async () => (await kubectl(["get", "strategy", "any", "-n", "doomed", "-o", "jsonpath={.status.phase}"])) !== "",
      {
        timeoutMs: 60_000,
        what: "a first status",
      },
    );
    await kubectl(["delete", "namespace", "doomed", "--timeout=120s"], { timeoutMs: 130_000 });
  });
});
