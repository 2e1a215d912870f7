// RapidLoss and Drawdown on a real month, beside a plain computation of both from the CSV's text and the run's fills: no code of the engine, no breaker.
import { existsSync, readFileSync } from "node:fs";
import { effectiveRiskPolicySpec, type EffectiveBreaker, type RiskPolicySpec } from "@bellwether/crds";
import { type BacktestFill, type EngineProgram, parseBars, runBacktest } from "@bellwether/trading";
import { describe, expect, test } from "vitest";
import { backtestOf, protectedArm, UNPROTECTED } from "./arms.ts";
import { tripTimes } from "./causes.ts";
import { januaryCsv } from "./measure.ts";

const MINUTE_MS = 60_000;
const CASH = 10_000;

interface Mark {
  readonly closedAt: number;
  readonly equity: number;
}

/** Cash and units from fills, marked at every close of the CSV. */
function marksOf(text: string, fills: readonly BacktestFill[]): Mark[] {
  let [cash, units, next] = [CASH, 0, 0];
  return text
    .trim()
    .split("\n")
    .slice(1)
    .map((line) => {
      const cells = line.split(",");
      const openedAt = Date.parse(`${cells[0]!.replace(" ", "T")}Z`);
      for (; next < fills.length && fills[next]!.time <= openedAt; next++) {
        const { side, quantity, price, fee } = fills[next]!;
        const sign = side === "buy" ? 1 : -1;
        cash -= sign * Number(quantity) * Number(price) + Number(fee);
        units += sign * Number(quantity);
      }
      return { closedAt: openedAt + MINUTE_MS, equity: cash + units * Number(cells[4]) };
    });
}

/** By docs/risk.md: 3 % below the highest of the last 15 minutes; armed again an hour after the trip; nothing before the last trip or arming counts. */
function rapidLosses(marks: readonly Mark[]): number[] {
  const trips: number[] = [];
  let [armedAgainAt, begin] = [0, 0];
  for (const [index, { closedAt, equity }] of marks.entries()) {
    if (armedAgainAt > 0 && closedAt >= armedAgainAt) [armedAgainAt, begin] = [0, index];
    const highest = Math.max(...marks.slice(Math.max(begin, index - 15), index + 1).map((mark) => mark.equity));
    if (1 - equity / highest < 0.03) continue;
    trips.push(closedAt);
    [armedAgainAt, begin] = [closedAt + 3_600_000, index + 1];
  }
  return trips;
}

/** 20 % below the peak, once: nobody arms it again. */
function drawdowns(marks: readonly Mark[]): number[] {
  let peak = CASH;
  const first = marks.find(({ equity }) => {
    peak = Math.max(peak, equity);
    return 1 - equity / peak >= 0.2;
  });
  return first === undefined ? [] : [first.closedAt];
}

const minutes = (times: readonly number[]) => times.map((time) => new Date(time).toISOString().slice(0, 16));

const hold: EngineProgram = {
  onBar(context) {
    if (context.position.quantity === "0" && context.orders().length === 0) context.buy({ equityRatio: "1" });
  },
};

describe.skipIf(!existsSync(januaryCsv))("January 2022", () => {
  const read = () => {
    const text = readFileSync(januaryCsv, "utf8");
    return { text, bars: parseBars(Buffer.from(text), { gaps: "Refuse" }) };
  };
  const run = async (program: string | EngineProgram, circuitBreakers: readonly EffectiveBreaker[], losses: boolean) => {
    const { text, bars } = read();
    const name = typeof program === "string" ? program : "momentum";
    const limits = (losses ? protectedArm() : UNPROTECTED).limits;
    const options = backtestOf(
      name,
      { bars, feeSpikes: [], injected: { gaps: 0, staleMinutes: 0, feeSpikes: 0 } },
      { limits, circuitBreakers },
    );
    const own = typeof program === "string" ? {} : { program, parameters: {} };
    const { fills, log = "" } = await runBacktest({ ...options, ...own, keepLog: true });
    return { marks: marksOf(text, fills), fills, log };
  };
  const named = (circuitBreakers: RiskPolicySpec["circuitBreakers"]) =>
    effectiveRiskPolicySpec({ baseCurrency: "USDT", accounts: [], circuitBreakers }).circuitBreakers;
  const measured = named([
    { type: "RapidLoss", threshold: "0.03", window: "15m", cooldown: "1h", action: "Reduce" },
    { type: "Drawdown", threshold: "0.2", action: "Reduce" },
  ]);

  test("trips RapidLoss and Drawdown at the minutes when what was bought at its begin has lost that much", async () => {
    const { marks, fills, log } = await run(hold, measured, false);
    expect(fills).toHaveLength(1);
    expect(minutes(rapidLosses(marks))).toEqual(["2022-01-07T13:42", "2022-01-21T21:52", "2022-01-21T22:50", "2022-01-26T19:19"]);
    expect(minutes(drawdowns(marks))).toEqual(["2022-01-21T03:37"]);
    expect(minutes(tripTimes(log, "RapidLoss"))).toEqual(minutes(rapidLosses(marks)));
    expect(minutes(tripTimes(log, "Drawdown"))).toEqual(minutes(drawdowns(marks)));
  });

  test.each([
    { name: "what always holds", program: hold },
    { name: "grid", program: "grid" },
    { name: "dca", program: "dca" },
  ])("trips where the numbers say so while its own selling changes them: $name", async ({ program }) => {
    const selling = measured.map((breaker) => ({ ...breaker, action: "Flatten" as const }));
    const { marks, fills, log } = await run(program, selling, true);
    const trips = rapidLosses(marks);
    expect(trips.length).toBeGreaterThan(0);
    expect(minutes(tripTimes(log, "RapidLoss"))).toEqual(minutes(trips));
    expect(minutes(tripTimes(log, "Drawdown"))).toEqual(minutes(drawdowns(marks)));
    // What is held is sold at the first open after the trip.
    for (const trip of trips) expect(fills.some(({ side, time }) => side === "sell" && time === trip)).toBe(true);
  });
});
