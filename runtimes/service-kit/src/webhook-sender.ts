import { Agent } from "undici";
import { type Check, Dependency } from "./check.ts";
import type { Cancel, Clock } from "./clock.ts";
import { hasCode } from "./coded-error.ts";
import type { Logger } from "./logger.ts";
import type { Random } from "./random.ts";
import { parseWebhookUrl } from "./webhook-url.ts";

/** What became of one message. `retried` is no end. */
export type WebhookOutcome = "sent" | "retried" | "refused" | "abandoned" | "dropped";

export interface WebhookMessage {
  /** Posted at most once while this process lives, lost answers excepted. */
  readonly id: string;
  readonly body: unknown;
}

export interface WebhookSenderOptions {
  /** Asked for every attempt: a rotated Secret counts for the next one. */
  readonly readUrl: () => Promise<string>;
  /** Ports that can be reached from here; absent: any. */
  readonly ports?: readonly number[];
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** Ends of messages, and retries; for metrics and for a list of what is not posted. */
  readonly onOutcome?: (outcome: WebhookOutcome, id: string) => void;
  /** Messages that may wait; the oldest is dropped for a new one. Default 100. */
  readonly maxQueued?: number;
  /** Longest time for one attempt. Default 5 s. */
  readonly timeoutMs?: number;
  /** Attempts of one message; with the pauses below, the default of 15 is about an hour. */
  readonly maxAttempts?: number;
}

/** What one attempt has shown. */
type Attempt =
  | { readonly kind: "taken" }
  /** Asking again would get the same answer. */
  | { readonly kind: "refused"; readonly why: string }
  | { readonly kind: "failed"; readonly why: string; readonly waitMs?: number };

const firstPauseMs = 1_000;
const longestPauseMs = 300_000;
const rememberedIds = 1_000;
const mostReplyBytes = 65_536;

/** The pause before attempt n+1 after n attempts: doubles from 1 s to 5 min, less up to a quarter, so that pods do not come back together. */
export function pauseAfterMs(attempts: number, random: Random): number {
  const fullMs = Math.min(longestPauseMs, firstPauseMs * 2 ** Math.min(30, Math.max(0, attempts - 1)));
  return Math.round(fullMs * (1 - random.next() / 4));
}

/**
 * Posts JSON to a webhook: one message at a time, in order, each until it is taken, refused or has been tried often enough.
 *
 * `post` returns at once and never throws: whoever has something to tell must not wait for, or fail with, whoever listens. Of errors only their kind is
 * logged, since messages of HTTP clients repeat addresses.
 */
export class WebhookSender {
  readonly #options: WebhookSenderOptions;
  readonly #agent = new Agent({ connections: 1, pipelining: 1, connect: { timeout: 5_000 } });
  readonly #queue: { readonly message: WebhookMessage; attempts: number }[] = [];
  /** Ids taken on, oldest first. */
  readonly #known = new Set<string>();
  readonly #closing = new AbortController();
  #cancelPause: Cancel | undefined;
  #running: Promise<void> | undefined;
  readonly #dependency: Dependency;
  #isUnaddressed = false;

  constructor(options: WebhookSenderOptions) {
    this.#options = options;
    this.#dependency = new Dependency("webhook", () => options.clock.nowMs());
    this.#dependency.up("nothing was posted yet");
  }

  /** What stands between a message and the webhook; nothing depends on it. */
  check(): Check {
    return this.#dependency.check();
  }

