import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { orderState, terminalOrderStates, type FinalOrder } from "../wire/orders.ts";
import { approvalPayload } from "./approval.ts";
import { canonicalOrder, parseCanonicalOrder } from "./canonical.ts";
import { clientOrderId } from "./client-order-id.ts";
import { intentId, ownerOf, parseIntentId } from "./intent-id.ts";
import { canBecome, isOpen, orderTransitions, transition } from "./state-machine.ts";

const order: FinalOrder = {
  account: "main",
  clientOrderId: "0123456789abcdef0123456789abcdef",
  intentId: "uid-1/1/1640995260000/0",
  attempt: 1,
  market: "BTC/USDT",
  side: "buy",
  type: "limit",
  quantity: "0.25",
  limit: "41000",
  timeInForce: "GTC",
  stopLoss: "40000.5",
  maxCost: "10250.01",
  reduceOnly: false,
  decisionTime: 1_640_995_260_000,
};

const canonicalText = `bellwether-order/1
account=main
clientOrderId=0123456789abcdef0123456789abcdef
intentId=uid-1/1/1640995260000/0
attempt=1
market=BTC/USDT
side=buy
type=limit
quantity=0.25
limit=41000
timeInForce=GTC
stopLoss=40000.5
maxCost=10250.01
reduceOnly=false
decisionTime=1640995260000
`;

describe("canonicalOrder", () => {
  test("writes every member in a fixed order, and none that is absent", () => {
    expect(canonicalOrder(order)).toBe(canonicalText);
  });

  test("writes one order one way, however its numbers are written and its members ordered", () => {
    const { account, ...rest } = order;
    expect(canonicalOrder({ ...rest, quantity: "00.2500", limit: "41000.0", account })).toBe(canonicalText);
  });

  test("reads back as the same order", () => {
    expect(parseCanonicalOrder(canonicalText)).toEqual(order);
  });

  test.each([
    ["another version", canonicalText.replace("order/1", "order/2")],
    ["a trailing zero", canonicalText.replace("quantity=0.25", "quantity=0.250")],
    ["an exponent", canonicalText.replace("quantity=0.25", "quantity=25e-2")],
    ["an unknown member", `${canonicalText}leverage=10\n`],
    ["a repeated member", `${canonicalText}reduceOnly=true\n`],
    ["a missing member", canonicalText.replace("side=buy\n", "")],
    ["two members exchanged", canonicalText.replace("side=buy\ntype=limit\n", "type=limit\nside=buy\n")],
    ["no final line feed", canonicalText.trimEnd()],
    ["an empty line", canonicalText.replace("side=", "\nside=")],
    ["a leading zero in a whole number", canonicalText.replace("attempt=1", "attempt=01")],
    ["a word that is no boolean", canonicalText.replace("reduceOnly=false", "reduceOnly=no")],
    ["a carriage return", canonicalText.replaceAll("\n", "\r\n")],
    ["a quantity of nothing", canonicalText.replace("quantity=0.25", "quantity=0")],
    ["nothing", ""],
  ])("is refused with %s", (_what, text) => {
    expect(() => parseCanonicalOrder(text)).toThrow(expect.objectContaining({ code: "ORDER_TEXT_INVALID" }));
  });

  test("cannot be made to smuggle a line", () => {
    expect(() => canonicalOrder({ ...order, market: "BTC/USDT\nside=sell" })).toThrow(
      expect.objectContaining({ code: "ORDER_TEXT_INVALID" }),
    );
  });
});

describe("approvalPayload", () => {
  const approval = { order: canonicalText, keyId: "k1", epoch: 3, nonce: "n", expiresAt: 1_640_995_261_000 };
  const text = (given: typeof approval) => new TextDecoder().decode(approvalPayload(given));

  test.each([
    ["order", { ...approval, order: canonicalText.replace("buy", "sell") }],
    ["keyId", { ...approval, keyId: "k2" }],
    ["epoch", { ...approval, epoch: 4 }],
    ["nonce", { ...approval, nonce: "m" }],
    ["expiresAt", { ...approval, expiresAt: 1_640_995_261_001 }],
    ["where one member ends and the next begins", { ...approval, keyId: "k", nonce: "1n" }],
  ])("changes with %s", (_what, other) => {
    expect(text(other)).not.toBe(text(approval));
  });

  test("has one form", () => {
    expect(text({ ...approval, order: "x\n" })).toBe("bellwether-approval/1\n2:k1\n1:3\n1:n\n13:1640995261000\n2:x\n\n");
  });
});

describe("ids", () => {
  test("an intent id holds its parts", () => {
    const key = { strategyUid: "0b9c", run: 2, decisionTime: 1_640_995_260_000, ordinal: 7 };
    expect(intentId(key)).toBe("0b9c/2/1640995260000/7");
    expect(parseIntentId(intentId(key))).toEqual(key);
    expect(ownerOf(intentId(key))).toBe("0b9c");
  });

  test.each(["", "a/b/c/d", "a/1/2", "a/1/2/3/4", "a b/1/2/3"])("%j is no intent id", (text) => {
    expect(parseIntentId(text)).toBeUndefined();
  });

  test.each([
    ["hex32", /^[0-9a-f]{32}$/],
    ["short18", /^[0-9A-Za-z]{18}$/],
    ["uuid", /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/],
  ] as const)("a client order id as %s is stable, and differs by intent and by attempt", (encoding, form) => {
    const id = clientOrderId("a/1/2/3", 1, encoding);
    expect(id).toMatch(form);
    expect(clientOrderId("a/1/2/3", 1, encoding)).toBe(id);
    expect(clientOrderId("a/1/2/3", 2, encoding)).not.toBe(id);
    expect(clientOrderId("a/1/2/4", 1, encoding)).not.toBe(id);
  });

  test("the default is the first 128 bits of SHA-256 of intent id and attempt", () => {
    // printf 'a/1/2/3#1' | sha256sum
    expect(clientOrderId("a/1/2/3", 1)).toBe("2747757e6d65f7c09cff08c50161c4f9");
  });

  test("a hundred thousand ids of 18 characters do not collide", () => {
    const ids = new Set(Array.from({ length: 100_000 }, (_, index) => clientOrderId(`a/1/2/${index}`, 1, "short18")));
    expect(ids.size).toBe(100_000);
  });
});

describe("the states of an order", () => {
  test("terminal ones are those without a way on", () => {
    for (const state of orderState.options) expect(isOpen(state)).toBe(!terminalOrderStates.has(state));
  });

  test("nothing leads back to Approved or AboutToSend but the first step", () => {
    for (const state of orderState.options) {
      expect(orderTransitions[state]).not.toContain("Approved");
      if (state !== "Approved") expect(orderTransitions[state]).not.toContain("AboutToSend");
    }
  });

  test("an order once acknowledged is never unknown again", () => {
    expect(canBecome("Working", "Unknown")).toBe(false);
    expect(() => transition("Working", "Unknown")).toThrow(expect.objectContaining({ code: "ORDER_TRANSITION_INVALID" }));
  });

  test("every walk along the table ends, and stays where it ended", () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...orderState.options), { maxLength: 40 }), (wishes) => {
        let state: (typeof wishes)[number] = "Approved";
        let ended = false;
        for (const wish of wishes) {
          if (!canBecome(state, wish)) continue;
          if (ended) expect(wish).toBe(state);
          state = transition(state, wish);
          ended = terminalOrderStates.has(state);
        }
      }),
    );
  });
});
