import { appendFileSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import { type Decimal, formatDecimal, parseDecimal } from "@bellwether/trading";
import type { AlgoOrder, ExchangeOrder, Trade } from "./orders.ts";

/** What has changed, as it stands afterwards: read in order, the last word on each order and balance holds. */
export interface StoredChange {
  readonly account?: {
    readonly accountId: string;
    readonly balances: readonly { asset: string; free: string; locked: string }[];
  };
  readonly orders?: readonly ExchangeOrder[];
  readonly algo?: AlgoOrder;
  readonly trade?: Trade;
  readonly price?: { readonly symbol: string; readonly fromMs: number; readonly price: string };
}

export interface ExchangeStore {
  append(change: StoredChange): void;
  read(): readonly StoredChange[];
}

/** An exchange that is remembered as long as its process lives. */
export function memoryStore(): ExchangeStore {
  const lines: string[] = [];
  return { append: (change) => void lines.push(encode(change)), read: () => lines.map(decode) };
}

/** One line of JSON for each change, written before the change is answered. */
export function fileStore(file: string): ExchangeStore {
  mkdirSync(dirname(file), { recursive: true });
  return {
    append: (change) => appendFileSync(file, `${encode(change)}\n`),
    read: () => (existsSync(file) ? readFileSync(file, "utf8").split("\n").filter(Boolean).map(decode) : []),
  };
}

function encode(change: StoredChange): string {
  return JSON.stringify(change, (_key, value: unknown) =>
    typeof value === "bigint" ? { decimal: formatDecimal(value as Decimal) } : value,
  );
}

function decode(line: string): StoredChange {
  return JSON.parse(line, (_key, value: unknown) => {
    const text = typeof value === "object" && value !== null && "decimal" in value ? value.decimal : undefined;
    return typeof text === "string" ? parseDecimal(text) : value;
  }) as StoredChange;
}
