import { type ChildProcess, spawn } from "node:child_process";
import { createWriteStream, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import process from "node:process";
import { renderBrokerConfig } from "@bellwether/broker/config";
import { renderRiskConfig } from "@bellwether/risk/config";
import { ServiceClient, systemClock } from "@bellwether/service-kit";
import {
  type AgentSnapshot,
  agentSnapshot,
  barsReply,
  decisionReply,
  portfolioView,
  registrationReply,
} from "@bellwether/trading";
import type { ControlPlane } from "../control-plane.ts";
import { type IntentChange, buy, decisionOf } from "../order-path/decisions.ts";
import { type TestPostgres, freePort } from "../order-path/postgres.ts";
import { eventually, market, timeframe } from "../order-path/stack.ts";
import { inherited } from "../../suites/inherited.ts";
import { serviceEntry } from "../../suites/service-entry.ts";
import { namespace, policyName, readPolicy } from "./furnish.ts";

const root = path.resolve(import.meta.dirname, "../../..");
const subject = (name: string): string => `system:serviceaccount:${namespace}:${name}`;
const strategyUid = "uid-trend";

interface Ports {
  readonly risk: number;
  readonly riskHealth: number;
  readonly broker: number;
  readonly brokerHealth: number;
}

/** Real risk and broker processes on a real Postgres, whose policy and whose tokens are a real API server's. */
export class LiveStack {
  readonly riskPort: number;
  readonly #directory = mkdtempSync(path.join(tmpdir(), "bellwether-live-"));
  readonly #plane: ControlPlane;
  readonly #processes = new Map<"risk" | "broker", ChildProcess>();
  readonly #clients: ServiceClient[] = [];
  #operator: ServiceClient | undefined;
  #agent: ServiceClient | undefined;

  private constructor(plane: ControlPlane, riskPort: number) {
    this.#plane = plane;
    this.riskPort = riskPort;
  }

  static async start(plane: ControlPlane, postgres: TestPostgres, webhookUrl: string): Promise<LiveStack> {
    const [risk, riskHealth, broker, brokerHealth] = [await freePort(), await freePort(), await freePort(), await freePort()];
    const stack = new LiveStack(plane, risk);
    await stack.#configure({ risk, riskHealth, broker, brokerHealth }, { postgres, webhookUrl });
    stack.launch("broker");
    stack.launch("risk");
    await stack.#admit();
    return stack;
  }

  launch(name: "risk" | "broker"): void {
    const log = createWriteStream(path.join(this.#directory, `${name}.log`), { flags: "a" });
    const child = spawn(process.execPath, [serviceEntry(name)], {
      cwd: root,
      env: {
        ...inherited(),
        BELLWETHER_CONFIG: path.join(this.#directory, `${name}.json`),
        KUBECONFIG: this.#plane.kubeconfig,
        HOSTNAME: name,
      },
      stdio: ["ignore", "pipe", "pipe"],
    });
    child.stdout.pipe(log, { end: false });
    child.stderr.pipe(log, { end: false });
    this.#processes.set(name, child);
  }

  async kill(name: "risk" | "broker"): Promise<void> {
    const child = this.#processes.get(name);
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await gone;
  }

  /** The agent's snapshot, once it satisfies. */
  snapshot(satisfies: (snapshot: AgentSnapshot) => boolean = () => true): Promise<AgentSnapshot> {
    return eventually(
      () => this.#client("agent").get(`/v1/strategies/${strategyUid}`, { schema: agentSnapshot }),
      satisfies,
      60_000,
    );
  }

  /** Posts one intent and gives its id and verdict. */
  async decide(
    change: IntentChange,
  ): Promise<{ intentId: string; clientOrderId: string | undefined; reason: string | undefined }> {
    const request = decisionOf(await this.snapshot(), { intents: [buy(await this.#price(), change)] });
    const { results } = await this.#client("agent").post("/v1/intents", {
      schema: decisionReply,
      body: request,
      timeoutMs: 20_000,
    });
    const [result] = results;
    return { intentId: result?.intentId ?? "", clientOrderId: result?.clientOrderId, reason: result?.verdict.reason };
  }

  /** Resolves when risk, started anew, answers. */
  async riskAnswers(): Promise<void> {
    await eventually(
      () => this.#client("operator").get("/v1/portfolio", { schema: portfolioView }),
      ({ accounts }) => accounts.every(({ ready }) => ready),
      60_000,
    );
  }

  logs(): string {
    const read = (name: string): string => readFileSync(path.join(this.#directory, `${name}.log`), "utf8").slice(-4_000);
    return `== risk\n${read("risk")}\n== broker\n${read("broker")}`;
  }

  async stop(): Promise<void> {
    await this.kill("risk");
    await this.kill("broker");
    for (const client of this.#clients) await client.close();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  #client(who: "operator" | "agent"): ServiceClient {
    const client = who === "operator" ? this.#operator : this.#agent;
    if (!client) throw new Error("not configured yet");
    return client;
  }

  /** The last close. */
  async #price(): Promise<string> {
    const query = { market, timeframe, limit: 1, strategy: strategyUid };
    const { bars } = await this.#client("agent").get("/v1/bars", { schema: barsReply, query });
    return String(bars.at(-1)?.close);
  }

  async #configure(ports: Ports, { postgres, webhookUrl }: { postgres: TestPostgres; webhookUrl: string }): Promise<void> {
    const write = (name: string, text: string): string => {
      const file = path.join(this.#directory, name);
      writeFileSync(file, text);
      return file;
    };
    const token = async (account: string, audience: string): Promise<string> => {
      const args = ["create", "token", account, "-n", namespace, "--audience", audience, "--duration", "1h"];
      return write(`${account}.token`, (await this.#plane.kubectl(args)).stdout);
    };
    const jwksFile = write("jwks.json", (await this.#plane.kubectl(["get", "--raw", "/openid/v1/jwks"])).stdout);
    const { uid } = (await readPolicy(this.#plane)).metadata;
    const base = { policy: { uid, name: policyName, namespace }, issuer: this.#plane.issuer, jwksFile };
    const dataset = { synthetic: { seed: 1 } };
    const paper = { balances: [{ asset: "USDT", amount: "100000" }], market: { replay: { dataset, speed: 600 } } };
    mkdirSync(path.join(this.#directory, "data"));
    const broker = renderBrokerConfig({
      ...base,
      account: { name: "paper", paper },
      markets: [{ symbol: market, timeframe }],
      riskSubject: subject("rpol-demo-risk"),
      dsnFile: write("broker-dsn", postgres.brokerDsn),
      dataDirectory: path.join(this.#directory, "data"),
      apiPort: ports.broker,
      healthPort: ports.brokerHealth,
    });
    write("broker.json", broker);
    const tokenFile = await token("rpol-demo-risk", "broker.bellwether.dev");
    const risk = renderRiskConfig({
      ...base,
      operatorSubject: subject("bellwether-operator"),
      controllers: [subject("bellwether-cli")],
      dsnFile: write("risk-dsn", postgres.riskDsn),
      brokers: [{ account: "paper", baseUrl: `http://127.0.0.1:${ports.broker}`, tokenFile }],
      webhookUrlFile: write("webhook-url", `${webhookUrl}\n`),
      apiPort: ports.risk,
      healthPort: ports.riskHealth,
    });
    write("risk.json", risk);
    const client = async (account: string): Promise<ServiceClient> => {
      const own = await token(account, "risk.bellwether.dev");
      const made = new ServiceClient({ baseUrl: `http://127.0.0.1:${ports.risk}`, tokenFile: own, clock: systemClock });
      this.#clients.push(made);
      return made;
    };
    this.#operator = await client("bellwether-operator");
    this.#agent = await client("strat-trend-agent");
  }

  async #admit(): Promise<void> {
    const body = {
      uid: strategyUid,
      namespace,
      name: "trend",
      subject: subject("strat-trend-agent"),
      account: "paper",
      mode: "Paper",
      markets: [{ symbol: market, timeframe }],
      shareRatio: "0.5",
      suspended: false,
      // Below this from the first mark on: no strategy doubles its money here.
      alerts: [{ name: "modest", metric: "pnlRatio", threshold: "1" }],
    };
    try {
      const register = () => this.#client("operator").put(`/v1/strategies/${strategyUid}`, { schema: registrationReply, body });
      await eventually(register, ({ admitted }) => admitted, 60_000);
      await this.snapshot(({ trading, marketTime }) => trading.allowed && marketTime > 0);
    } catch (error) {
      throw new Error(`the strategy was not admitted:\n${this.logs()}`, { cause: error });
    }
  }
}
