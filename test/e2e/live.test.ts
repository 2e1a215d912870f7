import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type KubeObject, apply, condition, get, kubectl, list, query, waitFor } from "../cluster/kubectl.ts";
import { skipReason } from "../cluster/prerequisites.ts";
import { svmMissing } from "../venues/solana/svm-missing.ts";
import { isLongForm } from "../suites/long-form.ts";
import { type LocalVenues, accountId, solBars, startVenues } from "./local-venues.ts";
import { programConfigMap, strategy } from "./manifests.ts";

/*
 * Live strategies on the real cluster: one at the local exchange, one moving SOL on the local chain. Then a halt with no operator alive.
 */

const skipped = skipReason ?? svmMissing();
const policy = "live";
const strategies = ["live-btc", "live-sol"];
/** In and out again, as often as a bar comes. */
const eager = `import { defineStrategy } from "@bellwether/agent";
export default defineStrategy({
  onBar(context) {
    if (context.orders().length > 0) return;
    if (context.position.quantity === "0") context.buy({ notional: "50" });
    else context.sell({ all: true });
  },
});
`;

/** In once, with a stop and a target far from the price: both rest at the exchange until somebody sells. */
const patient = `import { defineStrategy } from "@bellwether/agent";
export default defineStrategy({
  onBar(context) {
    if (context.orders().length > 0 || context.position.quantity !== "0") return;
    const [bar] = context.bars(1);
    context.buy({ notional: "500", stopLoss: (bar.close * 0.5).toFixed(0), takeProfit: (bar.close * 2).toFixed(0) });
  },
});
`;

const secret = (name: string, data: Readonly<Record<string, string>>): string =>
  JSON.stringify({ apiVersion: "v1", kind: "Secret", metadata: { name }, stringData: data });

function policyManifest(venues: LocalVenues, exchangeSecret: string): string {
  const dataset = { configMapRef: { name: "sol-bars", key: "bars.csv" }, symbol: "SOL/USDT" };
  const exchange = { exchange: "binance", baseUrl: venues.exchangeUrl, credentialsSecretRef: { name: exchangeSecret } };
  const solana = { ...venues.wallet, keypairSecretRef: { name: "wallet" }, market: { replay: { dataset, speed: 120 } } };
  return JSON.stringify({
    apiVersion: "bellwether.dev/v1alpha1",
    kind: "RiskPolicy",
    metadata: { name: policy },
    spec: {
      baseCurrency: "USDT",
      accounts: [
        { name: "exchange", ccxt: exchange, hardCaps: { maxOrderNotional: "1000" } },
        { name: "wallet", solana },
      ],
      limits: { maxPositionRatio: "0.9", maxTokenConcentrationRatio: "1", maxOrdersPerMinute: 600 },
      circuitBreakers: [],
    },
  });
}

interface LiveStrategy {
  readonly name: string;
  readonly account: string;
  readonly symbol: string;
  /** A ConfigMap with `program.ts`. */
  readonly program: string;
}

const liveStrategy = ({ name, account, symbol, program }: LiveStrategy): string =>
  strategy({
    name,
    policy,
    account,
    mode: "Live",
    program: `{source: {configMapRef: {name: ${program}, key: program.ts}}}`,
    extra: '  acknowledgeLive: true\n  onDelete: Flatten\n  capital: {shareRatio: "0.5"}',
  }).replace("BTC/USDT", symbol);

const liveBtc = liveStrategy({ name: "live-btc", account: "exchange", symbol: "BTC/USDT", program: "patient-program" });
const liveSol = liveStrategy({ name: "live-sol", account: "wallet", symbol: "SOL/USDT", program: "eager-program" });

async function accountMessage(name: string): Promise<string> {
  const accounts = ((await get("riskpolicy", policy))?.status?.accounts ?? []) as { name: string; message?: string }[];
  return accounts.find((account) => account.name === name)?.message ?? "";
}

/** By uid: a strategy of that name may have traded before. */
const ordersOf = (uids: readonly string[]): string =>
  `FROM broker.orders b JOIN risk.orders o USING (client_order_id) WHERE o.strategy_uid IN (${uids.map((uid) => `'${uid}'`).join(", ")})`;

