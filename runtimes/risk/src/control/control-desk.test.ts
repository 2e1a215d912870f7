import { silentLogger } from "@bellwether/service-kit";
import { type BreakerState, parseDecimal } from "@bellwether/trading";
import { describe, expect, test } from "vitest";
import { PolicyMonitor } from "../breakers/policy-monitor.ts";
import { PolicyWatch } from "../breakers/policy-watch.ts";
import { readBreakers, readControlEvents, readHalt, storeBreaker } from "../journal/control-records.ts";
import { effectivePolicy } from "../policy/effective-policy.ts";
import { memoryJournal } from "../testing/memory-journal.ts";
import { ControlDesk } from "./control-desk.ts";

const policyUid = "policy-1";
const ada = { who: "ada", reason: "a drill" };
const policy = effectivePolicy({
  apiVersion: "bellwether.dev/v1alpha1",
  kind: "RiskPolicy",
  metadata: { name: "p", uid: policyUid },
  spec: {
    baseCurrency: "USDT",
    accounts: [],
    circuitBreakers: [{ type: "Drawdown", threshold: "0.2" }, { type: "RapidLoss" }],
  },
});

/** What Drawdown remembers after a fall by 21 %. */
function tripped(): BreakerState {
  const monitor = new PolicyMonitor();
  monitor.restore(new Map(), undefined);
  monitor.configure(policy.circuitBreakers, { marketMs: 0, wallMs: 0 });
  const transfers = parseDecimal("100");
  for (const [wallMs, equity] of [
    [1, "100"],
    [2, "79"],
  ] as const)
    monitor.mark({ equity: parseDecimal(equity), transfers }, { marketMs: wallMs, wallMs });
  const drawdown = monitor.unstored().breakers.find(({ config }) => config.type === "Drawdown");
  if (!drawdown) throw new Error("the policy watches Drawdown");
  return drawdown.state;
}

/** A journal that outlives the processes on it. */
async function world() {
  const { clock, server, database, faults } = await memoryJournal();
  let ids = 0;
  const start = async () => {
    const changes: string[] = [];
    let isOpen = false;
    const options = { policyUid, clock, log: silentLogger };
    const watch = new PolicyWatch({
      ...options,
      accounts: () => [],
      write: (work) => database.transaction(work),
      onChange: () => undefined,
    });
    watch.configure(policy);
    await watch.restore(database);
    const desk: ControlDesk = new ControlDesk({
      ...options,
      database,
      newId: () => `event-${(ids += 1)}`,
      write: async (work) => {
        await clock.advance(1);
        return database.transaction(work);
      },
      resetOf: (type) => watch.resetOf(type),
      breakers: () => watch.views(),
      standing: () => ({ state: desk.journalHalt?.state ?? "Active", holds: [], workingOrders: 0 }),
      onChange: () => void changes.push(desk.journalHalt?.state ?? "Active"),
      isOpen: () => isOpen,
    });
    await expect(desk.resume(ada)).rejects.toMatchObject({ code: "JOURNAL_UNAVAILABLE" });
    await expect(desk.resetBreaker(ada, "Drawdown")).rejects.toMatchObject({ code: "JOURNAL_UNAVAILABLE" });
    await desk.restore();
    isOpen = true;
    const phase = () => watch.views().find(({ type }) => type === "Drawdown")?.state;
    return { desk, changes, phase };
  };
  const journal = async () => ({
    halt: (await readHalt(database, policyUid))?.state,
    events: (await readControlEvents(database, policyUid)).map(({ what, who }) => `${what} by ${who}`),
    drawdown: (await readBreakers(database, policyUid)).get("Drawdown")?.phase,
  });
  const trip = () =>
    database.transaction((transaction) => storeBreaker(transaction, policyUid, { type: "Drawdown", state: tripped() }));
  return { server, faults, start, journal, trip };
}

