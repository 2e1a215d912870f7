import { BinanceDialect } from "./binance.ts";
import type { Dialect } from "./wire.ts";

export function dialectNamed(name: string): Dialect {
  if (name === "binance") return new BinanceDialect();
  throw new Error(`no dialect ${name}; there is binance`);
}