async function fillsOf(uid: string): Promise<number> {
  const [row] = await query(
    `SELECT count(*) AS n ${ordersOf([uid])} AND EXISTS (SELECT 1 FROM broker.fills f WHERE f.client_order_id = b.client_order_id)`,
  );
  return Number(row?.["n"] ?? 0);
}

const uidOf = async (name: string): Promise<string> => (await get("strategy", name))?.metadata.uid ?? "";

describe.skipIf(skipped)(`live trading${skipped ? ` (skipped: ${skipped})` : ""}`, () => {
  let venues: LocalVenues;

  beforeAll(async () => {
    venues = await startVenues();
    const bars = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "sol-bars" }, data: { "bars.csv": solBars() } };
    // Too large for the annotation that a client-side apply keeps.
    await kubectl(["apply", "--server-side", "-f", "-"], { input: JSON.stringify(bars) });
    await apply(programConfigMap("eager-program", eager));
    await apply(programConfigMap("patient-program", patient));
    await apply(secret("exchange-keys", venues.exchangeKeys));
    await apply(secret("wallet", { keypair: JSON.stringify(venues.keypair) }));
    await apply(policyManifest(venues, "nobody-made-this"));
  });
  afterAll(async () => {
    await kubectl(["delete", "strategy", ...strategies, "--ignore-not-found"], { timeoutMs: 150_000 });
    await kubectl(["delete", "riskpolicy", policy, "--ignore-not-found"], { timeoutMs: 90_000 });
    await kubectl([
      "delete",
      "configmap,secret",
      "sol-bars",
      "eager-program",
      "patient-program",
      "exchange-keys",
      "wallet",
      "--ignore-not-found",
    ]);
    await venues?.stop();
  });

  test("says which Secret's key is missing, in a sentence without its value, and is ready once another is named", async () => {
    await waitFor(async () => /apiKey/.test(await accountMessage("exchange")), {
      timeoutMs: 120_000,
      what: "a message that names the missing key",
    });
    expect(condition(await get("riskpolicy", policy), "Ready")).toMatchObject({ status: "False", reason: "AccountNotReady" });
    await apply(policyManifest(venues, "exchange-keys"));
    await waitFor(async () => condition(await get("riskpolicy", policy), "Ready")?.status === "True", {
      timeoutMs: 120_000,
      what: "both accounts ready",
    });
    const said = JSON.stringify(await get("riskpolicy", policy)) + (await kubectl(["get", "events", "-o", "json"]));
    expect(said).not.toContain(venues.exchangeKeys.secret);
  });

  test("moves SOL on the local chain, and trades at the local exchange under ids that the journal knows", async () => {
    await apply(liveBtc);
    await apply(liveSol);
    const [btc, sol] = [await uidOf("live-btc"), await uidOf("live-sol")];
    await waitFor(async () => (await fillsOf(sol)) > 0, { timeoutMs: 150_000, what: "a swap in the journal" });
    expect(venues.landings()).toBeGreaterThan(0);
    // The exchange's candles are as long as they say: the first one closes within a minute.
    await waitFor(async () => (await fillsOf(btc)) > 0, {
      timeoutMs: 150_000,
      what: "a fill at the exchange in the journal",
    });
    const placed = [...venues.exchange.exchange.orders.values()].map(({ clientOrderId }) => clientOrderId);
    const known = await query(
      "SELECT client_order_id AS id FROM broker.orders WHERE state <> 'NotSent' UNION SELECT venue_client_id FROM broker.protective_orders",
    );
    expect(placed.length).toBeGreaterThan(0);
    expect(new Set(placed).size).toBe(placed.length);
    for (const id of placed) expect(known.map((row) => row["id"])).toContain(id);
  });

  test("keeps the keys in the brokers' pods and nowhere else", async () => {
    const pods = await list("pods");
    const holders = pods.filter((pod: KubeObject) => /"(exchange-keys|wallet)"/.test(JSON.stringify(pod.spec)));
    expect(holders.map(({ metadata }) => metadata.name).sort()).toEqual([
      "rpol-live-broker-exchange-0",
      "rpol-live-broker-wallet-0",
    ]);
  });

  test("sends nothing any more a second after a halt by annotation, with no operator alive", async () => {
    await kubectl(["scale", "deployment", "-l", "app.kubernetes.io/component=operator", "--replicas=0"]);
    const sends = (): number => venues.landings();
    try {
      const before = sends();
      await waitFor(async () => sends() > before, { timeoutMs: 60_000, what: "another transaction with no operator alive" });
      await kubectl(["annotate", "riskpolicy", policy, "bellwether.dev/halt=exercise", "--overwrite"]);
      await pause(1_000); // The second that design §6 allows.
      const mine = `SELECT count(*) AS n ${ordersOf([await uidOf("live-btc"), await uidOf("live-sol")])}`;
      const atHalt = (await query(mine))[0]?.["n"];
      await pause(5_000); // Ten bars of the chain's market.
      expect((await query(mine))[0]?.["n"]).toBe(atHalt);
      // What protects a position stays where it rests.
      expect(restingLegs(venues)).toHaveLength(2);
    } finally {
      await kubectl(["scale", "deployment", "-l", "app.kubernetes.io/component=operator", "--replicas=1"]);
    }
    await waitFor(async () => (await get("riskpolicy", policy))?.status?.state === "Halted", {
      timeoutMs: 60_000,
      what: "state Halted in the table",
    });
    await kubectl(["annotate", "riskpolicy", policy, "bellwether.dev/halt-"]);
    await waitFor(async () => condition(await get("strategy", "live-sol"), "TradingAllowed")?.status === "True", {
      timeoutMs: 60_000,
      what: "trading again",
    });
  });

  test("takes the stop and the target off the exchange before a deleted strategy's position is sold", async () => {
    expect(restingLegs(venues)).toHaveLength(2);
    await kubectl(["delete", "strategy", "live-btc"], { timeoutMs: 150_000 });
    expect(restingLegs(venues)).toEqual([]);
    const btc = venues.exchange.exchange.balances(accountId).find(({ asset }) => asset === "BTC");
    expect(Number(btc?.locked)).toBe(0);
    expect(Number(btc?.free)).toBeLessThan(0.0001);
  });

  // Waits for a lease of forty seconds: the rules of the claim have quicker tests.
  if (isLongForm)
    test("a policy that is deleted and made anew has its key again within a minute, and the holder before writes nothing", async () => {
      await kubectl(["delete", "strategy", ...strategies, "--ignore-not-found"], { timeoutMs: 150_000 });
      const before = `${(await get("riskpolicy", policy))?.metadata.uid ?? ""}/exchange`;
      await kubectl(["delete", "riskpolicy", policy], { timeoutMs: 90_000 });
      await apply(policyManifest(venues, "exchange-keys"));
      const uid = (await get("riskpolicy", policy))?.metadata.uid ?? "";
      await waitFor(async () => /AccountInUse/.test(await accountMessage("exchange")), {
        timeoutMs: 60_000,
        what: "a message that the key is still the other account's",
      });
      await waitFor(async () => condition(await get("riskpolicy", policy), "Ready")?.status === "True", {
        timeoutMs: 120_000,
        what: "both accounts of the new policy ready",
      });
      expect(await query("SELECT account_uid AS account FROM broker.account_keys")).toContainEqual({
        account: `${uid}/exchange`,
      });
      const [fenced] = await query(`SELECT holder FROM broker.writer_epochs WHERE scope = '${before}'`);
      expect(fenced?.["holder"]).toBe(`fenced by ${uid}/exchange`);
      await apply(liveBtc);
      const btc = await uidOf("live-btc");
      await waitFor(async () => (await fillsOf(btc)) > 0, { timeoutMs: 150_000, what: "a fill under the new policy" });
    });
});

/** Stops and targets of the account that wait at the exchange. */
function restingLegs({ exchange }: LocalVenues): string[] {
  const open = exchange.exchange.openOrders(accountId);
  return open.filter(({ side }) => side === "sell").map(({ clientOrderId }) => clientOrderId);
}
