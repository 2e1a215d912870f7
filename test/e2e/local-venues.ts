/** The two venues of the end-to-end tests: they run in the test's process, on the node's address, where pods reach them. */
import { randomUUID } from "node:crypto";
import { network } from "@bellwether/k3s/source";
import { wrappedSol } from "../venues/solana/swap-market.ts";
import type { SolanaStandIn } from "../venues/solana/stand-in.ts";
import { demoKeys, demoMarkets } from "../venues/exchange/demo.ts";
import { dialectNamed } from "../venues/exchange/dialects.ts";
import { ExchangeServer } from "../venues/exchange/server.ts";
import { memoryStore } from "../venues/exchange/store.ts";
import { newKeypair } from "../integration/broker/solana-fixture.ts";

/** Whose key the exchange takes. */
export const accountId = "local-1";
const slotMs = 50;
const minuteMs = 60_000;
const bars = 6_000;

export interface LocalVenues {
  readonly exchange: ExchangeServer;
  readonly exchangeUrl: string;
  /** Key and secret that the exchange takes. */
  readonly exchangeKeys: { readonly apiKey: string; readonly secret: string };
  readonly solana: SolanaStandIn;
  /** `accounts[].solana` of a RiskPolicy, but for the Secret. */
  readonly wallet: object;
  readonly keypair: readonly number[];
  /** Transactions that moved money of the wallet. */
  landings(): number;
  stop(): Promise<void>;
}

export async function startVenues(): Promise<LocalVenues> {
  const demoKey = demoKeys.find((each) => each.accountId === accountId);
  if (!demoKey) throw new Error(`no key of ${accountId}`);
  // A key belongs to one account: that of an earlier run on this cluster keeps its own for a while.
  const key = { ...demoKey, apiKey: randomUUID() };
  const exchange = new ExchangeServer({
    now: () => Date.now(),
    dialect: dialectNamed("binance"),
    markets: demoMarkets,
    keys: [key],
    balances: { [accountId]: { USDT: "10000" } },
    seed: 1,
    feeRate: "0.001",
    makerQuantity: "5",
    store: memoryStore(),
  });
  const { port } = new URL(await exchange.start(0, network.nodeIp));
  const ticking = setInterval(() => exchange.exchange.tick(), 250);

  const { SolanaStandIn } = await import("../venues/solana/stand-in.ts");
  const solana = await SolanaStandIn.start({ now: () => Date.now(), host: network.nodeIp });
  solana.run(slotMs);
  const keys = newKeypair();
  await solana.fund(keys.address as Parameters<SolanaStandIn["fund"]>[0], { lamports: 10_000_000_000n, usdc: 1_000_000_000n });
  return {
    exchange,
    exchangeUrl: `http://${network.nodeIp}:${port}`,
    exchangeKeys: { apiKey: key.apiKey, secret: key.secret },
    solana,
    wallet: walletOf(solana),
    keypair: keys.bytes,
    landings: () =>
      solana.chain.blocks
        .flatMap(({ transactions }) => transactions)
        .filter(({ wire, err }) => wire.feePayer === keys.address && err === null).length,
    async stop() {
      clearInterval(ticking);
      await Promise.all([exchange.stop(), solana.stop()]);
    },
  };
}

/** The chain's own dollar counts as USDT here, so that one policy can hold both accounts. */
function walletOf(solana: SolanaStandIn): object {
  const [makerUsdc] = solana.chain.tokenAccounts(solana.swaps.maker);
  const origin = `http://${network.nodeIp}:${new URL(solana.origin).port}`;
  return {
    rpcUrls: [...solana.endpoints.keys()].map((name) => `${origin}/rpc/${name}`),
    programAllowList: ["11111111111111111111111111111111"],
    genesisHash: solana.chain.genesisHash,
    tokens: [
      { asset: "SOL", mint: wrappedSol, decimals: 9 },
      { asset: "USDT", mint: solana.usdc.mint, decimals: 6 },
    ],
    destinations: [solana.swaps.maker, ...(makerUsdc ? [makerUsdc.address] : [])],
    swap: { baseUrl: origin, slippageBps: 500, maxDeviationBps: 2_000 },
  };
}

/** Minutes around the price at which the chain's market maker starts: a market that a swap can be judged by, with a bar whenever one is wanted. */
export function solBars(): string {
  const from = Date.parse("2026-01-01T00:00:00Z");
  const rows = Array.from({ length: bars }, (_, index) => {
    const price = (100 + Math.sin(index / 20)).toFixed(2);
    return `${new Date(from + index * minuteMs).toISOString()},${price},${price},${price},${price},1000`;
  });
  return ["timestamp,open,high,low,close,volume", ...rows, ""].join("\n");
}
