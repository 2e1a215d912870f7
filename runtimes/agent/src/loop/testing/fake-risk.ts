import { type IncomingMessage, type Server, type ServerResponse, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import {
  type AgentSnapshot,
  type DecisionReply,
  type DecisionRequest,
  type WireBar,
  decisionRequest,
} from "@bellwether/trading/wire";

/** How the next POST of a decision goes wrong. */
export type Misbehaviour = "journal-unavailable" | "hang-up-before" | "hang-up-after" | "deny";

const timeframeMs = 60_000;

/**
 * Risk as an agent meets it, on loopback: stores each decision once and refuses what lies at or before the cursor, streams bars,
 * serves snapshots. What it does not do is trade: verdicts are all alike, the account stands still.
 */
export class FakeRisk {
  readonly decisions: DecisionRequest[] = [];
  readonly snapshotsServed: number[] = [];
  /** Bars by market, oldest first; what is streamed is added. */
  readonly bars = new Map<string, WireBar[]>();
  posts = 0;
  barsServed = 0;
  state = "";
  lastDecisionTime: number | undefined;
  /** Applied to the next POSTs, one each. */
  readonly misbehaviours: Misbehaviour[] = [];
  /** Applied to every POST while set. */
  standing: Misbehaviour | undefined;
  readonly #server: Server;
  readonly #streams = new Set<ServerResponse>();
  readonly #replies = new Map<string, string>();
  #changed: () => void = () => undefined;

  private constructor() {
    this.#server = createServer((request, response) => void this.#answer(request, response));
    this.#server.keepAliveTimeout = 60_000;
  }

  static async start(): Promise<FakeRisk> {
    const fake = new FakeRisk();
    await new Promise<void>((resolve) => fake.#server.listen(0, "127.0.0.1", resolve));
    return fake;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get openStreams(): number {
    return this.#streams.size;
  }

  /** Market time: the close of the latest bar of all. */
  get marketTime(): number {
    return Math.max(0, ...[...this.bars.values()].map((bars) => (bars.at(-1)?.time ?? -timeframeMs) + timeframeMs));
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** Resolves when `condition` holds; looked at after every request and event. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => (this.#changed = resolve));
  }

  /** A bar closes: kept, and sent to whoever listens. */
  close1m(market: string, time: number, close: number): void {
    const bar = makeBar(time, close);
    this.bars.set(market, [...(this.bars.get(market) ?? []), bar]);
    this.send("bar", { market, timeframe: "1m", bar, revision: false });
  }

  send(event: string, data: unknown): void {
    for (const stream of this.#streams) stream.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
  }

  breakStreams(): void {
    for (const stream of this.#streams) stream.destroy();
    this.#streams.clear();
  }

  snapshot(): AgentSnapshot {
    return {
      uid: "u-1",
      run: 1,
      marketSet: "set",
      ...(this.lastDecisionTime !== undefined && { lastDecisionTime: this.lastDecisionTime }),
      state: this.state,
      marketTime: this.marketTime,
      account: {
        startingCapital: "1000",
        equity: "1000",
        cash: "1000",
        reserved: "0",
        realizedPnl: "0",
        unrealizedPnl: "0",
        fees: "0",
        positions: [],
      },
      markets: [],
      orders: [],
      trading: { allowed: true, reason: "Active", message: "" },
    };
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "/", this.url);
    if (url.pathname === "/v1/stream") this.#openStream(response);
    else if (url.pathname === "/v1/intents") await this.#decide(request, response);
    else if (url.pathname === "/v1/bars") this.#serveBars(url, response);
    else {
      this.snapshotsServed.push(this.marketTime);
      sendJson(response, 200, this.snapshot());
    }
    this.#changed();
  }

  #openStream(response: ServerResponse): void {
    response.writeHead(200, { "content-type": "text/event-stream" });
    this.#streams.add(response);
    response.on("close", () => {
      this.#streams.delete(response);
      this.#changed();
    });
    response.write(`event: snapshot\ndata: ${JSON.stringify(this.snapshot())}\n\n`);
  }

  #serveBars(url: URL, response: ServerResponse): void {
    this.barsServed++;
    const market = url.searchParams.get("market") ?? "";
    const bars = (this.bars.get(market) ?? []).slice(-Number(url.searchParams.get("limit")));
    sendJson(response, 200, { market, timeframe: "1m", bars });
  }

  async #decide(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const text = await bodyOf(request);
    this.posts++;
    const misbehaviour = this.misbehaviours.shift() ?? this.standing;
    if (misbehaviour === "journal-unavailable")
      return sendJson(response, 503, { code: "JOURNAL_UNAVAILABLE", message: "no journal" });
    if (misbehaviour === "hang-up-before") return void response.destroy();
    const decision = decisionRequest.parse(JSON.parse(text));
    const stored = this.#replies.get(text);
    if (stored === undefined && decision.decisionTime <= (this.lastDecisionTime ?? 0)) {
      return sendJson(response, 409, { code: "ALREADY_DECIDED", message: `the bar at ${decision.decisionTime} is decided` });
    }
    const reply = stored ?? JSON.stringify(this.#store(decision, misbehaviour === "deny"));
    this.#replies.set(text, reply);
    if (misbehaviour === "hang-up-after") return void response.destroy();
    sendJson(response, 200, { ...(JSON.parse(reply) as DecisionReply), stored: stored === undefined ? "new" : "repeated" });
  }

  #store(decision: DecisionRequest, denied: boolean): DecisionReply {
    this.decisions.push(decision);
    this.lastDecisionTime = decision.decisionTime;
    this.state = decision.state;
    const verdict = denied ? { allowed: false, reason: "HALTED", message: "trading is halted" } : { allowed: true };
    const results = decision.intents.map(({ ordinal }) => ({
      intentId: `u-1/1/${decision.decisionTime}/${ordinal}`,
      ordinal,
      verdict,
    }));
    return { decisionTime: decision.decisionTime, stored: "new", results };
  }
}

export function makeBar(time: number, close: number): WireBar {
  return { time, open: close, high: close, low: close, close, volume: 1 };
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

function sendJson(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(body));
}