describe("a stop", () => {
  test.each([
    { before: [], then: "Reducing", stands: "Reducing", changed: true },
    { before: [], then: "Halted", stands: "Halted", changed: true },
    { before: ["Reducing"], then: "Halted", stands: "Halted", changed: true },
    { before: ["Reducing"], then: "Reducing", stands: "Reducing", changed: false },
    { before: ["Halted"], then: "Reducing", stands: "Halted", changed: false },
    { before: ["Halted"], then: "Halted", stands: "Halted", changed: false },
  ] as const)("$then after $before leaves $stands, in the journal, too", async ({ before, then, stands, changed }) => {
    const { start, journal } = await world();
    const { desk } = await start();
    for (const state of before) await desk.halt(ada, state);
    const reply = await desk.halt({ who: "bob", reason: "worse" }, then);
    expect(reply).toMatchObject({ changed, state: stands });
    expect(reply.event !== undefined).toBe(changed);
    expect(await journal()).toMatchObject({ halt: stands });
    expect((await journal()).events).toHaveLength(before.length + (changed ? 1 : 0));
    expect((await start()).desk.journalHalt).toMatchObject({ state: stands });
  });

  test("is in force at once with the journal down, stays so, and is written with its event, once, when the journal answers", async () => {
    const { server, start, journal } = await world();
    const { desk, changes } = await start();
    server.down = true;
    await expect(desk.halt(ada, "Halted")).rejects.toMatchObject({ code: "JOURNAL_UNAVAILABLE" });
    expect(desk.journalHalt).toMatchObject({ state: "Halted", setBy: "ada" });
    expect(changes).toEqual(["Halted"]);
    await expect(desk.readHalt()).rejects.toMatchObject({ code: "JOURNAL_UNAVAILABLE" });
    server.down = false;
    expect((await journal()).halt).toBeUndefined();
    await desk.readHalt();
    await desk.readHalt();
    expect(await journal()).toMatchObject({ halt: "Halted", events: ["Halt by ada"] });
    expect(desk.journalHalt).toMatchObject({ state: "Halted" });
  });

  test("that the journal has not taken yet is not answered for to whoever asks again: a restart would forget it", async () => {
    const { faults, start, journal } = await world();
    const { desk } = await start();
    for (const state of ["Halted", "Halted", "Reducing"] as const) {
      faults.push("unavailable");
      await expect(desk.halt(ada, state)).rejects.toMatchObject({ code: "JOURNAL_UNAVAILABLE" });
    }
    expect(await desk.halt(ada, "Halted")).toMatchObject({ changed: false });
    expect(await journal()).toMatchObject({ halt: "Halted", events: ["Halt by ada"] });
    expect((await start()).desk.journalHalt).toMatchObject({ state: "Halted" });
  });

  test("whose answer from the journal was lost is recorded once", async () => {
    const { faults, start, journal } = await world();
    const { desk } = await start();
    faults.push("commit-reply-lost");
    await expect(desk.halt(ada, "Halted")).rejects.toMatchObject({ code: "JOURNAL_UNAVAILABLE" });
    await desk.readHalt();
    expect(await journal()).toMatchObject({ halt: "Halted", events: ["Halt by ada"] });
  });

  test("that a person wrote into the journal by hand is obeyed, and so is its end", async () => {
    const { start } = await world();
    const [one, other] = [await start(), await start()];
    await other.desk.halt(ada, "Halted");
    await one.desk.readHalt();
    await one.desk.readHalt();
    expect(one.changes).toEqual(["Halted"]);
    await other.desk.resume(ada);
    await one.desk.readHalt();
    expect(one.changes).toEqual(["Halted", "Active"]);
  });
});

describe("resume", () => {
  test("clears the journal's stop and says whose it was; without one nothing changes", async () => {
    const { start, journal } = await world();
    const { desk } = await start();
    expect(await desk.resume(ada)).toEqual({ changed: false, state: "Active", holds: [], workingOrders: 0 });
    await desk.halt(ada, "Halted");
    const bob = { who: "bob", reason: "over" };
    expect(await desk.resume(bob)).toMatchObject({
      changed: true,
      state: "Active",
      event: { detail: "the stop of ada is cleared: a drill" },
    });
    expect(await journal()).toMatchObject({ halt: undefined, events: ["Halt by ada", "Resume by bob"] });
    expect((await start()).desk.journalHalt).toBeUndefined();
  });

  test.each([
    { fault: "unavailable", journalled: "Halted", afterwards: "Halted" },
    { fault: "commit-reply-lost", journalled: undefined, afterwards: "Active" },
  ] as const)("with the journal $fault the stop stands until the journal is read", async ({ fault, journalled, afterwards }) => {
    const { faults, start, journal } = await world();
    const { desk } = await start();
    await desk.halt(ada, "Halted");
    faults.push(fault);
    await expect(desk.resume(ada)).rejects.toMatchObject({ code: "JOURNAL_UNAVAILABLE" });
    expect(desk.journalHalt).toMatchObject({ state: "Halted" });
    expect((await journal()).halt).toBe(journalled);
    await desk.readHalt();
    expect(desk.journalHalt?.state ?? "Active").toBe(afterwards);
  });

  test("of a stop that the journal has not taken yet leaves both in it", async () => {
    const { server, start, journal } = await world();
    const { desk } = await start();
    server.down = true;
    await desk.halt(ada, "Halted").catch(() => undefined);
    server.down = false;
    await desk.resume(ada);
    await desk.readHalt();
    expect(await journal()).toMatchObject({ halt: undefined, events: ["Halt by ada", "Resume by ada"] });
    expect(desk.journalHalt).toBeUndefined();
  });
});

