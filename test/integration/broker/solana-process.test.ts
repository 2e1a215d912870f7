import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type BrokerConfigInput, renderBrokerConfig } from "@bellwether/broker/config";
import { systemClock } from "@bellwether/service-kit";
import { renderRiskConfig } from "@bellwether/risk/config";
import type {
  AgentSnapshot,
  BrokerAccount,
  BrokerOrder,
  DecisionReply,
  PortfolioView,
  RegistrationReply,
} from "@bellwether/trading";
import { Approver, finalOrderOf } from "../../../runtimes/broker/src/testing/approver.ts";
import { encodePriceAccount, pythOracleProgram } from "../../../runtimes/broker/src/testing/pyth-accounts.ts";
import { wrappedSol } from "../../venues/solana/swap-market.ts";
import { svmMissing } from "../../venues/solana/svm-missing.ts";
import { TestIdentity, issuer } from "../order-path/identity.ts";
import { type TestPostgres, freePort, postgresMissing, rowsOf, startPostgres } from "../order-path/postgres.ts";
import { inherited } from "../../suites/inherited.ts";
import { serviceEntry } from "../../suites/service-entry.ts";
import { makeRiskKeys, publishKey } from "./risk-keys.ts";
import { market, newKeypair } from "./solana-fixture.ts";

const missing = postgresMissing() ?? svmMissing();
const root = new URL("../../../", import.meta.url).pathname;
const operatorSubject = "system:serviceaccount:bellwether:bellwether-operator";
const riskSubject = "system:serviceaccount:bellwether:risk";
const longestMs = 60_000;
/** Where the oracle's price of SOL stands. */
const priceAccount = "7UVimffxr9ow1uXYxsr4LHAcV58mLzhmwaeKvJ1pjLiE";

/** What a local chain tells of itself. */
interface Overview {
  readonly origin: string;
  readonly genesisHash: string;
  readonly usdc: string;
  readonly rpcUrls: string[];
  readonly maker: string;
  readonly waiting: string[];
}

