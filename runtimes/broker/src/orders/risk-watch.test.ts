import { ManualClock } from "@bellwether/service-kit/testing/manual-clock";
import { describe, expect, test } from "vitest";
import { RiskWatch } from "./risk-watch.ts";

describe("a broker that listens for risk", () => {
  const watch = (): { clock: ManualClock; risk: RiskWatch } => {
    const clock = new ManualClock();
    return { clock, risk: new RiskWatch({ clock, silenceMs: 5_000 }) };
  };

  test("waits for the first word without alarm", async () => {
    const { clock, risk } = watch();
    await clock.advance(60_000);
    expect(() => risk.requireHeard()).not.toThrow();
  });

  test("stops after five silent seconds", async () => {
    const { clock, risk } = watch();
    risk.heard(true);
    await clock.advance(5_000);
    expect(() => risk.requireHeard()).not.toThrow();
    await clock.advance(1);
    expect(() => risk.requireHeard()).toThrow(expect.objectContaining({ code: "RISK_SILENT" }));
  });

  test("an approval does not end the silence, reading the account does", async () => {
    const { clock, risk } = watch();
    risk.heard(false);
    await clock.advance(6_000);
    risk.heard(false);
    expect(() => risk.requireHeard()).toThrow(expect.objectContaining({ code: "RISK_SILENT" }));
    risk.heard(true);
    expect(() => risk.requireHeard()).not.toThrow();
  });
});
