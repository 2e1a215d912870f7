import { setImmediate } from "node:timers/promises";
import { systemClock } from "@bellwether/service-kit/clock";
import { silentLogger } from "@bellwether/service-kit/logger";
import { Metrics } from "@bellwether/service-kit/metrics";
import { seededRandom } from "@bellwether/service-kit/random";
import { ServiceClient } from "@bellwether/service-kit/service-client";
import { ManualClock } from "@bellwether/service-kit/testing/manual-clock";
import { type ModelPort, noModels } from "@bellwether/trading/engine/language-model";
import type { WireFill } from "@bellwether/trading/wire";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { AgentError } from "../errors.ts";
import { type StrategyDefinition, bindProgram, defineStrategy } from "../interface/define-strategy.ts";
import { ScriptedModels } from "../llm/testing/scripted-models.ts";
import { agentMetrics } from "../metrics.ts";
import { InProcessRunner } from "../program/runner.ts";
import { triggerOf } from "../schedule/triggers.ts";
import type { ScheduleConfig } from "../config.ts";
import { AgentLoop } from "./agent-loop.ts";
import { FakeRisk, makeBar } from "./testing/fake-risk.ts";
import { riskOverHttp } from "./risk-port.ts";

const minute = 60_000;
const btc = "BTC/USDT";
const eth = "ETH/USDT";

let risk: FakeRisk;
const stops: (() => Promise<void>)[] = [];

beforeEach(async () => {
  risk = await FakeRisk.start();
  risk.bars.set(
    btc,
    [0, 1, 2].map((index) => makeBar(index * minute, 100 + index)),
  );
});

afterEach(async () => {
  for (const stop of stops.splice(0).toReversed()) await stop();
  await risk.close();
});

interface Setup {
  readonly markets?: readonly string[];
  readonly clock?: ManualClock;
  readonly schedule?: ScheduleConfig;
  readonly models?: ModelPort;
}

/** Counts its calls in `state`, notes what it sees, buys whenever the close ends in 7. */
function watching(seen: string[], more: Partial<StrategyDefinition> = {}): StrategyDefinition {
  return {
    onBar(context) {
      context.state["calls"] = Number(context.state["calls"] ?? 0) + 1;
      seen.push(
        `${context.time / minute} ${context.market} ${context
          .bars(99)
          .map(({ close }) => close)
          .join(",")}`,
      );
      if (context.closes.at(0) % 10 === 7) context.buy({ quantity: "1" });
    },
    ...more,
  };
}

function startLoop(
  definition: StrategyDefinition,
  { markets = [btc], clock, schedule = { kind: "onBar" }, models = noModels }: Setup = {},
) {
  const client = new ServiceClient({ baseUrl: risk.url, clock: systemClock });
  const loop = new AgentLoop({
    markets: markets.map((symbol) => ({ symbol, timeframe: "1m", timeframeMs: minute })),
    warmupBars: 10,
    isDue: triggerOf(schedule),
    decidesOnAll: schedule.kind !== "onBar",
    seed: 1,
    runner: new InProcessRunner(bindProgram(defineStrategy(definition), {}), models),
    risk: riskOverHttp(client, "u-1"),
    clock: clock ?? systemClock,
    random: seededRandom(1),
    log: silentLogger,
    metrics: agentMetrics(new Metrics()),
  });
  const abort = new AbortController();
  const run = loop.run(abort.signal);
  stops.push(async () => {
    abort.abort();
    await run.catch(() => undefined);
    await client.close();
  });
  return { loop, run };
}

/** The stream is open and what was missed before it has been read: bars of each market at the start, and again after it. */
const following = (markets = 1): Promise<void> => risk.until(() => risk.openStreams === 1 && risk.barsServed >= 2 * markets);
const decided = (count: number): Promise<void> => risk.until(() => risk.decisions.length >= count);

