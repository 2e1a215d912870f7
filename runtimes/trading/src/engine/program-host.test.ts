import { describe, expect, test } from "vitest";
import { BarHistory } from "./bar-history.ts";
import { ProgramHost, type AccountView } from "./program-host.ts";
import type { Bar, EngineProgram, ProgramContext, ProgramFill } from "./program.ts";

const minute = 60_000;
const bar = (index: number, close: number): Bar => ({
  time: index * minute,
  open: close,
  high: close,
  low: close,
  close,
  volume: 1,
});
const account: AccountView = {
  equity: () => "1000",
  cash: () => "600",
  position: (market) => ({ quantity: market === "BTC/USDT" ? "0.5" : "0", averagePrice: "0" }),
  orders: () => [],
};

function hostOf(program: EngineProgram, closes: readonly number[] = [100, 101, 102]): ProgramHost {
  const markets = ["BTC/USDT", "ETH/USDT"].map((symbol) => {
    const history = BarHistory.bounded(100);
    closes.forEach((close, index) => history.append(bar(index, close)));
    return { symbol, timeframe: "1m", timeframeMs: minute, history };
  });
  return new ProgramHost({ program, parameters: { size: 3 }, markets, account, seed: 7, state: '{"n":1}', log: () => undefined });
}

const doing = (action: (context: ProgramContext) => void): EngineProgram => ({ onBar: action });

describe("a program's decision", () => {
  test("holds its intents in the order they were asked for, sized at the signal's close", () => {
    const host = hostOf(
      doing((context) => {
        context.buy({ equityRatio: "0.2", limit: "99.5", timeInForce: "PostOnly", expiresAfter: "5m", stopLoss: "90" });
        context.cancel("a");
        context.sell({ all: true });
      }),
    );
    void host.decideBar(3 * minute, 0);
    expect(host.actions.intents).toEqual([
      {
        ordinal: 0,
        market: "BTC/USDT",
        side: "buy",
        size: { equityRatio: "0.2" },
        limit: "99.5",
        stopLoss: "90",
        timeInForce: "PostOnly",
        expiresAfterMs: 300_000,
        signalPrice: "102",
        validUntil: 4 * minute,
      },
      { ordinal: 2, market: "BTC/USDT", side: "sell", size: { all: true }, signalPrice: "102", validUntil: 4 * minute },
    ]);
    expect(host.actions.cancels).toEqual([{ ordinal: 1, clientOrderId: "a" }]);
  });

  test("starts empty every time, keeps the state, and draws the same random numbers when made again", () => {
    const drawn: number[] = [];
    const host = hostOf(
      doing((context) => {
        context.state["n"] = Number(context.state["n"]) + 1;
        drawn.push(context.random());
        if (context.time === minute) context.buy({ quantity: "1" });
      }),
    );
    void host.decideBar(minute, 0);
    expect(host.actions.isEmpty).toBe(false);
    void host.decideBar(2 * minute, 0);
    expect(host.actions.isEmpty).toBe(true);
    expect(host.stateText()).toBe('{"n":3}');
    host.restoreState('{"n":1}');
    void host.decideBar(minute, 0);
    expect(host.stateText()).toBe('{"n":2}');
    expect(drawn[2]).toBe(drawn[0]);
    expect(drawn[1]).not.toBe(drawn[0]);
  });

  test("runs fills, rejections and markets in this order, waiting for each", async () => {
    const seen: string[] = [];
    const note = async (text: string): Promise<void> => {
      await Promise.resolve();
      seen.push(text);
    };
    const host = hostOf({
      onBar: (context) => note(`bar ${context.market}`),
      onFill: (context, fill) => note(`fill ${context.market} ${fill.tradeId}`),
      onReject: (context, rejection) => note(`reject ${context.market} ${rejection.reason}`),
    });
    const fill = { tradeId: "t1", market: "ETH/USDT" } as ProgramFill;
    const rejection = { decisionTime: 0, ordinal: 0, market: "BTC/USDT", side: "buy", reason: "HALTED", message: "" } as const;
    await host.decide(minute, [0, 1], { fills: [fill], rejections: [rejection] });
    expect(seen).toEqual(["fill ETH/USDT t1", "reject BTC/USDT HALTED", "bar BTC/USDT", "bar ETH/USDT"]);
    await host.decide(minute, [0, 1], undefined);
    expect(seen.slice(4)).toEqual(["bar BTC/USDT", "bar ETH/USDT"]);
  });

  test.each([
    {
      when: "no size",
      action: (c: ProgramContext) => c.buy({} as never),
      says: "buy needs exactly one of quantity, notional and equityRatio, not none",
    },
    {
      when: "two sizes",
      action: (c: ProgramContext) => c.sell({ all: true, quantity: "1" } as never),
      says: "not quantity and all",
    },
    {
      when: "a number for money",
      action: (c: ProgramContext) => c.buy({ quantity: 1 } as never),
      says: "quantity is 1, must be a decimal string",
    },
    { when: "nothing", action: (c: ProgramContext) => c.buy({ quantity: "0.00" }), says: 'quantity is "0.00"' },
    {
      when: "a misspelt option",
      action: (c: ProgramContext) => c.buy({ quantity: "1", stop: "5" } as never),
      says: "buy does not know stop",
    },
    {
      when: "an unknown time in force",
      action: (c: ProgramContext) => c.buy({ quantity: "1", timeInForce: "DAY" } as never),
      says: "GTC, IOC, FOK, PostOnly",
    },
    {
      when: "a wrong duration",
      action: (c: ProgramContext) => c.buy({ quantity: "1", expiresAfter: "soon" }),
      says: "30s, 5m, 24h or 1d",
    },
    { when: "an empty replacement", action: (c: ProgramContext) => c.replace("a", {}), says: "replace needs" },
    { when: "no order id", action: (c: ProgramContext) => c.cancel(undefined as never), says: "takes the id of an order" },
    { when: "an array as state", action: (c: ProgramContext) => void (c.state = [] as never), says: "must be an object" },
    {
      when: "too many orders",
      action: (c: ProgramContext) => {
        for (let count = 0; count < 101; count++) c.buy({ quantity: "1" });
      },
      says: "at most 100",
    },
  ])("is refused with $when", ({ action, says }) => {
    const host = hostOf(doing(action));
    expect(() => {
      void host.decideBar(minute, 0);
      host.stateText();
    }).toThrow(says);
  });
});

