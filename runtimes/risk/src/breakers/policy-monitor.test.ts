import { type BreakerConfig, type BreakerState, type BreakerType, formatDecimal, parseDecimal } from "@bellwether/trading";
import { describe, expect, test } from "vitest";
import { PolicyMonitor, type StoredReferences } from "./policy-monitor.ts";

const hourMs = 3_600_000;
const drawdown: BreakerConfig = { type: "Drawdown", threshold: 0.2, windowMs: hourMs, cooldownMs: 0, action: "Flatten" };
const at = (hour: number) => ({ marketMs: hour * hourMs, wallMs: hour * hourMs });
const mark = (equity: string, transfers = "10000") => ({ equity: parseDecimal(equity), transfers: parseDecimal(transfers) });

function monitorOf(configs: readonly BreakerConfig[] = [drawdown]): PolicyMonitor {
  const monitor = new PolicyMonitor();
  monitor.restore(new Map(), undefined);
  monitor.configure(configs, at(0));
  return monitor;
}

/** What the journal would hold, through JSON. */
function journalOf(monitor: PolicyMonitor): [ReadonlyMap<BreakerType, BreakerState>, StoredReferences | undefined] {
  const { breakers, references } = monitor.unstored();
  monitor.markStored({ breakers, references });
  const states = breakers.map(({ config, state }) => [config.type, JSON.parse(JSON.stringify(state)) as BreakerState] as const);
  return [new Map(states), references];
}

const shown = ({ references: { peakEquity, dayStartEquity } }: PolicyMonitor) => [
  formatDecimal(peakEquity),
  formatDecimal(dayStartEquity),
];

describe("PolicyMonitor", () => {
  test("counts losses from the peak and from the last mark of the day before", () => {
    const monitor = monitorOf();
    monitor.mark(mark("10000"), at(1));
    monitor.mark(mark("11000"), at(2));
    monitor.mark(mark("10500"), at(24));
    expect(shown(monitor)).toEqual(["11000", "10000"]);
    monitor.mark(mark("10400"), at(25));
    expect(shown(monitor)).toEqual(["11000", "10500"]);
  });

  test("deposits and withdrawals move both and are no gain and no loss", () => {
    const monitor = monitorOf();
    monitor.mark(mark("10000"), at(1));
    monitor.mark(mark("4000", "4000"), at(2));
    expect(shown(monitor)).toEqual(["4000", "4000"]);
    expect(monitor.stop).toBeUndefined();
    monitor.mark(mark("24000", "24000"), at(3));
    expect(shown(monitor)).toEqual(["24000", "24000"]);
  });

  test("trips, says so, and is told to the journal once", () => {
    const monitor = monitorOf();
    monitor.mark(mark("10000"), at(1));
    journalOf(monitor);
    expect(monitor.hasNews).toBe(false);
    monitor.mark(mark("8000"), at(2));
    expect(monitor.stop).toMatchObject({ action: "Flatten", condition: { state: "Halted", by: "breaker" } });
    expect(monitor.hasNews).toBe(true);
    journalOf(monitor);
    expect(monitor.hasNews).toBe(false);
    expect(monitor.unstored()).toEqual({ breakers: [], references: undefined });
  });

  test.each([
    { when: "the policy is read first", restoreLast: true },
    { when: "the journal is read first", restoreLast: false },
  ])("a restart forgets neither a trip nor a reference, when $when", ({ restoreLast }) => {
    const before = monitorOf();
    before.mark(mark("12000"), at(1));
    before.mark(mark("9000"), at(2));
    const journal = journalOf(before);
    const after = new PolicyMonitor();
    if (!restoreLast) after.restore(...journal);
    after.configure([drawdown], at(3));
    if (restoreLast) after.restore(...journal);
    expect(after.stop?.action).toBe("Flatten");
    expect(after.hasNews).toBe(false);
    after.mark(mark("9000"), at(3));
    expect(shown(after)).toEqual(["12000", "12000"]);
  });

  test("taking a tripped breaker off the policy and putting it on again arms nothing", () => {
    const monitor = monitorOf();
    monitor.mark(mark("10000"), at(1));
    monitor.mark(mark("5000"), at(2));
    monitor.configure([], at(3));
    expect(monitor.stop).toBeUndefined();
    monitor.configure([drawdown], at(4));
    expect(monitor.stop?.action).toBe("Flatten");
  });

  test("a person's reset begins from the present, the limit's peak included", () => {
    const monitor = monitorOf();
    monitor.mark(mark("10000"), at(1));
    monitor.mark(mark("7000"), at(2));
    const after = monitor.afterReset("Drawdown", at(3));
    expect(after).toMatchObject({ breakers: [{ state: { phase: "Armed" } }], references: { peakProfit: parseDecimal("-3000") } });
    expect(monitor.stop).toBeDefined();
    expect(monitor.reset("Drawdown", at(3))).toBe(true);
    expect(monitor.afterReset("Drawdown", at(3))).toBeUndefined();
    expect(monitor.reset("Drawdown", at(3))).toBe(false);
    expect(monitor.stop).toBeUndefined();
    expect(shown(monitor)[0]).toBe("7000");
  });
});
