import { parseDecimal } from "@bellwether/trading";
import { expect, test } from "vitest";
import { openedBook, withOrders } from "../testing/book-builder.ts";
import { bookOrder } from "../testing/book-fixtures.ts";
import { mayBeFiredLeg } from "./fired-leg.ts";

const protectedOrder = (filled: string) => ({
  ...bookOrder({ state: "Filled", protectiveLegs: ["stopLoss"] }),
  filled: parseDecimal(filled),
});
const sold = (venue: string) => ({ asset: "BTC", journal: "2", venue });
const paid = { asset: "USDT", journal: "100", venue: "150" };

test.each([
  { when: "what a leg may sell is gone and paid for", drift: [sold("1"), paid], then: true },
  { when: "a part of it is gone", drift: [sold("1.9"), paid], then: true },
  { when: "more is gone than legs may sell", drift: [sold("0.9"), paid], then: false },
  { when: "more is there", drift: [sold("2.1"), paid], then: false },
  { when: "it was not paid for", drift: [sold("1"), { ...paid, venue: "50" }], then: false },
  { when: "something else is gone, too", drift: [sold("1"), paid, { asset: "ETH", journal: "1", venue: "0" }], then: false },
  { when: "only the currency differs", drift: [paid], then: false },
])("when $when, it may be a fired leg: $then", ({ drift, then }) => {
  expect(mayBeFiredLeg(drift, withOrders(openedBook(), protectedOrder("1")), "USDT")).toBe(then);
});

test("without legs nothing is one", () => {
  expect(mayBeFiredLeg([sold("1"), paid], openedBook(), "USDT")).toBe(false);
});