describe("a program's bars", () => {
  test("are the newest, oldest first, in an array of its own", () => {
    const history = BarHistory.bounded(100);
    [100, 101, 102].forEach((close, index) => history.append(bar(index, close)));
    const bars = history.bars(2);
    expect(bars.map(({ close }) => close)).toEqual([101, 102]);
    bars.length = 0;
    expect(history.bars(10).map(({ time }) => time)).toEqual([0, minute, 2 * minute]);
  });

  test("never show the future of columns that are known already", () => {
    const column = Float64Array.of(1, 2, 3, 4);
    const history = BarHistory.over(
      { times: column, opens: column, highs: column, lows: column, closes: column, volumes: column },
      2,
    );
    expect([history.closes.at(0), history.closes.at(1)]).toEqual([2, 1]);
    for (const ago of [-1, 2, Number.NaN]) expect(() => history.closes.at(ago)).toThrow("is not known");
    history.moveTo(3);
    expect(history.bars(9).map(({ close }) => close)).toEqual([1, 2, 3]);
  });

  test("are bounded: the oldest are forgotten", () => {
    const history = BarHistory.bounded(10);
    for (let index = 0; index < 1000; index++) {
      history.append(bar(index, index));
      expect(history.bars(10).at(-1)?.close).toBe(index);
      expect(history.length).toBeLessThanOrEqual(20);
    }
    expect(history.bars(10).map(({ close }) => close)).toEqual([990, 991, 992, 993, 994, 995, 996, 997, 998, 999]);
  });
});
