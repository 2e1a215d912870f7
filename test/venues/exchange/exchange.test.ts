import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { formatDecimal, parseDecimal } from "@bellwether/trading";
import { beforeEach, describe, expect, test } from "vitest";
import { ExchangeAdmin } from "./admin.ts";
import { BinanceDialect } from "./binance.ts";
import { demoKeys, demoMarkets } from "./demo.ts";
import { Exchange, type ExchangeOptions } from "./exchange.ts";
import type { NewOrder } from "./orders.ts";
import { ExchangeServer } from "./server.ts";
import { fileStore, memoryStore } from "./store.ts";

const account = "local-1";
let nowMs: number;
const options = (change: Partial<ExchangeOptions> = {}): ExchangeOptions => ({
  now: () => nowMs,
  markets: demoMarkets,
  keys: demoKeys,
  balances: { [account]: { USDT: "100000", BTC: "2" } },
  seed: 1,
  feeRate: "0.001",
  makerQuantity: "5",
  store: memoryStore(),
  ...change,
});
const request = (
  change: Partial<Record<"quantity" | "price" | "triggerPrice", string>> &
    Partial<Omit<NewOrder, "quantity" | "price" | "triggerPrice">> = {},
): NewOrder => {
  const { quantity = "1", price, triggerPrice, ...rest } = change;
  return {
    clientOrderId: "one",
    market: "BTC/USDT",
    side: "buy",
    kind: price === undefined ? "market" : "limit",
    timeInForce: "GTC",
    postOnly: false,
    ...rest,
    quantity: parseDecimal(quantity),
    ...(price === undefined ? {} : { price: parseDecimal(price) }),
    ...(triggerPrice === undefined ? {} : { triggerPrice: parseDecimal(triggerPrice) }),
  };
};
const balance = (exchange: Exchange, asset: string): string => {
  const { free = "0", locked = "0" } = exchange.balances(account).find((row) => row.asset === asset) ?? {};
  return `${free}+${locked}`;
};

