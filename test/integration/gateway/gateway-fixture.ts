import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { Metrics, silentLogger, systemClock } from "@bellwether/service-kit";
import type { BudgetKeeper } from "../../../runtimes/gateway/src/answering/budget-keeper.ts";
import { openGateway } from "../../../runtimes/gateway/src/answering/open-gateway.ts";
import { KeptConnections } from "../../../runtimes/gateway/src/backends/kept-connections.ts";
import { openBackend } from "../../../runtimes/gateway/src/backends/open-backend.ts";
import { type GatewayConfigInput, gatewayConfig } from "../../../runtimes/gateway/src/config.ts";
import { Redactor } from "../../../runtimes/gateway/src/redaction.ts";
import type { Tavily } from "../../../runtimes/gateway/src/search/tavily.ts";
import { createGatewayApi } from "../../../runtimes/gateway/src/server/api.ts";
import type { AnswerCache, AnswerRow } from "../../../runtimes/gateway/src/store/answer-cache.ts";
import type { ExpiringStore } from "../../../runtimes/gateway/src/store/expiring-store.ts";
import { MemoryStore } from "../../../runtimes/gateway/src/store/memory-store.ts";
import { StaticTokens } from "../../../runtimes/gateway/src/tenants/static-tokens.ts";
import { Tenants, holderOfStaticToken } from "../../../runtimes/gateway/src/tenants/tenant.ts";

export const alphaToken = "alpha-token-0123456789";
export const betaToken = "beta-token-0123456789";

/** A gateway in this process, on a free port of loopback. */
export interface TestGateway {
  readonly url: string;
  readonly metrics: Metrics;
  readonly cache: AnswerCache;
  /** Posts JSON as the strategy alpha unless another token is given. */
  post(route: string, body: unknown, options?: { token?: string; signal?: AbortSignal }): Promise<Response>;
  get(route: string, options?: { token?: string }): Promise<Response>;
  close(): Promise<void>;
}

/** Files of a test's own. */
export class TestFiles {
  readonly #directory = mkdtempSync(path.join(tmpdir(), "bellwether-gateway-"));

  write(name: string, text: string): string {
    const file = path.join(this.#directory, name);
    writeFileSync(file, text);
    return file;
  }

  remove(): void {
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

export interface GatewayOptions extends Partial<GatewayConfigInput> {
  readonly models: GatewayConfigInput["models"];
  readonly files: TestFiles;
  readonly keeper?: BudgetKeeper;
  readonly store?: ExpiringStore;
  readonly tavily?: Tavily;
  readonly remember?: (row: AnswerRow) => void;
}

export async function startGateway({ files, keeper, store, tavily, remember, ...given }: GatewayOptions): Promise<TestGateway> {
  const config = gatewayConfig.parse({ route: { uid: randomUUID(), name: "main", namespace: "bellwether" }, ...given });
  const metrics = new Metrics();
  const redactor = new Redactor();
  const { fetch } = globalThis;
  const { post } = new KeptConnections(systemClock);
  const parts = { fetch, post, clock: systemClock, onKey: (key: string) => redactor.add(key) };
  const opened = await openGateway({
    config,
    budget: keeper,
    store: store ?? new MemoryStore({ maxEntries: 1_000, maxCharacters: 1_000_000 }, systemClock),
    remember: remember ?? (() => undefined),
    log: silentLogger,
    metrics,
    clock: systemClock,
    newId: randomUUID,
    openBackend: (model) => openBackend(model, parts),
  });
  const tokens = files.write("tokens.json", JSON.stringify({ alpha: alphaToken, beta: betaToken }));
  const api = createGatewayApi({
    ...opened,
    search: tavily,
    statusReaders: ["alpha"],
    verifier: new StaticTokens(tokens),
    tenants: new Tenants(holderOfStaticToken),
    redactor,
    clock: systemClock,
    log: silentLogger,
    newId: randomUUID,
    maxBodyBytes: config.maxBodyBytes,
    idleTimeoutMs: config.idleTimeoutMs,
  });
  const url = await api.listen({ port: 0, host: "127.0.0.1" });
  const headers = (token = alphaToken): Record<string, string> => ({ authorization: `Bearer ${token}` });
  return {
    url,
    metrics,
    cache: opened.cache,
    post: (route, body, { token, signal } = {}) =>
      fetch(`${url}${route}`, {
        method: "POST",
        headers: { ...headers(token), "content-type": "application/json" },
        body: typeof body === "string" ? body : JSON.stringify(body),
        ...(signal && { signal }),
      }),
    get: (route, { token } = {}) => fetch(`${url}${route}`, { headers: headers(token) }),
    close: () => api.close(),
  };
}

export const chat = (content: string, more: object = {}): object => ({
  model: "hosted",
  messages: [{ role: "user", content }],
  ...more,
});
