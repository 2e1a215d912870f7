import { type ChildProcess, spawn } from "node:child_process";
import { createWriteStream, mkdirSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { renderBrokerConfig } from "@bellwether/broker/config";
import { renderRiskConfig } from "@bellwether/risk/config";
import { ServiceClient, systemClock } from "@bellwether/service-kit";
import {
  type AgentSnapshot,
  type DecisionReply,
  type DecisionRequest,
  type PortfolioView,
  type RegistrationReply,
  agentSnapshot,
  barsReply,
  decisionReply,
  portfolioView,
  registrationReply,
} from "@bellwether/trading";
import { inherited } from "../../suites/inherited.ts";
import { serviceEntry } from "../../suites/service-entry.ts";
import { TestIdentity, issuer } from "./identity.ts";
import { type TestPostgres, freePort } from "./postgres.ts";

const operatorSubject = "system:serviceaccount:bellwether:bellwether-operator";
const controllerSubject = "system:serviceaccount:bellwether:bellwether-cli";
const riskSubject = "system:serviceaccount:bellwether:rpol-p-risk";
const policy = { uid: "policy-1", name: "p", namespace: "bellwether" };
const nodeBinary = process.execPath;
const root = new URL("../../../", import.meta.url).pathname;

export interface StackOptions {
  readonly postgres: TestPostgres;
  /** Market seconds per wall second. */
  readonly speed?: number;
  readonly balance?: string;
  /** An account at a local exchange, in place of the paper one; it goes by the same name. */
  readonly live?: { readonly exchange: string; readonly baseUrl: string; readonly credentialsDirectory: string };
  readonly limits?: Record<string, string | number>;
}

export interface PolicyChange {
  readonly trading?: string;
  /** Annotations. */
  readonly halt?: string;
  readonly resetBreaker?: string;
  readonly limits?: Record<string, string | number>;
  /** Default none: a test that looks at something else must not be stopped by the market. */
  readonly circuitBreakers?: readonly object[];
}

interface Ports {
  readonly risk: number;
  readonly riskHealth: number;
  readonly broker: number;
  readonly brokerHealth: number;
}

export const market = "BTC/USDT";
export const timeframe = "1m";

/** Real risk and broker processes on a real Postgres, as the operator would configure them; the RiskPolicy is a file. */
export class Stack {
  readonly directory = mkdtempSync(join(tmpdir(), "bellwether-path-"));
  readonly identity = new TestIdentity(join(this.directory, "identity"));
  readonly operator: ServiceClient;
  /** A person with the plugin. */
  readonly controller: ServiceClient;
  readonly #options: StackOptions;
  readonly #ports: Ports;
  readonly #processes = new Map<"risk" | "broker", ChildProcess>();
  readonly #agents = new Map<string, ServiceClient>();

  private constructor(options: StackOptions, ports: Ports) {
    this.#options = options;
    this.#ports = ports;
    this.operator = this.#client(operatorSubject);
    this.controller = this.#client(controllerSubject);
    this.#writeConfigs();
    this.setPolicy({});
  }

  static async start(options: StackOptions): Promise<Stack> {
    const [risk, riskHealth, broker, brokerHealth] = [await freePort(), await freePort(), await freePort(), await freePort()];
    const stack = new Stack(options, { risk, riskHealth, broker, brokerHealth });
    stack.launch("broker");
    stack.launch("risk");
    return stack;
  }

  get riskUrl(): string {
    return `http://127.0.0.1:${this.#ports.risk}`;
  }

  pid(name: "risk" | "broker"): number {
    return this.#processes.get(name)?.pid ?? 0;
  }

  /** Starts a process; with a fail point it ends itself there, once. */
  launch(name: "risk" | "broker", failPoint?: string): ChildProcess {
    // A point fires once in the life of the directory: its marker may be left by the other service or an earlier test.
    if (failPoint !== undefined) rmSync(join(this.directory, `fail-point-${failPoint}`), { force: true });
    const log = createWriteStream(join(this.directory, `${name}.log`), { flags: "a" });
    const child = spawn(nodeBinary, [serviceEntry(name)], {
      cwd: root,
      env: {
        ...inherited(),
        BELLWETHER_CONFIG: join(this.directory, `${name}.json`),
        HOSTNAME: name,
        ...(failPoint !== undefined && { BELLWETHER_FAIL_POINT: failPoint }),
      },
      stdio: ["ignore", "pipe", "pipe"],
    });
    child.stdout?.pipe(log, { end: false });
    child.stderr?.pipe(log, { end: false });
    this.#processes.set(name, child);
    return child;
  }

  /** Resolves once a freshly launched process has everything it needs, the other one included. */
  async up(name: "risk" | "broker"): Promise<void> {
    await eventually(
      () => this.health(name),
      ({ ok }) => ok,
      30_000,
    );
    await eventually(
      () => this.health("risk"),
      ({ ok }) => ok,
      30_000,
    );
  }

  async kill(name: "risk" | "broker"): Promise<void> {
    const child = this.#processes.get(name);
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await gone;
  }

  /** Resolves when the process has ended by itself. */
  async ended(name: "risk" | "broker", timeoutMs = 20_000): Promise<void> {
    const child = this.#processes.get(name);
    const gone = (): boolean => !child || child.exitCode !== null || child.signalCode !== null;
    await eventually(
      async () => gone(),
      (ended) => ended,
      timeoutMs,
    ).catch((error: unknown) => {
      throw new Error(`${name} still lives:\n${this.logs()}`, { cause: error });
    });
  }

  /** Replaces the RiskPolicy, as kubectl apply would. */
  setPolicy(change: PolicyChange): void {
    const file = join(this.directory, "policy.json");
    const limits = change.limits ?? this.#options.limits ?? { maxPositionRatio: "0.9", maxOrderNotional: "1000000" };
    const object = {
      apiVersion: "bellwether.dev/v1alpha1",
      kind: "RiskPolicy",
      metadata: {
        ...policy,
        generation: 1,
        annotations: {
          ...(change.halt !== undefined && { "bellwether.dev/halt": change.halt }),
          ...(change.resetBreaker !== undefined && { "bellwether.dev/reset-breaker": change.resetBreaker }),
        },
      },
      spec: {
        baseCurrency: "USDT",
        ...(change.trading !== undefined && { trading: change.trading }),
        limits,
        circuitBreakers: change.circuitBreakers ?? [],
        accounts: [
          this.#options.live
            ? {
                name: "paper",
                ccxt: {
                  exchange: this.#options.live.exchange,
                  baseUrl: this.#options.live.baseUrl,
                  credentialsSecretRef: { name: "exchange-keys" },
                },
              }
            : {
                name: "paper",
                paper: {
                  balances: this.#balances(),
                  market: { replay: { dataset: { synthetic: { seed: 1 } }, speed: this.#speed() } },
                },
              },
        ],
      },
    };
    writeFileSync(`${file}.new`, JSON.stringify(object));
    renameSync(`${file}.new`, file);
  }

  agentSubject(uid: string): string {
    return `system:serviceaccount:bellwether:strat-${uid}-agent`;
  }

  agent(uid: string): ServiceClient {
    const known = this.#agents.get(uid) ?? this.#client(this.agentSubject(uid));
    this.#agents.set(uid, known);
    return known;
  }

  register(uid: string, change: { shareRatio?: string; suspended?: boolean; subject?: string } = {}): Promise<RegistrationReply> {
    const body = {
      uid,
      namespace: "bellwether",
      name: uid,
      subject: change.subject ?? this.agentSubject(uid),
      account: "paper",
      mode: this.#options.live ? "Live" : "Paper",
      markets: [{ symbol: market, timeframe }],
      shareRatio: change.shareRatio ?? "0.5",
      suspended: change.suspended ?? false,
    };
    return this.operator.put(`/v1/strategies/${uid}`, { schema: registrationReply, body });
  }

  /** Registers until the strategy is admitted and may trade. */
  async admit(uid: string, change: { shareRatio?: string } = {}): Promise<AgentSnapshot> {
    try {
      await eventually(
        () => this.register(uid, change),
        ({ admitted }) => admitted,
        30_000,
      );
      return await eventually(
        () => this.snapshot(uid),
        ({ trading, marketTime }) => trading.allowed && marketTime > 0,
        30_000,
      );
    } catch (error) {
      throw new Error(`${uid} was not admitted:\n${this.logs()}`, { cause: error });
    }
  }

  remove(uid: string, onDelete: "Keep" | "Flatten"): Promise<RegistrationReply> {
    return this.operator.delete(`/v1/strategies/${uid}`, { schema: registrationReply, query: { onDelete } });
  }

  portfolio(): Promise<PortfolioView> {
    return this.operator.get("/v1/portfolio", { schema: portfolioView });
  }

  snapshot(uid: string): Promise<AgentSnapshot> {
    return this.agent(uid).get(`/v1/strategies/${uid}`, { schema: agentSnapshot });
  }

  /** The last close, as the agent sees it. */
  async price(uid: string): Promise<string> {
    const query = { market, timeframe, limit: 1, strategy: uid };
    const { bars } = await this.agent(uid).get("/v1/bars", { schema: barsReply, query });
    return String(bars.at(-1)?.close);
  }

  decide(request: DecisionRequest): Promise<DecisionReply> {
    return this.agent(request.strategyUid).post("/v1/intents", { schema: decisionReply, body: request, timeoutMs: 8_000 });
  }

  async health(
    name: "risk" | "broker",
  ): Promise<{ ok: boolean; dependencies?: { name: string; ok: boolean; message: string }[] }> {
    const port = name === "risk" ? this.#ports.riskHealth : this.#ports.brokerHealth;
    const response = await fetch(`http://127.0.0.1:${port}/health/detailed`);
    return (await response.json()) as { ok: boolean };
  }

  /** Risk's figures in Prometheus' text format. */
  async metrics(): Promise<string> {
    return (await fetch(`http://127.0.0.1:${this.#ports.riskHealth}/metrics`)).text();
  }

  /** What the venue's own volume says, from its newest snapshot: call it right after the broker has started. */
  venueOnDisk(): { placements: number; clientOrderIds: readonly string[] } {
    const directory = join(this.directory, "broker-data", "paper-venue");
    const newest = readdirSync(directory)
      .filter((name) => name.startsWith("snapshot-") && name.endsWith(".json"))
      .sort()
      .at(-1);
    const snapshot = JSON.parse(readFileSync(join(directory, newest ?? ""), "utf8")) as {
      venue: string;
      history: { order: { clientOrderId: string } }[];
    };
    const venue = JSON.parse(snapshot.venue) as { state: { orderSequence: number } };
    return { placements: venue.state.orderSequence, clientOrderIds: snapshot.history.map((entry) => entry.order.clientOrderId) };
  }

  /** The ends of both logs, for the message of a failed test. */
  logs(): string {
    return ["risk", "broker"]
      .map((name) => `== ${name}\n${readFileSync(join(this.directory, `${name}.log`), "utf8").slice(-4_000)}`)
      .join("\n");
  }

  async stop(): Promise<void> {
    await this.kill("risk");
    await this.kill("broker");
    await this.operator.close();
    await this.controller.close();
    for (const agent of this.#agents.values()) await agent.close();
    rmSync(this.directory, { recursive: true, force: true });
  }

  #client(subject: string): ServiceClient {
    const tokenFile = this.identity.tokenFile(subject, "risk.bellwether.dev");
    return new ServiceClient({ baseUrl: `http://127.0.0.1:${this.#ports.risk}`, tokenFile, clock: systemClock });
  }

  #speed(): number {
    return this.#options.speed ?? 600;
  }

  #balances(): { asset: string; amount: string }[] {
    return [{ asset: "USDT", amount: this.#options.balance ?? "100000" }];
  }

  #writeConfigs(): void {
    const { postgres } = this.#options;
    const [riskDsn, brokerDsn] = [join(this.directory, "risk-dsn"), join(this.directory, "broker-dsn")];
    writeFileSync(riskDsn, postgres.riskDsn);
    writeFileSync(brokerDsn, postgres.brokerDsn);
    const { risk, riskHealth, broker, brokerHealth } = this.#ports;
    const brokerConfig = renderBrokerConfig({
      policy,
      account: this.#options.live
        ? { name: "paper", ccxt: this.#options.live }
        : {
            name: "paper",
            paper: {
              balances: this.#balances(),
              market: { replay: { dataset: { synthetic: { seed: 1 } }, speed: this.#speed() } },
            },
          },
      markets: [{ symbol: market, timeframe }],
      riskSubject,
      issuer,
      jwksFile: this.identity.jwksFile,
      dsnFile: brokerDsn,
      dataDirectory: join(this.directory, "broker-data"),
      apiPort: broker,
      healthPort: brokerHealth,
      failPointDirectory: this.directory,
    });
    mkdirSync(join(this.directory, "broker-data"), { recursive: true });
    writeFileSync(join(this.directory, "broker.json"), brokerConfig);
    const riskConfig = renderRiskConfig({
      policy,
      operatorSubject,
      controllers: [controllerSubject],
      issuer,
      jwksFile: this.identity.jwksFile,
      dsnFile: riskDsn,
      brokers: [
        {
          account: "paper",
          baseUrl: `http://127.0.0.1:${broker}`,
          tokenFile: this.identity.tokenFile(riskSubject, "broker.bellwether.dev"),
        },
      ],
      policyFile: join(this.directory, "policy.json"),
      apiPort: risk,
      healthPort: riskHealth,
      failPointDirectory: this.directory,
    });
    writeFileSync(join(this.directory, "risk.json"), riskConfig);
  }
}

/** Asks until the answer satisfies; throws the last answer or error after `timeoutMs`. */
export async function eventually<T>(ask: () => Promise<T>, satisfies: (value: T) => boolean, timeoutMs = 20_000): Promise<T> {
  const untilMs = Date.now() + timeoutMs;
  let last: unknown;
  while (Date.now() < untilMs) {
    try {
      const value = await ask();
      if (satisfies(value)) return value;
      last = value;
    } catch (error) {
      last = error;
    }
    await systemClock.sleep(50);
  }
  throw new Error(`not within ${timeoutMs} ms; last: ${last instanceof Error ? last.message : JSON.stringify(last)}`, {
    cause: last,
  });
}
