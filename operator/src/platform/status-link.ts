/** What services of ours say of themselves, asked again and again: gateways, and the keepers beside local models. */
import { type Clock, ServiceClient, hasCode } from "@bellwether/service-kit";
import type { ZodType } from "zod";

export type Word<View> = { readonly heard: true; readonly view: View } | { readonly heard: false; readonly message: string };

export interface StatusLinkOptions<View> {
  /** Whom this asks, for sentences: `the gateway`. */
  readonly who: string;
  readonly schema: ZodType<View>;
  readonly tokenFile: string;
  readonly pollMs: number;
  readonly timeoutMs: number;
  readonly clock: Clock;
  /** Called when another word was heard than before. */
  onChange(id: string): void;
}

interface Tracked<View> {
  readonly url: string;
  readonly client: ServiceClient;
  readonly stopped: AbortController;
  readonly firstLook: PromiseWithResolvers<void>;
  done: Promise<void>;
  word: Word<View>;
  failures: number;
}

const path = "/v1/status";
/** One missed look may be a restart; two are news. */
const toleratedFailures = 1;

export class StatusLink<View> {
  readonly #options: StatusLinkOptions<View>;
  readonly #tracked = new Map<string, Tracked<View>>();

  constructor(options: StatusLinkOptions<View>) {
    this.#options = options;
  }

  /** Asks at this address from now on; another address is another one. */
  track(id: string, url: string): void {
    const known = this.#tracked.get(id);
    if (known?.url === url) return;
    known?.stopped.abort();
    const { tokenFile, timeoutMs, clock, who } = this.#options;
    const tracked: Tracked<View> = {
      url,
      client: new ServiceClient({ baseUrl: url, tokenFile, timeoutMs, clock }),
      stopped: new AbortController(),
      firstLook: Promise.withResolvers<void>(),
      done: Promise.resolve(),
      word: { heard: false, message: `${who} has not answered yet: its pod is starting` },
      failures: 0,
    };
    this.#tracked.set(id, tracked);
    tracked.done = this.#poll(id, tracked);
  }

  /** Resolves when it has been asked once: see `RiskLink.looked`. */
  async looked(id: string): Promise<void> {
    await this.#tracked.get(id)?.firstLook.promise;
  }

  untrack(id: string): void {
    this.#tracked.get(id)?.stopped.abort();
    this.#tracked.delete(id);
  }

  word(id: string): Word<View> {
    return this.#tracked.get(id)?.word ?? { heard: false, message: `${this.#options.who} does not run` };
  }

  /** Those of `ids` that begin so. */
  idsBelow(prefix: string): string[] {
    return [...this.#tracked.keys()].filter((id) => id.startsWith(prefix));
  }

  async close(): Promise<void> {
    const all = [...this.#tracked.values()];
    this.#tracked.clear();
    for (const { stopped } of all) stopped.abort();
    await Promise.all(all.map(({ done }) => done));
  }

  async #poll(id: string, tracked: Tracked<View>): Promise<void> {
    const { clock, pollMs } = this.#options;
    const { signal } = tracked.stopped;
    while (!signal.aborted) {
      await this.#look(id, tracked);
      tracked.firstLook.resolve();
      await clock.sleep(tracked.word.heard ? pollMs : Math.min(pollMs, 500), signal).catch(() => undefined);
    }
    tracked.firstLook.resolve();
    await tracked.client.close();
  }

  async #look(id: string, tracked: Tracked<View>): Promise<void> {
    const next = await this.#ask(tracked);
    if (tracked.stopped.signal.aborted) return;
    tracked.failures = next.heard ? 0 : tracked.failures + 1;
    if (!next.heard && tracked.word.heard && tracked.failures <= toleratedFailures) return;
    const isNews = JSON.stringify(tracked.word) !== JSON.stringify(next);
    tracked.word = next;
    if (isNews) this.#options.onChange(id);
  }

  async #ask({ client, stopped }: Tracked<View>): Promise<Word<View>> {
    const { schema, who } = this.#options;
    try {
      return { heard: true, view: await client.get(path, { schema, signal: stopped.signal }) };
    } catch (error) {
      return { heard: false, message: `${who} ${whyNot(error)}` };
    }
  }
}

/** Without ports and addresses that differ at each attempt: a message that moves is a write each time. */
function whyNot(error: unknown): string {
  if (!hasCode(error)) return "does not answer";
  switch (error.code) {
    case "HTTP_STATUS":
      return `refuses the operator: ${String(error.context["message"])}`;
    case "INVALID_REPLY":
      return "answers something that this operator does not understand";
    case "TIMEOUT":
      return "does not answer in time";
    default:
      return "cannot be reached: its pod is starting, or is gone";
  }
}
