import { BinanceDialect } from "./binance.ts";
import { OkxDialect } from "./okx.ts";
import type { Dialect } from "./wire.ts";

export function dialectNamed(name: string): Dialect {
  if (name === "binance") return new BinanceDialect();
  if (name === "okx") return new OkxDialect();
  throw new Error(`no dialect ${name}; there are binance and okx`);
}