describe("a strategy on paper", () => {
  test("is shown the warm-up and decides on every bar after it", async () => {
    const seen: string[] = [];
    startLoop(watching(seen));
    await following();
    risk.close1m(btc, 3 * minute, 107);
    await decided(1);
    risk.close1m(btc, 4 * minute, 108);
    await decided(2);
    expect(seen).toEqual([`4 ${btc} 100,101,102,107`, `5 ${btc} 100,101,102,107,108`]);
    expect(risk.decisions).toMatchObject([
      { decisionTime: 4 * minute, state: '{"calls":1}', intents: [{ side: "buy", size: { quantity: "1" }, signalPrice: "107" }] },
      { decisionTime: 5 * minute, state: '{"calls":2}', intents: [] },
    ]);
  });

  test("goes on where the killed one was: state from risk, missed bars shown without orders", async () => {
    risk.state = '{"calls":41}';
    risk.lastDecisionTime = minute;
    risk.bars.set(
      btc,
      [0, 1, 2, 3].map((index) => makeBar(index * minute, index * 10 + 7)),
    );
    const seen: string[] = [];
    startLoop(watching(seen));
    await decided(1);
    // Two bars were missed; the last one is less than a bar old and still counts.
    expect(seen).toEqual([`2 ${btc} 7,17`, `3 ${btc} 7,17,27`, `4 ${btc} 7,17,27,37`]);
    expect(risk.decisions.map(({ decisionTime, intents, state }) => [decisionTime / minute, intents.length, state])).toEqual([
      [4, 1, '{"calls":44}'],
    ]);
  });

  test("records the missed bars when none of them is fresh", async () => {
    risk.lastDecisionTime = minute;
    startLoop(watching([]));
    await decided(1);
    risk.decisions.length = 0;
    await following();
    risk.breakStreams();
    for (const index of [3, 4, 5]) risk.bars.set(btc, [...(risk.bars.get(btc) ?? []), makeBar(index * minute, 107)]);
    // Another market of the account is further on: market time has passed the last of these by a bar.
    risk.bars.set(eth, [makeBar(6 * minute, 1)]);
    await decided(1);
    expect(risk.decisions.map(({ decisionTime, intents }) => [decisionTime / minute, intents.length])).toEqual([[6, 0]]);
  });

  test("reads what a broken stream has missed, and decides no bar twice", async () => {
    const seen: string[] = [];
    startLoop(watching(seen));
    await following();
    risk.close1m(btc, 3 * minute, 103);
    await decided(1);
    risk.breakStreams();
    risk.close1m(btc, 4 * minute, 104);
    risk.close1m(btc, 5 * minute, 107);
    await risk.until(() => risk.lastDecisionTime === 6 * minute);
    risk.send("bar", { market: btc, timeframe: "1m", bar: makeBar(5 * minute, 107), revision: false });
    risk.send("bar", { market: btc, timeframe: "1m", bar: makeBar(4 * minute, 999), revision: true });
    risk.close1m(btc, 6 * minute, 106);
    await risk.until(() => risk.lastDecisionTime === 7 * minute);
    expect(seen.map((line) => line.split(" ")[0])).toEqual(["4", "5", "6", "7"]);
    expect(risk.decisions.flatMap(({ intents }) => intents)).toHaveLength(1);
  });

  test("tells the program what was filled and what was denied, each once", async () => {
    const told: string[] = [];
    startLoop(
      watching([], {
        onFill: (_context, { tradeId }) => void told.push(`fill ${tradeId}`),
        onReject: (_context, { reason, decisionTime, ordinal }) =>
          void told.push(`${reason} ${decisionTime / minute}/${ordinal}`),
      }),
    );
    await following();
    risk.misbehaviours.push("deny");
    risk.close1m(btc, 3 * minute, 107);
    await decided(1);
    const fill: WireFill = {
      account: "a",
      tradeId: "t1",
      clientOrderId: "c1",
      market: btc,
      side: "buy",
      quantity: "1",
      price: "107",
      fee: "0.1",
      feeAsset: "USDT",
      time: 4 * minute,
      leg: "entry",
    };
    risk.send("fill", fill);
    risk.send("fill", fill);
    risk.close1m(btc, 4 * minute, 108);
    risk.close1m(btc, 5 * minute, 109);
    await risk.until(() => risk.lastDecisionTime === 6 * minute);
    expect(told).toEqual(["fill t1", "HALTED 4/0"]);
  });

  test("asks again with the same bytes when the answer was lost, and takes the stored one", async () => {
    startLoop(watching([]));
    await following();
    risk.misbehaviours.push("hang-up-before", "hang-up-after");
    risk.close1m(btc, 3 * minute, 107);
    await risk.until(() => risk.posts === 3);
    risk.close1m(btc, 4 * minute, 108);
    await risk.until(() => risk.lastDecisionTime === 5 * minute);
    expect(risk.decisions.map(({ decisionTime, intents }) => [decisionTime / minute, intents.length])).toEqual([
      [4, 1],
      [5, 0],
    ]);
  });

  test("waits for the journal, and records the decision without its orders once they are too old", async () => {
    const told: string[] = [];
    startLoop(watching([], { onReject: (_context, { reason }) => void told.push(reason) }));
    await following();
    risk.standing = "journal-unavailable";
    risk.close1m(btc, 3 * minute, 107);
    await risk.until(() => risk.posts >= 2);
    risk.close1m(btc, 4 * minute, 108);
    const postsAtTheNextBar = risk.posts;
    await risk.until(() => risk.posts >= postsAtTheNextBar + 2);
    risk.standing = undefined;
    await risk.until(() => risk.lastDecisionTime === 5 * minute);
    expect(risk.decisions.map(({ decisionTime, intents }) => [decisionTime / minute, intents.length])).toEqual([
      [4, 0],
      [5, 0],
    ]);
    expect(told).toEqual(["EXPIRED"]);
  });

  test("gives way when another process has decided the bar: its state counts", async () => {
    const seen: string[] = [];
    startLoop(watching(seen));
    await following();
    risk.lastDecisionTime = 4 * minute;
    risk.state = '{"calls":70}';
    risk.close1m(btc, 3 * minute, 107);
    await risk.until(() => risk.snapshotsServed.length >= 3);
    risk.close1m(btc, 4 * minute, 108);
    await decided(1);
    expect(risk.decisions).toMatchObject([{ decisionTime: 5 * minute, state: '{"calls":71}' }]);
    expect(seen).toHaveLength(1);
  });

  test("tells risk with each decision what models were asked for it, and asks none about bars that were missed", async () => {
    const said: string[] = [];
    const models = new ScriptedModels(() => "up");
    const asking: StrategyDefinition = {
      async onBar({ llm, time }) {
        const reply = await llm.ask({ messages: [{ role: "user", content: `at ${time}` }] });
        said.push(reply.answered ? reply.text : reply.reason);
        if (time === 5 * minute) llm.reject("too short");
      },
    };
    startLoop(asking, { models });
    await following();
    risk.close1m(btc, 3 * minute, 103);
    await decided(1);
    risk.close1m(btc, 4 * minute, 104);
    await decided(2);
    const used = { market: btc, model: "small", inputTokens: 100, outputTokens: 20, costUsd: "0.0001", cache: "miss" };
    const promptHash = expect.stringMatching(/^[0-9a-f]{64}$/) as string;
    expect(risk.decisions.map(({ evidence }) => evidence)).toEqual([
      [{ ...used, promptHash }],
      [{ ...used, promptHash, fault: "too short" }],
    ]);

    const missed = [5, 6, 7].map((index) => makeBar(index * minute, 100 + index));
    risk.bars.set(btc, [...(risk.bars.get(btc) ?? []), ...missed]);
    risk.breakStreams();
    await risk.until(() => risk.lastDecisionTime === 8 * minute);
    expect(said).toEqual(["up", "up", "BACKLOG", "BACKLOG", "up"]);
  });

  test("without a route every question goes unanswered, and nothing is told of it", async () => {
    const said: string[] = [];
    startLoop({
      async onBar({ llm }) {
        const reply = await llm.ask({ messages: [] });
        said.push(reply.answered ? reply.text : reply.reason);
      },
    });
    await following();
    risk.close1m(btc, 3 * minute, 103);
    await decided(1);
    expect([said, "evidence" in (risk.decisions[0] ?? {})]).toEqual([["NO_ROUTE"], false]);
  });

  test("ends when its program fails, with the first error line", async () => {
    const { run } = startLoop({
      onBar() {
        throw new RangeError("out of ideas\nand of lines");
      },
    });
    const failure = run.catch((error: unknown) => error);
    await following();
    risk.close1m(btc, 3 * minute, 107);
    const error = await failure;
    expect(error).toBeInstanceOf(AgentError);
    expect(error).toMatchObject({
      code: "PROGRAM_THREW",
      message: expect.stringMatching(/^RangeError: out of ideas$/) as string,
    });
    expect(risk.decisions).toEqual([]);
  });

  test("stays up, idle and ready when the market data ends", async () => {
    const { loop } = startLoop(watching([]));
    await following();
    risk.send("end", { message: "the replay is over" });
    risk.close1m(btc, 3 * minute, 107);
    await decided(1);
    expect(loop.ended).toBe(true);
    expect(loop.health.stream.ok).toBe(true);
  });

  test("decides at the times of its schedule only, on all markets", async () => {
    risk.bars.set(
      eth,
      [0, 1, 2].map((index) => makeBar(index * minute, 10 + index)),
    );
    const seen: string[] = [];
    startLoop(watching(seen), { markets: [btc, eth], schedule: { kind: "every", everyMs: 3 * minute } });
    await following(2);
    for (const index of [3, 4, 5]) {
      risk.close1m(btc, index * minute, 100 + index);
      risk.close1m(eth, index * minute, 10 + index);
    }
    await decided(1);
    expect(seen).toEqual([`6 ${btc} 100,101,102,103,104,105`, `6 ${eth} 10,11,12,13,14,15`]);
  });

  test("decides in manifest order on markets that close together, and after 5 s without the missing one", async () => {
    const clock = new ManualClock();
    risk.bars.set(eth, [makeBar(2 * minute, 12)]);
    const seen: string[] = [];
    startLoop(watching(seen), { markets: [eth, btc], clock });
    await following(2);
    risk.close1m(btc, 3 * minute, 103);
    risk.close1m(eth, 3 * minute, 13);
    await decided(1);
    expect(seen).toEqual([`4 ${eth} 12,13`, `4 ${btc} 100,101,102,103`]);

    risk.close1m(eth, 4 * minute, 14);
    while (clock.pendingTimers === 0) await setImmediate();
    await clock.advance(4_999);
    expect(risk.decisions).toHaveLength(1);
    await clock.advance(1);
    await decided(2);
    expect(seen.slice(2)).toEqual([`5 ${eth} 12,13,14`]);
  });
});
