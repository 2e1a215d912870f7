import { readFileSync } from "node:fs";
import process from "node:process";
import { parseArgs } from "node:util";
import { ExchangeAdmin } from "./admin.ts";
import { dialectNamed } from "./dialects.ts";
import { demoKeys, demoMarkets } from "./demo.ts";
import type { KeyOptions } from "./exchange.ts";
import { ExchangeServer } from "./server.ts";
import { fileStore, memoryStore } from "./store.ts";

/*
 * node test/venues/exchange/main.ts --port 8080 [--admin-port 8081] [--host 127.0.0.1] [--dialect binance|okx] [--state file] [--keys file.json]
 *   [--balance USDT=100000]… [--price BTC/USDT=40000]… [--fee-rate 0.001] [--seed 1]
 *
 * Prints one line of JSON with both addresses when it listens. With --state it goes on after a kill where it was.
 */
const { values } = parseArgs({
  options: {
    port: { type: "string", default: "0" },
    "admin-port": { type: "string", default: "0" },
    host: { type: "string", default: "127.0.0.1" },
    dialect: { type: "string", default: "binance" },
    state: { type: "string" },
    keys: { type: "string" },
    balance: { type: "string", multiple: true, default: ["USDT=100000"] },
    price: { type: "string", multiple: true, default: [] },
    "fee-rate": { type: "string", default: "0.001" },
    "maker-quantity": { type: "string", default: "5" },
    seed: { type: "string", default: "1" },
  },
});

const pairs = (list: readonly string[]): Record<string, string> =>
  Object.fromEntries(list.map((entry) => entry.split("=", 2) as [string, string]));
const prices = pairs(values.price);
const keys = values.keys === undefined ? demoKeys : (JSON.parse(readFileSync(values.keys, "utf8")) as KeyOptions[]);
const server = new ExchangeServer({
  now: () => Date.now(),
  dialect: dialectNamed(values.dialect),
  markets: demoMarkets.map((market) => ({ ...market, start: prices[market.symbol] ?? market.start })),
  keys,
  balances: Object.fromEntries(keys.map((key) => [key.accountId, pairs(values.balance)])),
  seed: Number(values.seed),
  feeRate: values["fee-rate"],
  makerQuantity: values["maker-quantity"],
  store: values.state === undefined ? memoryStore() : fileStore(values.state),
});
const admin = new ExchangeAdmin(server);
const url = await server.start(Number(values.port), values.host);
const adminUrl = await admin.start(Number(values["admin-port"]), values.host);
process.stdout.write(`${JSON.stringify({ url, adminUrl })}\n`);

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => void Promise.all([server.stop(), admin.stop()]).then(() => process.exit(0)));
}
// Prices move while nobody asks, and what rests is met.
setInterval(() => server.exchange.tick(), 250).unref();