  /** Looks at the address without posting anything, so that a wrong one is known before there is something to tell. Never throws. */
  async inspect(): Promise<void> {
    try {
      await this.#address();
      if (this.#isUnaddressed) this.#dependency.up("nothing was posted since its address is right");
      this.#isUnaddressed = false;
    } catch (error) {
      this.#isUnaddressed = true;
      this.#dependency.down(faultOf(error));
    }
  }

  /** Messages that wait, the one under way included. */
  get waiting(): number {
    return this.#queue.length;
  }

  post(message: WebhookMessage): void {
    if (this.#closing.signal.aborted || this.#known.has(message.id)) return;
    this.#remember(message.id);
    this.#queue.push({ message, attempts: 0 });
    const { maxQueued = 100 } = this.#options;
    while (this.#queue.length > Math.max(1, maxQueued)) {
      // Not the first: it may be under way.
      const [dropped] = this.#queue.splice(1, 1);
      if (!dropped) break;
      this.#end("dropped", dropped.message.id);
    }
    this.#running ??= this.#run().finally(() => (this.#running = undefined));
  }

  /** Ends: nothing more is posted; what waits was not told. */
  async close(): Promise<void> {
    this.#closing.abort();
    this.#cancelPause?.();
    await this.#running;
    await this.#agent.destroy();
  }

  #remember(id: string): void {
    this.#known.add(id);
    if (this.#known.size <= rememberedIds) return;
    const [oldest] = this.#known;
    if (oldest !== undefined) this.#known.delete(oldest);
  }

  async #run(): Promise<void> {
    for (let next = this.#queue[0]; next && !this.#closing.signal.aborted; next = this.#queue[0]) {
      next.attempts += 1;
      const attempt = await this.#attempt(next.message);
      if (this.#closing.signal.aborted) return;
      const pauseMs = this.#judge(next, attempt);
      if (pauseMs === undefined) this.#queue.shift();
      else await this.#pause(pauseMs);
    }
  }

  /** Undefined: the message has come to its end. */
  #judge({ message, attempts }: { message: WebhookMessage; attempts: number }, attempt: Attempt): number | undefined {
    const { log, random, maxAttempts = 15 } = this.#options;
    if (attempt.kind === "taken") {
      this.#end("sent", message.id);
      return undefined;
    }
    if (attempt.kind === "refused") {
      log.warn({ id: message.id, why: attempt.why }, "the webhook refuses a message");
      this.#end("refused", message.id);
      return undefined;
    }
    if (attempts >= maxAttempts) {
      log.warn({ id: message.id, why: attempt.why, attempts }, "a message was not taken by the webhook");
      this.#end("abandoned", message.id);
      return undefined;
    }
    if (attempts === 1) log.warn({ id: message.id, why: attempt.why }, "the webhook does not take a message; it is tried again");
    this.#options.onOutcome?.("retried", message.id);
    return Math.max(pauseAfterMs(attempts, random), Math.min(attempt.waitMs ?? 0, longestPauseMs));
  }

  #end(outcome: WebhookOutcome, id: string): void {
    this.#options.onOutcome?.(outcome, id);
  }

  async #pause(delayMs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const cancel = this.#options.clock.setTimeout(resolve, delayMs);
      this.#cancelPause = () => {
        cancel();
        resolve();
      };
    });
    this.#cancelPause = undefined;
  }

  async #attempt({ body }: WebhookMessage): Promise<Attempt> {
    try {
      const url = await this.#address();
      const timeoutMs = this.#options.timeoutMs ?? 5_000;
      const signal = AbortSignal.any([this.#closing.signal, AbortSignal.timeout(timeoutMs)]);
      // Redirects are not followed: the new place was not named by whoever may name it.
      const reply = await this.#agent.request({
        origin: url.origin,
        path: `${url.pathname}${url.search}`,
        method: "POST",
        headers: { "content-type": "application/json", ...authorizationOf(url) },
        body: JSON.stringify(body),
        signal,
        headersTimeout: timeoutMs,
        bodyTimeout: timeoutMs,
      });
      await reply.body.dump({ limit: mostReplyBytes, signal });
      return this.#noted(judgeReply(reply.statusCode, reply.headers["retry-after"], this.#options.clock.nowMs()));
    } catch (error) {
      return this.#noted({ kind: "failed", why: kindOf(error) });
    }
  }

  /** @throws CodedError WEBHOOK_URL_INVALID, or what reading it throws */
  async #address(): Promise<URL> {
    return parseWebhookUrl(await this.#options.readUrl(), this.#options.ports);
  }

  #noted(attempt: Attempt): Attempt {
    if (attempt.kind === "taken") this.#dependency.up("takes messages");
    else this.#dependency.down(attempt.why);
    return attempt;
  }
}

/** Why there is no address to post to. */
function faultOf(error: unknown): string {
  return hasCode(error, "WEBHOOK_URL_INVALID") ? error.message : `the webhook's URL cannot be read: ${kindOf(error)}`;
}

function authorizationOf({ username, password }: URL): Record<string, string> {
  if (username === "" && password === "") return {};
  const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return { authorization: `Basic ${Buffer.from(pair).toString("base64")}` };
}

/** 408, 425, 429 and 5xx pass; every other answer but success would be the same again. */
function judgeReply(status: number, retryAfter: string | string[] | undefined, nowMs: number): Attempt {
  if (status >= 200 && status < 300) return { kind: "taken" };
  const why = `status ${status}`;
  if (status < 500 && ![408, 425, 429].includes(status)) return { kind: "refused", why };
  const waitMs = retryAfterMs(typeof retryAfter === "string" ? retryAfter : retryAfter?.[0], nowMs);
  return { kind: "failed", why, ...(waitMs !== undefined && { waitMs }) };
}

/** Seconds or a date, as HTTP has it. */
function retryAfterMs(text: string | undefined, nowMs: number): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1_000;
  const atMs = Date.parse(text);
  return Number.isNaN(atMs) ? undefined : Math.max(0, atMs - nowMs);
}

/** The kind of an error without its text, which may hold the address. Our own say nothing secret. */
function kindOf(error: unknown): string {
  if (hasCode(error, "WEBHOOK_URL_INVALID")) return error.message;
  if (!(error instanceof Error)) return "unknown";
  const { code } = error as { code?: unknown };
  return typeof code === "string" ? code : error.name;
}
