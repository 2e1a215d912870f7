import { parseDecimal } from "@bellwether/trading";
import { expect, test } from "vitest";
import { AccountBook, unassigned } from "./book.ts";
import { ignoredBalances } from "./ignored-balances.ts";

const began = { from: undefined, to: unassigned, asset: "USDT", amount: parseDecimal("10000") };

test.each<{ manifest: Record<string, string> | undefined; adopted?: string; then: object[] }>([
  { manifest: { USDT: "10000.0" }, then: [] },
  { manifest: { USDT: "20000" }, then: [{ asset: "USDT", manifest: "20000", journal: "10000" }] },
  {
    manifest: { BTC: "1" },
    then: [
      { asset: "BTC", manifest: "1", journal: "0" },
      { asset: "USDT", manifest: "0", journal: "10000" },
    ],
  },
  { manifest: { USDT: "20000" }, adopted: "5", then: [] },
  { manifest: undefined, then: [] },
])("an account that began with 10000 USDT, under a manifest of $manifest, ignores $then", ({ manifest, adopted, then }) => {
  const book = new AccountBook("account-1", "paper");
  book.applyTransfer(began);
  if (adopted !== undefined) book.applyAdjustment("USDT", parseDecimal(adopted));
  expect(ignoredBalances(manifest && new Map(Object.entries(manifest)), book)).toEqual(then);
});
