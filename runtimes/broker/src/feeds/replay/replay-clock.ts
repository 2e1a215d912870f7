import { mkdir, readFile } from "node:fs/promises";
import { dirname } from "node:path";
import { type Clock, CodedError } from "@bellwether/service-kit";
import { z } from "zod";
import { replaceFile } from "../../durable/directory.ts";
import type { BrokerErrorCode } from "../../errors.ts";

/** Where the market stood at a wall time, and how fast it runs since. Stored: a broker that was gone goes on where the market is by now. */
const anchor = z.strictObject({
  format: z.literal("bellwether-replay-start/1"),
  /** Identity of the data; other data has other times. */
  dataset: z.string(),
  wallMs: z.int(),
  marketMs: z.int(),
  speed: z.int().positive(),
});
type Anchor = z.output<typeof anchor>;

export interface ReplayClockOptions {
  readonly file: string;
  readonly dataset: string;
  readonly speed: number;
  /** Market time of the very first start. */
  readonly startMs: number;
  /** Close of the last bar: the market's time stops there. */
  readonly endMs: number;
  readonly clock: Clock;
}

/** Market time of a replay: wall time since the stored start, times speed. Never runs backwards within a process. */
export class ReplayClock {
  readonly #anchor: Anchor;
  readonly #options: ReplayClockOptions;
  #latestMs = 0;

  private constructor(options: ReplayClockOptions, stored: Anchor) {
    this.#options = options;
    this.#anchor = stored;
  }

  /** @throws CodedError DATASET_CHANGED */
  static async open(options: ReplayClockOptions): Promise<ReplayClock> {
    const { file, dataset, speed, startMs, clock } = options;
    const stored = await readAnchor(file);
    if (stored && stored.dataset !== dataset) {
      throw new CodedError<BrokerErrorCode>(
        "DATASET_CHANGED",
        "the account has been trading on another dataset; name a new account for this one",
        {
          context: { stored: stored.dataset, configured: dataset },
        },
      );
    }
    if (stored?.speed === speed) return new ReplayClock(options, stored);
    // A new speed takes over where the market stands now.
    const marketMs = stored ? marketAt(stored, clock.nowMs(), options.endMs) : startMs;
    const started: Anchor = { format: "bellwether-replay-start/1", dataset, wallMs: clock.nowMs(), marketMs, speed };
    await mkdir(dirname(file), { recursive: true, mode: 0o700 });
    await replaceFile(file, `${JSON.stringify(started)}\n`);
    return new ReplayClock(options, started);
  }

  nowMs(): number {
    this.#latestMs = Math.max(this.#latestMs, marketAt(this.#anchor, this.#options.clock.nowMs(), this.#options.endMs));
    return this.#latestMs;
  }

  /** Wall milliseconds until the market reaches `marketMs`; 0 when it has. */
  delayUntilMs(marketMs: number): number {
    const { wallMs, marketMs: fromMs, speed } = this.#anchor;
    return Math.max(0, Math.ceil(wallMs + (marketMs - fromMs) / speed - this.#options.clock.nowMs()));
  }
}

function marketAt({ wallMs, marketMs, speed }: Anchor, nowMs: number, endMs: number): number {
  return Math.min(endMs, marketMs + Math.max(0, nowMs - wallMs) * speed);
}

async function readAnchor(file: string): Promise<Anchor | undefined> {
  try {
    return anchor.parse(JSON.parse(await readFile(file, "utf8")));
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw new CodedError<BrokerErrorCode>("LOG_CORRUPT", `${file} cannot be read`, { cause: error });
  }
}
