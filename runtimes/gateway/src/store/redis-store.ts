import { type Check, type Clock, CodedError, Dependency, type Logger, messageOf } from "@bellwether/service-kit";
import { Redis } from "ioredis";
import type { GatewayErrorCode } from "../errors.ts";
import type { ExpiringStore } from "./expiring-store.ts";

/** A cache that takes longer than the shortest answers is none. */
const commandTimeoutMs = 250;
const connectTimeoutMs = 1_000;
const slowestReconnectMs = 2_000;

/**
 * Redis or Valkey, failing fast: while it is away every call says so at once, none waits for it to come back, and it is found again in the background.
 */
export class RedisStore implements ExpiringStore {
  readonly #redis: Redis;
  readonly #dependency: Dependency;
  readonly #onUp: (() => void)[] = [];

  constructor(url: string, { clock, log }: { clock: Clock; log: Logger }) {
    this.#dependency = new Dependency("redis", () => clock.nowMs());
    this.#redis = new Redis(url, {
      enableOfflineQueue: false,
      maxRetriesPerRequest: 0,
      commandTimeout: commandTimeoutMs,
      connectTimeout: connectTimeoutMs,
      // Commands of one turn of the event loop travel together.
      enableAutoPipelining: true,
      retryStrategy: (attempt) => Math.min(50 * attempt, slowestReconnectMs),
    });
    this.#redis.on("ready", () => {
      this.#dependency.up();
      for (const listener of this.#onUp) listener();
    });
    this.#redis.on("error", (error: Error) => {
      if (this.#dependency.ok) log.warn({ err: error }, "Redis does not answer");
      this.#dependency.down(messageOf(error));
    });
    this.#redis.on("close", () => this.#dependency.down("the connection is closed"));
  }

  check(): Check {
    return this.#dependency.check();
  }

  /** Called each time a connection is there, the first one included: what was in it may be gone. */
  onUp(listener: () => void): void {
    this.#onUp.push(listener);
    if (this.#dependency.ok) listener();
  }

  async get(key: string): Promise<string | undefined> {
    return (await this.#ask(() => this.#redis.get(key))) ?? undefined;
  }

  async set(key: string, text: string, ttlMs: number): Promise<void> {
    await this.#ask(() => this.#redis.set(key, text, "PX", Math.max(1, Math.floor(ttlMs))));
  }

  async take(key: string): Promise<string | undefined> {
    return (await this.#ask(() => this.#redis.getdel(key))) ?? undefined;
  }

  close(): void {
    this.#redis.disconnect();
  }

  async #ask<T>(command: () => Promise<T>): Promise<T> {
    if (!this.#dependency.ok) throw unavailable(this.#dependency.message);
    try {
      return await command();
    } catch (error) {
      throw unavailable(messageOf(error), error);
    }
  }
}

function unavailable(why: string, cause?: unknown): CodedError<GatewayErrorCode> {
  return new CodedError("STORE_UNAVAILABLE", `Redis does not answer: ${why}`, { cause });
}