describe("the reset of a breaker", () => {
  test("arms it here and in the journal, with who and why; again changes nothing", async () => {
    const { start, journal, trip } = await world();
    await trip();
    const { desk, phase } = await start();
    expect(phase()).toBe("Tripped");
    const reply = await desk.resetBreaker(ada, "Drawdown");
    expect(reply).toMatchObject({ changed: true, event: { what: "ResetBreaker", who: "ada", why: "a drill" } });
    expect(phase()).toBe("Armed");
    expect(await journal()).toMatchObject({ drawdown: "Armed", events: ["ResetBreaker by ada"] });
    expect(await desk.resetBreaker(ada, "Drawdown")).toMatchObject({ changed: false });
    expect((await journal()).events).toHaveLength(1);
  });

  test("whose commit fails changes nothing, neither here nor there", async () => {
    const { faults, start, journal, trip } = await world();
    await trip();
    const { desk, phase } = await start();
    faults.push("unavailable");
    await expect(desk.resetBreaker(ada, "Drawdown")).rejects.toMatchObject({ code: "JOURNAL_UNAVAILABLE" });
    expect(phase()).toBe("Tripped");
    expect(desk.events).toEqual([]);
    expect(await journal()).toMatchObject({ drawdown: "Tripped", events: [] });
  });

  test("that was committed by a process which then died leaves the journal armed, with its event", async () => {
    const { faults, start, journal, trip } = await world();
    await trip();
    const dying = await start();
    faults.push("commit-reply-lost");
    await expect(dying.desk.resetBreaker(ada, "Drawdown")).rejects.toMatchObject({ code: "JOURNAL_UNAVAILABLE" });
    expect(dying.phase()).toBe("Tripped");
    expect(await journal()).toMatchObject({ drawdown: "Armed", events: ["ResetBreaker by ada"] });
    const next = await start();
    expect(next.phase()).toBe("Armed");
    expect(next.desk.events).toMatchObject([{ what: "ResetBreaker", who: "ada" }]);
  });

  test.each([
    { what: "a type that the policy does not watch", type: "GasSpike", scope: {} },
    { what: "one of an account", type: "Drawdown", scope: { account: "main" } },
    { what: "one of a strategy", type: "Drawdown", scope: { strategy: "trend" } },
  ] as const)("is refused for $what", async ({ type, scope }) => {
    const { start, journal, trip } = await world();
    await trip();
    const { desk, phase } = await start();
    await expect(desk.resetBreaker(ada, type, scope)).rejects.toMatchObject({ code: "BREAKER_UNKNOWN" });
    expect(phase()).toBe("Tripped");
    expect((await journal()).events).toEqual([]);
  });
});

describe("the annotation", () => {
  test("is obeyed once for each value, over restarts and trips", async () => {
    const { start, journal, trip } = await world();
    await trip();
    const first = await start();
    await first.desk.obeyAnnotation("Drawdown  loss understood");
    await first.desk.obeyAnnotation("Drawdown  loss understood");
    expect(first.phase()).toBe("Armed");
    expect(first.desk.events).toMatchObject([{ who: "annotation", why: "loss understood" }]);

    await trip();
    const second = await start();
    await second.desk.obeyAnnotation("Drawdown  loss understood");
    expect(second.phase()).toBe("Tripped");
    await second.desk.obeyAnnotation("Drawdown again");
    expect(second.phase()).toBe("Armed");
    expect(await journal()).toMatchObject({
      drawdown: "Armed",
      events: ["ResetBreaker by annotation", "ResetBreaker by annotation"],
    });
  });

  test("is obeyed after all when the journal was down, and not again when only its answer was lost", async () => {
    const { faults, start, journal, trip } = await world();
    await trip();
    const { desk, phase } = await start();
    for (const fault of ["unavailable", "commit-reply-lost"] as const) {
      faults.push(fault);
      await expect(desk.obeyAnnotation("Drawdown")).rejects.toMatchObject({ code: "JOURNAL_UNAVAILABLE" });
      expect(phase()).toBe("Tripped");
    }
    await desk.obeyAnnotation("Drawdown");
    expect((await journal()).events).toEqual(["ResetBreaker by annotation"]);
    expect((await start()).phase()).toBe("Armed");
  });

  test.each([
    { value: undefined, events: 0 },
    { value: "Nonsense please", events: 0 },
    { value: "", events: 0 },
    { value: "Drawdown in advance", events: 1 },
    { value: "GasSpike not watched", events: 1 },
  ])("$value arms nothing that trips later", async ({ value, events }) => {
    const { start, journal, trip } = await world();
    const before = await start();
    await before.desk.obeyAnnotation(value);
    expect((await journal()).events).toHaveLength(events);
    await trip();
    const after = await start();
    await after.desk.obeyAnnotation(value);
    expect(after.phase()).toBe("Tripped");
    expect((await journal()).events).toHaveLength(events);
  });
});