describe("the local exchange", () => {
  let exchange: Exchange;
  beforeEach(() => {
    nowMs = 1_700_000_000_000;
    exchange = new Exchange(options());
    exchange.setPrice("BTC/USDT", "40000");
  });

  test("a market order walks the book level by level and pays its fee from what it receives", () => {
    const order = exchange.place(account, request({ quantity: "1.5" }));
    expect(order.status).toBe("filled");
    expect(exchange.tradesOf(order.id).map(({ price }) => formatDecimal(price))).toEqual(["40000.01"]);
    expect(balance(exchange, "BTC")).toBe("3.4985+0");
    expect(balance(exchange, "USDT")).toBe("39999.985+0");
  });

  test("a resting order holds back what it may cost and fills at its own price", () => {
    const order = exchange.place(account, request({ price: "39000" }));
    expect(balance(exchange, "USDT")).toBe("61000+39000");
    exchange.setPrice("BTC/USDT", "38000");
    expect(order.status).toBe("filled");
    expect(balance(exchange, "USDT")).toBe("61000+0");
  });

  test("a stop rests until the price has fallen to it, and then sells at the market", () => {
    const stop = exchange.place(account, request({ side: "sell", kind: "stop", triggerPrice: "39000" }));
    exchange.setPrice("BTC/USDT", "39000.01");
    expect(stop.status).toBe("new");
    exchange.setPrice("BTC/USDT", "38999");
    expect(stop.status).toBe("filled");
    expect(exchange.tradesOf(stop.id)[0]?.maker).toBe(false);
  });

  test.each([
    { when: "off the step", order: request({ quantity: "0.000001" }), code: "LOT_SIZE" },
    { when: "off the tick", order: request({ price: "1.001", quantity: "9" }), code: "PRICE_FILTER" },
    { when: "too small", order: request({ quantity: "0.0001" }), code: "NOTIONAL" },
    { when: "too dear", order: request({ quantity: "5" }), code: "INSUFFICIENT_BALANCE" },
    { when: "for no market", order: request({ market: "X/Y" }), code: "UNKNOWN_MARKET" },
    { when: "in a closed market", order: request({ market: "LUNA/USDT" }), code: "MARKET_CLOSED" },
    { when: "post-only and crossing", order: request({ price: "41000", postOnly: true }), code: "WOULD_TRADE_AS_MAKER_ONLY" },
    {
      when: "a stop that is due",
      order: request({ side: "sell", kind: "stop", triggerPrice: "40001" }),
      code: "WOULD_TRIGGER_IMMEDIATELY",
    },
  ])("an order $when is refused and changes nothing", ({ order, code }) => {
    const before = exchange.balances(account);
    expect(() => exchange.place(account, order)).toThrow(expect.objectContaining({ code }));
    expect(exchange.balances(account)).toEqual(before);
    expect(exchange.placements.size).toBe(0);
  });

  test("fill-or-kill is whole or nothing, immediate-or-cancel what can be had", () => {
    expect(exchange.place(account, request({ price: "40000.01", quantity: "2", timeInForce: "FOK" })).status).toBe("filled");
    const big = new Exchange(options({ makerQuantity: "0.1" }));
    big.setPrice("BTC/USDT", "40000");
    expect(big.place(account, request({ price: "40000.02", timeInForce: "FOK" }))).toMatchObject({
      status: "expired",
      filled: 0n,
    });
    const part = big.place(account, request({ price: "40000.02", timeInForce: "IOC" }));
    expect([part.status, formatDecimal(part.filled)]).toEqual(["expired", "0.2"]);
  });

  test("a client order id is taken while its order is open and free afterwards; asked by it, the youngest answers", () => {
    const first = exchange.place(account, request({ price: "30000" }));
    expect(() => exchange.place(account, request({ price: "30000" }))).toThrow(
      expect.objectContaining({ code: "DUPLICATE_CLIENT_ORDER_ID" }),
    );
    exchange.cancel(first);
    const second = exchange.place(account, request({ price: "30000" }));
    expect(exchange.byClientOrderId(account, "one")?.id).toBe(second.id);
    expect(exchange.placements.get("one")).toBe(2);
  });

  describe("with a stop and a target for the same units", () => {
    const sell = { side: "sell", quantity: "0.5" } as const;
    const pair = (target = "42000"): readonly [NewOrder, NewOrder] => [
      request({ ...sell, kind: "stop", triggerPrice: "38000", clientOrderId: "stop" }),
      request({ ...sell, price: target, postOnly: true, clientOrderId: "target" }),
    ];

    test.each([
      { price: "37000", filled: 0, at: "36999.99" },
      { price: "42500", filled: 1, at: "42000" },
    ])("as a list: at $price one sells, the other expires, and the units were held back once", ({ price, filled, at }) => {
      const orders = exchange.placePair(account, pair());
      expect(balance(exchange, "BTC")).toBe("1.5+0.5");
      exchange.setPrice("BTC/USDT", price);
      expect(orders.map(({ status }) => status)).toEqual(filled === 0 ? ["filled", "expired"] : ["expired", "filled"]);
      expect(exchange.tradesOf(orders[filled]?.id ?? 0).map((trade) => formatDecimal(trade.price))).toEqual([at]);
      expect(balance(exchange, "BTC")).toBe("1.5+0");
    });

    test("a list whose prices do not lie around the last one is refused whole; cancelling one order cancels both", () => {
      expect(() => exchange.placePair(account, pair("39000"))).toThrow(expect.objectContaining({ code: "LIST_PRICES" }));
      expect(exchange.placements.size).toBe(0);
      const [, target] = exchange.placePair(account, pair());
      exchange.cancel(target);
      expect(exchange.openOrders(account)).toEqual([]);
      expect(balance(exchange, "BTC")).toBe("2+0");
    });

    test.each([
      { price: "38000", side: "sl" },
      { price: "42000", side: "tp" },
    ])("as an algo order: at $price its $side places a market order with the units it had held back", ({ price, side }) => {
      const triggers = { stop: parseDecimal("38000"), target: parseDecimal("42000"), quantity: parseDecimal("0.5") };
      const algo = exchange.placeAlgo(account, { clientOrderId: "algo", market: "BTC/USDT", ...triggers });
      expect(balance(exchange, "BTC")).toBe("1.5+0.5");
      exchange.setPrice("BTC/USDT", price);
      expect(algo).toMatchObject({ status: "effective", side });
      expect(exchange.orders.get(algo.orderId ?? 0)).toMatchObject({ status: "filled", algo: { id: algo.id } });
      expect(balance(exchange, "BTC")).toBe("1.5+0");
      expect(() => exchange.cancelAlgo(algo)).toThrow(expect.objectContaining({ code: "UNKNOWN_ORDER" }));
    });
  });

  test("what was answered survives the process, resting orders and prices included", () => {
    const directory = mkdtempSync(join(tmpdir(), "bellwether-exchange-"));
    try {
      const file = join(directory, "state.jsonl");
      const before = new Exchange(options({ store: fileStore(file) }));
      before.setPrice("BTC/USDT", "40000");
      before.place(account, request({ quantity: "0.5" }));
      const resting = before.place(account, request({ price: "39000", clientOrderId: "two" }));
      const stop = { clientOrderId: "stop", market: "BTC/USDT", quantity: parseDecimal("0.1"), target: undefined };
      before.placeAlgo(account, { ...stop, stop: parseDecimal("30000") });
      const after = new Exchange(options({ store: fileStore(file) }));
      expect(after.balances(account)).toEqual(before.balances(account));
      expect([...after.placements]).toEqual([...before.placements]);
      expect(after.trades).toEqual(before.trades);
      after.setPrice("BTC/USDT", "38000");
      expect(after.orders.get(resting.id)?.status).toBe("filled");
      expect(after.place(account, request({ clientOrderId: "three", quantity: "0.1" })).id).toBe(4);
      expect(after.pendingAlgos(account)).toMatchObject([{ clientOrderId: "stop", status: "live" }]);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });

  test("the dead man's hand cancels everything when its time is over", () => {
    const order = exchange.place(account, request({ price: "39000" }));
    exchange.deadlines.set(account, nowMs + 10_000);
    nowMs += 9_999;
    exchange.tick();
    expect(order.status).toBe("new");
    nowMs += 1;
    exchange.tick();
    expect([order.status, balance(exchange, "USDT")]).toEqual(["cancelled", "100000+0"]);
  });

  test("a minute's weight is counted, and more than it is 429 and then 418", () => {
    const dialect = new BinanceDialect({ weightPerMinute: 3 });
    const ask = (): number =>
      dialect.answer(exchange, {
        method: "GET",
        path: "/api/v3/time",
        rawQuery: "",
        query: new URLSearchParams(),
        body: "",
        headers: {},
        fault: undefined,
      }).status;
    expect(Array.from({ length: 8 }, ask)).toEqual([200, 200, 200, 429, 429, 429, 418, 418]);
    nowMs += 60_000;
    expect(ask()).toBe(200);
  });

  test("its other side sets prices and faults, and says what is wrong with a request", async () => {
    const server = new ExchangeServer({ ...options(), dialect: new BinanceDialect() });
    const admin = new ExchangeAdmin(server);
    const url = await admin.start();
    const post = async (path: string, body: unknown): Promise<number> =>
      (await fetch(`${url}${path}`, { method: "POST", body: JSON.stringify(body) })).status;
    try {
      expect(await post("/price", { symbol: "BTC/USDT", price: "41000" })).toBe(200);
      expect(await post("/price", { symbol: "BTC/USDT" })).toBe(400);
      expect(await post("/faults", { faults: [{ kind: "lost-reply", times: 1 }] })).toBe(200);
      expect(await post("/faults", { faults: [{ kind: "flood" }] })).toBe(400);
      expect(await post("/skew", { skewMs: 60_000 })).toBe(200);
      const state = (await (await fetch(`${url}/state`)).json()) as { prices: Record<string, string>; now: number };
      expect(state).toMatchObject({ prices: { "BTC/USDT": "41000" }, now: nowMs + 60_000 });
    } finally {
      await admin.stop();
    }
  });
});
