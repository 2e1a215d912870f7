import { describe, expect, test } from "vitest";
import type { BreakerView } from "@bellwether/trading/wire";
import { breakerStatuses, trippedText } from "./breakers.ts";

const since = Date.parse("2026-01-01T00:00:00Z");
const view = (fields: Partial<BreakerView>): BreakerView => ({
  type: "RapidLoss",
  scope: {},
  state: "Armed",
  action: "Flatten",
  ...fields,
});
const fresh = { previous: undefined, figuresDue: true };

describe("breakers in status", () => {
  test("are one line a type: the worst of all accounts and strategies", () => {
    const views = [
      view({ scope: { strategy: "a" }, value: "0.01", threshold: "0.03" }),
      view({ scope: { strategy: "b" }, state: "Tripped", since, until: since + 60_000, value: "0.05", threshold: "0.03" }),
      view({ scope: { strategy: "c" }, state: "CoolingDown", since: since - 60_000 }),
      view({ type: "Drawdown", scope: { account: "paper" } }),
    ];
    const statuses = breakerStatuses(views, fresh);
    expect(statuses).toEqual([
      {
        type: "RapidLoss",
        scope: "strategy b",
        state: "Tripped",
        since: "2026-01-01T00:00:00Z",
        until: "2026-01-01T00:01:00Z",
        value: "0.05",
        threshold: "0.03",
      },
      { type: "Drawdown", scope: "account paper", state: "Armed" },
    ]);
    expect(trippedText(statuses)).toBe("1/2");
  });

  test("of two that have tripped are the one that did first", () => {
    const views = [100, 50, 70].map((ms) => view({ scope: { strategy: `s${ms}` }, state: "Tripped", since: since + ms }));
    expect(breakerStatuses(views, fresh)[0]?.scope).toBe("strategy s50");
  });

  test("keep what they measured until figures are due, but not beyond a change of state", () => {
    const previous = breakerStatuses([view({ value: "0.010" })], fresh);
    const later = { previous, figuresDue: false };
    expect(breakerStatuses([view({ value: "0.012" })], later)[0]?.value).toBe("0.010");
    expect(breakerStatuses([view({ value: "0.012" })], { ...later, figuresDue: true })[0]?.value).toBe("0.012");
    expect(breakerStatuses([view({ state: "Tripped", value: "0.04" })], later)[0]?.value).toBe("0.04");
  });
});
