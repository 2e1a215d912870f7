import { type Clock, CodedError, type Logger, hasCode } from "@bellwether/service-kit";
import type { Base64EncodedWireTransaction } from "@solana/kit";
import type { BrokerErrorCode } from "../../errors.ts";
import { type SourceHistory, type SourceVerdict, judgeSources, sayVerdict, withSlot } from "./judge-sources.ts";
import type { AttemptObservation } from "./resolve-attempt.ts";
import type { RpcSource } from "./rpc-source.ts";

export interface RpcPoolOptions {
  readonly sources: readonly RpcSource[];
  readonly genesisHash: string;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Several RPC endpoints of one cluster, judged all the time by whether their slots rise and how far apart they are. */
export class RpcPool {
  readonly #options: RpcPoolOptions;
  readonly #histories = new Map<string, SourceHistory>();
  #said = "";

  constructor(options: RpcPoolOptions) {
    this.#options = options;
    for (const { name } of options.sources) this.#histories.set(name, { name, cluster: "not-asked" });
  }

  verdicts(): readonly SourceVerdict[] {
    return judgeSources([...this.#histories.values()], this.#options.clock.nowMs());
  }

  /** A sentence on all sources. */
  say(): string {
    return this.verdicts().map(sayVerdict).join("; ");
  }

  /** When a source that is believed answered last. */
  get answeredAtMs(): number | undefined {
    const times = this.#healthy().flatMap(({ name }) => this.#histories.get(name)?.answeredAtMs ?? []);
    return times.length === 0 ? undefined : Math.max(...times);
  }

  get healthyCount(): number {
    return this.#healthy().length;
  }

  /** Every source says it is of another cluster, or has not answered: nothing of this will pass by itself. */
  get wrongCluster(): boolean {
    const verdicts = this.verdicts();
    return verdicts.some((verdict) => !verdict.healthy && verdict.reason === "WrongCluster") && this.healthyCount === 0;
  }

  /** Asks every source where it is, once; a source's first question is which cluster it is of. Errors only leave its history as it is. */
  async poll(): Promise<void> {
    await Promise.all(this.#options.sources.map((source) => this.#ask(source)));
    const said = this.verdicts()
      .map((verdict) => (verdict.healthy ? `${verdict.name} ok` : `${verdict.name} ${verdict.reason}`))
      .join("; ");
    if (said !== this.#said) this.#options.log.info({ sources: said }, "the RPC sources are judged anew");
    this.#said = said;
  }

  /** The answer of the healthy source that is furthest ahead; the next one's when it fails. @throws CodedError VENUE_UNREACHABLE */
  async read<T>(call: (source: RpcSource) => Promise<T>): Promise<T> {
    let last: unknown;
    for (const source of this.#healthy()) {
      try {
        return await call(source);
      } catch (error) {
        if (!hasCode(error, "VENUE_UNREACHABLE")) throw error;
        last = error;
      }
    }
    if (last !== undefined) throw last;
    throw new CodedError<BrokerErrorCode>("VENUE_UNREACHABLE", `no RPC source can be believed: ${this.say()}`);
  }

  /** Hands signed bytes to every source of the right cluster, the unhealthy ones included: one of them may be the only way. Resolves with how many took them. */
  async broadcast(wire: Base64EncodedWireTransaction): Promise<number> {
    const sources = this.#options.sources.filter(({ name }) => this.#histories.get(name)?.cluster === "right");
    const results = await Promise.allSettled(sources.map((source) => source.send(wire)));
    return results.filter(({ status }) => status === "fulfilled").length;
  }

  /** What each source that answers says of a signature: its finalized height first, then its history. */
  async observe(signature: string): Promise<readonly AttemptObservation[]> {
    const healthy = new Set(this.#healthy().map(({ name }) => name));
    const sources = this.#options.sources.filter(({ name }) => this.#histories.get(name)?.cluster === "right");
    const observations = await Promise.allSettled(
      sources.map(async (source): Promise<AttemptObservation> => {
        // This order: a transaction that landed below the height read here is in the history read after it.
        const finalized = await source.finalized();
        const processedHeight = await source.blockHeight("processed");
        const { searchedSlot, status } = await source.status(signature);
        return {
          source: source.name,
          healthy: healthy.has(source.name),
          finalizedHeight: finalized.height,
          finalizedSlot: finalized.slot,
          processedHeight,
          searchedSlot,
          ...(status ? { status } : {}),
        };
      }),
    );
    return observations.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
  }

  #healthy(): readonly RpcSource[] {
    const slots = new Map(this.verdicts().flatMap((verdict) => (verdict.healthy ? [[verdict.name, verdict.slot] as const] : [])));
    return this.#options.sources
      .filter(({ name }) => slots.has(name))
      .toSorted((left, right) => (slots.get(right.name) ?? 0) - (slots.get(left.name) ?? 0));
  }

  async #ask(source: RpcSource): Promise<void> {
    const { clock, genesisHash, log } = this.#options;
    const history = this.#histories.get(source.name) ?? { name: source.name, cluster: "not-asked" };
    try {
      let { cluster } = history;
      if (cluster !== "right") {
        cluster = (await source.genesisHash()) === genesisHash ? "right" : "wrong";
        if (cluster === "wrong") log.error({ source: source.name }, "an RPC source is of another cluster than configured");
      }
      const slot = await source.slot();
      this.#histories.set(source.name, { ...withSlot(history, slot, clock.nowMs()), cluster });
    } catch (error) {
      if (!hasCode(error, "VENUE_UNREACHABLE")) throw error;
      log.debug({ err: error, source: source.name }, "an RPC source did not answer");
    }
  }
}
