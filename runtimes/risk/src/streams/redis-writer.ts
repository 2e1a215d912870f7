import { type Check, type Clock, Dependency, messageOf } from "@bellwether/service-kit";
import { Redis } from "ioredis";
import type { StreamWriter } from "./pnl-stream.ts";

export interface RedisWriterOptions {
  /** `redis://…`, with its password if it has one; never logged. */
  readonly url: string;
  readonly policyUid: string;
  readonly clock: Clock;
  /** Entries kept, about. */
  readonly maxEntries?: number;
}

/** A day at the most that risk tells, in a few tens of megabytes. */
const defaultMaxEntries = 20_000;
/** The stream of a policy that is gone goes, too. */
const keptMs = 7 * 86_400_000;
const commandTimeoutMs = 1_000;
const slowestReconnectMs = 5_000;

/** The key of a policy's stream. Entries have one field, `equity`: an EquityEvent as JSON, as `GET /v1/stream` sends it. */
export const pnlStreamKey = (policyUid: string): string => `bellwether:pnl:${policyUid}`;

/** Appends to a Redis stream; says at once when Redis is away, and finds it again in the background. */
export class RedisWriter implements StreamWriter {
  readonly #redis: Redis;
  readonly #dependency: Dependency;
  readonly #key: string;
  readonly #maxEntries: number;

  constructor({ url, policyUid, clock, maxEntries = defaultMaxEntries }: RedisWriterOptions) {
    this.#key = pnlStreamKey(policyUid);
    this.#maxEntries = maxEntries;
    this.#dependency = new Dependency("redis", () => clock.nowMs());
    this.#redis = new Redis(url, {
      enableOfflineQueue: false,
      maxRetriesPerRequest: 0,
      commandTimeout: commandTimeoutMs,
      connectTimeout: commandTimeoutMs,
      retryStrategy: (attempt) => Math.min(100 * attempt, slowestReconnectMs),
    });
    this.#redis.on("ready", () => this.#dependency.up());
    this.#redis.on("error", (error: Error) => this.#dependency.down(messageOf(error)));
    this.#redis.on("close", () => this.#dependency.down("the connection is closed"));
  }

  /** Nothing that trades depends on it. */
  check(): Check {
    return this.#dependency.check();
  }

  async append(data: string): Promise<void> {
    await this.#redis.xadd(this.#key, "MAXLEN", "~", this.#maxEntries, "*", "equity", data);
    await this.#redis.pexpire(this.#key, keptMs);
  }

  close(): void {
    this.#redis.disconnect();
  }
}