// Processes start, and risk compares balances every 30 s.
describe.skipIf(missing !== undefined)("processes: a broker of a wallet, and the local chain", { timeout: 300_000 }, () => {
  let postgres: TestPostgres;
  let directory: string;
  let chain: Overview;
  let apiPort: number;
  let identity: TestIdentity;
  const keys = newKeypair();
  const approver = new Approver(systemClock);
  const children = new Set<ChildProcess>();

  beforeAll(async () => {
    postgres = await startPostgres();
  });
  afterAll(() => postgres.remove());

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), "bellwether-wallet-"));
    identity = new TestIdentity(join(directory, "identity"));
    await postgres.reset();
    // A blockhash lives for 15 s here.
    const args = ["test/venues/solana/main.ts", "--port", "0", "--slot-ms", "100"];
    const child = launched(spawn(process.execPath, args, { cwd: root, stdio: ["ignore", "pipe", "inherit"] }));
    const line = await new Promise<string>((resolve, reject) => {
      child.stdout?.once("data", (data: Buffer) => resolve(data.toString()));
      child.once("exit", () => reject(new Error("the local chain did not start")));
    });
    chain = JSON.parse(line) as Overview;
    Object.assign(chain, await overview());
    await admin("fund", { address: keys.address, lamports: "10000000000", usdc: "1000000000" });
  });
  afterEach(() => {
    for (const child of children) child.kill("SIGKILL");
    children.clear();
    rmSync(directory, { recursive: true, force: true });
  });

  function launched(child: ChildProcess): ChildProcess {
    children.add(child);
    child.once("exit", () => children.delete(child));
    return child;
  }
  const overview = async (): Promise<Overview> => (await (await fetch(`${chain.origin}/admin`)).json()) as Overview;
  const admin = (action: string, body: object): Promise<Response> =>
    fetch(`${chain.origin}/admin/${action}`, { method: "POST", body: JSON.stringify(body) });

  /** The test plays risk: its key, where a broker looks for it. */
  async function publishApprover(): Promise<void> {
    await makeRiskKeys(postgres);
    await publishKey(postgres, approver, "policy-1");
  }

  /** A thousand and more minutes around the pool's price. */
  function bars(): string {
    const rows = Array.from({ length: 3_000 }, (_, minute) => {
      const time = new Date(Date.UTC(2026, 0, 1) + minute * 60_000).toISOString();
      return `${time},100,100.5,99.5,100,1000`;
    });
    return `timestamp,open,high,low,close,volume\n${rows.join("\n")}\n`;
  }

  async function writeConfig(
    keypair: string,
    change: Partial<NonNullable<BrokerConfigInput["account"]["solana"]>> = {},
  ): Promise<void> {
    mkdirSync(join(directory, "credentials"), { recursive: true });
    mkdirSync(join(directory, "data"), { recursive: true });
    writeFileSync(join(directory, "credentials", "keypair"), keypair);
    writeFileSync(join(directory, "bars.csv"), bars());
    writeFileSync(join(directory, "dsn"), postgres.brokerDsn);
    apiPort = await freePort();
    const config = renderBrokerConfig({
      policy: { uid: "policy-1", name: "demo", namespace: "bellwether" },
      account: {
        name: "wallet",
        solana: {
          rpcUrls: chain.rpcUrls,
          genesisHash: chain.genesisHash,
          destinations: [chain.maker],
          tokens: [
            { asset: "SOL", mint: wrappedSol, decimals: 9 },
            { asset: "USDC", mint: chain.usdc, decimals: 6 },
          ],
          swap: { baseUrl: chain.origin },
          market: { replay: { dataset: { file: join(directory, "bars.csv") }, symbol: market, speed: 60 } },
          credentialsDirectory: join(directory, "credentials"),
          ...change,
        },
        reference: { pyth: { accounts: [{ market, address: priceAccount }], maxAgeMs: 600_000 } },
      },
      markets: [{ symbol: market, timeframe: "1m" }],
      riskSubject,
      issuer,
      jwksFile: identity.jwksFile,
      dsnFile: join(directory, "dsn"),
      dataDirectory: join(directory, "data"),
      apiPort,
      healthPort: await freePort(),
    });
    writeFileSync(join(directory, "broker.json"), config);
  }

  function launchBroker(failPoint?: string): { child: ChildProcess; ended: Promise<NodeJS.Signals | null>; log: () => string } {
    const env = {
      ...inherited(),
      BELLWETHER_CONFIG: join(directory, "broker.json"),
      ...(failPoint && { BELLWETHER_FAIL_POINT: failPoint }),
    };
    const child = launched(
      spawn(process.execPath, [serviceEntry("broker")], { cwd: root, env, stdio: ["ignore", "pipe", "pipe"] }),
    );
    const chunks: string[] = [];
    child.stdout?.on("data", (data: Buffer) => chunks.push(data.toString()));
    child.stderr?.on("data", (data: Buffer) => chunks.push(data.toString()));
    const ended = new Promise<NodeJS.Signals | null>((resolve) => child.once("exit", (_code, signal) => resolve(signal)));
    return { child, ended, log: () => chunks.join("") };
  }
  /** Risk beside the broker, its RiskPolicy in a file; the way to ask it. */
  async function launchRisk(): Promise<<T>(path: string, subject: string, init?: RequestInit) => Promise<T>> {
    const port = await freePort();
    const file = (name: string, text: string): string => {
      writeFileSync(join(directory, name), text);
      return join(directory, name);
    };
    const policy = { uid: "policy-1", name: "demo", namespace: "bellwether" };
    const solana = {
      rpcUrls: chain.rpcUrls,
      keypairSecretRef: { name: "wallet" },
      programAllowList: [wrappedSol],
      genesisHash: chain.genesisHash,
    };
    const object = {
      apiVersion: "bellwether.dev/v1alpha1",
      kind: "RiskPolicy",
      metadata: { ...policy, generation: 1 },
      spec: {
        baseCurrency: "USDC",
        limits: { maxPositionRatio: "0.9", maxTokenConcentrationRatio: "1", maxOrderNotional: "1000000" },
        accounts: [{ name: "wallet", solana }],
        circuitBreakers: [
          { type: "GasSpike", threshold: "3", window: "60s", cooldown: "10m", action: "Halt" },
          { type: "PriceDeviation", threshold: "0.05", window: "60s", cooldown: "10m", action: "Halt" },
        ],
      },
    };
    const config = renderRiskConfig({
      policy,
      operatorSubject,
      issuer,
      jwksFile: identity.jwksFile,
      dsnFile: file("risk-dsn", postgres.riskDsn),
      brokers: [
        {
          account: "wallet",
          baseUrl: `http://127.0.0.1:${apiPort}`,
          tokenFile: identity.tokenFile(riskSubject, "broker.bellwether.dev"),
        },
      ],
      policyFile: file("policy.json", JSON.stringify(object)),
      apiPort: port,
      healthPort: await freePort(),
    });
    const env = { ...inherited(), BELLWETHER_CONFIG: file("risk.json", config) };
    const log = openSync(join(directory, "risk.log"), "w");
    launched(spawn(process.execPath, [serviceEntry("risk")], { cwd: root, env, stdio: ["ignore", log, log] }));
    return <T>(path: string, subject: string, init?: RequestInit) =>
      request<T>(`http://127.0.0.1:${port}${path}`, identity.token(subject, "risk.bellwether.dev"), init);
  }
  function call<T>(path: string, init: RequestInit = {}): Promise<T> {
    return request<T>(`http://127.0.0.1:${apiPort}${path}`, identity.token(riskSubject, "broker.bellwether.dev"), init);
  }
  async function request<T>(url: string, token: string, init: RequestInit = {}): Promise<T> {
    const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
    const response = await fetch(url, { ...init, headers });
    const body = (await response.json()) as T;
    if (!response.ok) throw new Error(JSON.stringify(body));
    return body;
  }
  const account = (): Promise<BrokerAccount> => call<BrokerAccount>("/v1/account");
  const ready = async (): Promise<void> => {
    await expect.poll(async () => (await account().catch(() => undefined))?.venue?.accepts, { timeout: longestMs }).toBe("all");
  };

  test("killed between storing the signed bytes and sending them: the next process sends those bytes, and they land once", async () => {
    await publishApprover();
    await writeConfig(JSON.stringify(keys.bytes));
    const first = launchBroker("after-signed-stored");
    await ready();
    // A blockhash lives for minutes now, however long the machine takes to start the next process.
    await admin("clock", { slotMs: 2_000 });
    const order = finalOrderOf(1, { account: "wallet", market, side: "sell", quantity: "1" });
    // Until the replay's first bar has closed there is no price, and an order is refused before anything is recorded.
    await expect
      .poll(
        async () => {
          const body = JSON.stringify(approver.approve(order));
          await call("/v1/orders", { method: "POST", body }).catch(() => undefined);
          return first.child.signalCode;
        },
        { timeout: longestMs, interval: 300 },
      )
      .toBe("SIGKILL");
    expect(await first.ended).toBe("SIGKILL");

    expect((await overview()).waiting).toEqual([]);
    const rows = await rowsOf(postgres.superuserDsn, "select state, signature from broker.solana_transactions");
    expect(rows).toMatchObject([{ state: "Signed" }]);
    expect(await rowsOf(postgres.superuserDsn, "select state from broker.orders")).toEqual([{ state: "AboutToSend" }]);

    launchBroker();
    await ready();
    await admin("clock", { slotMs: 100 });
    await expect
      .poll(async () => (await call<BrokerOrder>(`/v1/orders/${order.clientOrderId}`)).state, { timeout: longestMs })
      .toBe("Filled");
    const after = await rowsOf(postgres.superuserDsn, "select state, signature from broker.solana_transactions");
    expect(after).toMatchObject([{ state: "Finalized", signature: rows[0]?.["signature"] }]);
    await expect
      .poll(async () => (await account()).balances, { timeout: longestMs })
      .toEqual([
        { asset: "SOL", free: "8.99999", locked: "0" },
        { asset: "USDC", free: "1099.651594", locked: "0" },
      ]);
    // Nobody has put the oracle's account on this chain: that is told, and has stopped nothing.
    await expect
      .poll(async () => (await account()).referencesMissing, { timeout: longestMs })
      .toEqual([{ market, message: `Pyth account ${priceAccount}: there is no such account` }]);
  });

  /** What every source of the chain tells of recent prices of compute units, in micro-lamports. */
  async function payFees(microLamports: number): Promise<void> {
    for (const name of ["a", "b"]) await admin("endpoint", { name, faults: { priorityFees: [microLamports] } });
  }
  /** The oracle publishes a price of SOL. */
  async function publishPrice(usd: bigint): Promise<void> {
    const data = encodePriceAccount({ price: usd * 100_000_000n, publishedAtMs: Date.now() });
    await admin("account", { address: priceAccount, owner: pythOracleProgram, data: Buffer.from(data).toString("base64") });
  }

  test("a strategy moves SOL through risk and broker; what a failed transaction costs is folded, so that nothing drifts; an oracle that contradicts its prices and fees that jump halt it", async () => {
    await publishPrice(100n);
    // 60 lamports for a swap's 60,000 units.
    await payFees(1_000);
    await writeConfig(JSON.stringify(keys.bytes));
    const risk = await launchRisk();
    launchBroker();
    await ready();
    const strategy = "alpha";
    const agent = "system:serviceaccount:bellwether:strat-alpha-agent";
    const register = (): Promise<RegistrationReply> =>
      risk<RegistrationReply>(`/v1/strategies/${strategy}`, operatorSubject, {
        method: "PUT",
        body: JSON.stringify({
          uid: strategy,
          namespace: "bellwether",
          name: strategy,
          subject: agent,
          account: "wallet",
          mode: "Live",
          markets: [{ symbol: market, timeframe: "1m" }],
          shareRatio: "0.2",
          suspended: false,
        }),
      });
    await expect.poll(async () => (await register().catch(() => undefined))?.admitted, { timeout: longestMs }).toBe(true);
    const snapshot = (): Promise<AgentSnapshot> => risk<AgentSnapshot>(`/v1/strategies/${strategy}`, agent);
    const portfolio = (): Promise<PortfolioView> => risk<PortfolioView>("/v1/portfolio", operatorSubject);
    await expect.poll(async () => (await snapshot()).trading, { timeout: longestMs }).toMatchObject({ allowed: true });
    // Nothing is bought before journal and venue have been compared.
    await expect.poll(async () => (await portfolio()).accounts[0]?.lastReconciledTime, { timeout: longestMs }).toBeGreaterThan(0);

    const decide = async (side: "buy" | "sell", size: object): Promise<string> => {
      const { run, marketSet, marketTime, lastDecisionTime = 0 } = await snapshot();
      const decisionTime = Math.max(marketTime, lastDecisionTime + 1);
      const intent = { ordinal: 0, market, side, size, signalPrice: "100", validUntil: Number.MAX_SAFE_INTEGER };
      const body = {
        strategyUid: strategy,
        run,
        marketSet,
        decisionTime,
        state: "{}",
        intents: [intent],
        cancels: [],
        replaces: [],
      };
      const reply = await risk<DecisionReply>("/v1/intents", agent, { method: "POST", body: JSON.stringify(body) });
      expect(reply.results.map(({ verdict }) => verdict)).toEqual([expect.objectContaining({ allowed: true })]);
      return reply.results[0]?.clientOrderId ?? "";
    };
    const ended = async (id: string, state: string): Promise<void> => {
      await expect
        .poll(async () => (await call<BrokerOrder>(`/v1/orders/${id}`).catch(() => undefined))?.state, { timeout: longestMs })
        .toBe(state);
    };
    const bought = await decide("buy", { quantity: "0.5" });
    await ended(bought, "Filled");
    await expect.poll(async () => (await snapshot()).account.positions[0]?.quantity, { timeout: longestMs }).toBe("0.49998994");

    // It passes the simulation; then the maker spends its money elsewhere, and it fails on chain.
    await admin("hold", { until: [40] });
    const failed = await decide("sell", { quantity: "0.1" });
    await expect.poll(async () => (await overview()).waiting.length, { timeout: longestMs }).toBe(1);
    await admin("fund", { address: chain.maker, usdc: "1" });
    await ended(failed, "Rejected");
    await admin("fund", { address: chain.maker, usdc: "100000000000" });
    const sold = await decide("sell", { all: true });
    await ended(sold, "Filled");

    const charges = await rowsOf(postgres.superuserDsn, "select asset, amount::text, reason from broker.charges");
    expect(charges).toEqual([{ asset: "SOL", amount: "0.000010060000000000", reason: "failed-fee" }]);
    const since = Date.now();
    await expect
      .poll(async () => (await portfolio()).accounts[0], { timeout: longestMs })
      .toMatchObject({ ready: true, drift: [], lastReconciledTime: expect.toSatisfy((time: number) => time > since) as number });

    const breakers = async (): Promise<Record<string, string>> =>
      Object.fromEntries(((await portfolio()).breakers ?? []).map(({ type, state }) => [type, state]));
    expect(await breakers()).toEqual({ GasSpike: "Armed", PriceDeviation: "Armed" });
    expect((await account()).references).toMatchObject([{ market, price: "100", own: "100" }]);
    await publishPrice(106n);
    await expect.poll(breakers, { timeout: longestMs }).toEqual({ GasSpike: "Armed", PriceDeviation: "Tripped" });
    await payFees(5_000);
    await expect.poll(breakers, { timeout: longestMs }).toEqual({ GasSpike: "Tripped", PriceDeviation: "Tripped" });
    expect((await snapshot()).trading).toMatchObject({ allowed: false });
  });

  test("a keypair that is none keeps the account closed, says what is wrong in its health, and shows nothing of it anywhere", async () => {
    const canary = "77,77,77,77,13,37";
    await writeConfig(`[${canary},${Array<number>(40).fill(77).join(",")}]`);
    const { log } = launchBroker();
    await expect
      .poll(async () => (await account().catch(() => undefined))?.venue?.code, { timeout: longestMs })
      .toBe("KEYPAIR_INVALID");
    expect((await account()).venue?.message).toBe("the keypair file cannot be used: it has 46 numbers, a keypair has 64");
    expect(log()).toContain("KEYPAIR_INVALID");
    expect(log()).not.toContain("77,77");
  });
});
