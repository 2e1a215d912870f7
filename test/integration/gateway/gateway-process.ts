import { type ChildProcess, spawn } from "node:child_process";
import path from "node:path";
import { type GatewayConfigInput, renderGatewayConfig } from "@bellwether/gateway/config";
import { inherited } from "../../suites/inherited.ts";
import { serviceEntry } from "../../suites/service-entry.ts";
import { TestIdentity, issuer } from "../order-path/identity.ts";
import { freePort } from "../order-path/postgres.ts";
import type { TestFiles } from "./gateway-fixture.ts";

const audience = "gateway.bellwether.dev";

type Config = Omit<GatewayConfigInput, "issuer" | "jwksFile" | "callersFile" | "apiPort" | "healthPort">;

const subjectOf = (strategy: string): string => `system:serviceaccount:bellwether:strat-${strategy}-agent`;

/** Gateways as processes of their own, as the operator would configure them, with projected tokens of a cluster that is not there. */
export class GatewayFleet {
  readonly #files: TestFiles;
  readonly #identity: TestIdentity;
  readonly #callers: readonly string[];
  readonly #running: GatewayProcess[] = [];

  /** @param callers strategies that the route lets ask */
  constructor(files: TestFiles, callers: readonly string[] = ["alpha"]) {
    this.#files = files;
    this.#callers = callers;
    this.#identity = new TestIdentity(path.dirname(files.write("identity", "")));
  }

  /** The token of a strategy's ServiceAccount. */
  token(strategy: string, forAudience = audience): string {
    return this.#identity.token(subjectOf(strategy), forAudience);
  }

  /** The same of anybody. */
  tokenOf(subject: string): string {
    return this.#identity.token(subject, audience);
  }

  async start(config: Config): Promise<GatewayProcess> {
    const [apiPort, healthPort] = [await freePort(), await freePort()];
    const callersFile = this.#files.write(`callers-${apiPort}.json`, callersText(this.#callers));
    const { jwksFile } = this.#identity;
    const text = renderGatewayConfig({ ...config, issuer, jwksFile, callersFile, apiPort, healthPort });
    const file = this.#files.write(`config-${apiPort}.json`, text);
    const gateway = new GatewayProcess({ file, apiPort, healthPort, token: this.token("alpha") });
    this.#running.push(gateway);
    await gateway.up();
    return gateway;
  }

  async stop(): Promise<void> {
    await Promise.all(this.#running.splice(0).map((gateway) => gateway.end("SIGKILL")));
  }
}

/** callers.json of a route that these strategies name. */
function callersText(strategies: readonly string[]): string {
  return JSON.stringify(strategies.map((strategy) => ({ subject: subjectOf(strategy), tenant: strategy })));
}

export class GatewayProcess {
  /** All it ever wrote. */
  log = "";
  readonly #child: ChildProcess;
  readonly #options: { apiPort: number; healthPort: number; token: string };

  constructor({ file, ...options }: { file: string; apiPort: number; healthPort: number; token: string }) {
    this.#options = options;
    this.#child = spawn(process.execPath, [serviceEntry("gateway")], {
      env: { ...inherited(), BELLWETHER_CONFIG: file },
      stdio: ["ignore", "pipe", "pipe"],
    });
    for (const stream of [this.#child.stdout, this.#child.stderr])
      stream?.on("data", (chunk: Buffer) => (this.log += chunk.toString()));
  }

  get url(): string {
    return `http://127.0.0.1:${this.#options.apiPort}`;
  }

  get ended(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  async up(): Promise<void> {
    for (;;) {
      if (this.ended) throw new Error(`the gateway has ended: ${this.log}`);
      const response = await fetch(`http://127.0.0.1:${this.#options.healthPort}/livez`).catch(() => undefined);
      if (response?.ok === true) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  async end(signal: "SIGTERM" | "SIGKILL"): Promise<number | null> {
    if (!this.ended) {
      const gone = new Promise((resolve) => this.#child.once("exit", resolve));
      this.#child.kill(signal);
      await gone;
    }
    return this.#child.exitCode;
  }

  chat(body: unknown, token = this.#options.token): Promise<Response> {
    return fetch(`http://127.0.0.1:${this.#options.apiPort}/v1/chat/completions`, {
      method: "POST",
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      body: JSON.stringify(body),
    });
  }

  async health(): Promise<{ ok: boolean; dependencies: { name: string; ok: boolean }[] }> {
    const response = await fetch(`http://127.0.0.1:${this.#options.healthPort}/health/detailed`);
    return (await response.json()) as { ok: boolean; dependencies: { name: string; ok: boolean }[] };
  }

  /** The status of what the kubelet asks. */
  async probe(path: "/livez" | "/readyz"): Promise<number> {
    return (await fetch(`http://127.0.0.1:${this.#options.healthPort}${path}`)).status;
  }

  /** Names of the dependencies that are away. */
  async missing(): Promise<string[]> {
    return (await this.health()).dependencies.filter(({ ok }) => !ok).map(({ name }) => name);
  }

  async metrics(): Promise<string> {
    return (await fetch(`http://127.0.0.1:${this.#options.healthPort}/metrics`)).text();
  }
}
