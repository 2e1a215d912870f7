/** The operator's side of risk's HTTP: registrations out, portfolios in. One risk a policy. */
import { type Clock, CodedError, type Logger, ServiceClient, hasCode, messageOf } from "@bellwether/service-kit";
import {
  type PortfolioView,
  type RegistrationReply,
  type StrategyRegistration,
  type StrategyView,
  portfolioView,
  registrationReply,
} from "@bellwether/trading/wire";

/** What was heard of a risk last. */
export type PortfolioWord =
  | { readonly heard: true; readonly view: PortfolioView; readonly atMs: number }
  | { readonly heard: false; readonly reason: string; readonly message: string };

export type Answer<T> =
  | { readonly result: "Answered"; readonly value: T }
  /** Risk understood and said no. */
  | { readonly result: "Refused"; readonly status: number; readonly message: string }
  /** Nobody answered, or risk could not: whether it happened is unknown; asking again is harmless. */
  | { readonly result: "Unreachable"; readonly reason: string; readonly message: string };

export interface PolicyRef {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  /** Name of risk's Service. */
  readonly service: string;
}

/** What changed between two looks. `news`: whether trading is allowed, who answers; figures move all the time. */
export interface RiskChange {
  readonly policy: PolicyRef;
  readonly news: boolean;
  readonly strategies: readonly { readonly uid: string; readonly news: boolean }[];
}

export interface RiskLinkOptions {
  readonly urlTemplate: string;
  readonly tokenFile: string;
  readonly pollMs: number;
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly log: Logger;
  onChange(change: RiskChange): void;
}

interface Tracked {
  policy: PolicyRef;
  readonly client: ServiceClient;
  readonly stopped: AbortController;
  readonly done: Promise<void>;
  /** Resolves once risk has been asked for the first time, whatever it said. */
  readonly firstLook: PromiseWithResolvers<void>;
  word: PortfolioWord;
  failures: number;
}

/** One missed look may be a restart; two are news. */
const toleratedFailures = 1;
const notAskedYet: PortfolioWord = {
  heard: false,
  reason: "RiskNotReady",
  message: "risk has not answered yet: its pod is starting",
};

export class RiskLink {
  readonly #options: RiskLinkOptions;
  readonly #tracked = new Map<string, Tracked>();

  constructor(options: RiskLinkOptions) {
    this.#options = options;
  }

  /** Looks at this policy's portfolio from now on. A policy of the same name with another uid is another one. */
  track(policy: PolicyRef): void {
    const known = this.#tracked.get(keyOf(policy));
    if (known?.policy.uid === policy.uid) return;
    known?.stopped.abort();
    const { urlTemplate, tokenFile, timeoutMs, clock } = this.#options;
    const baseUrl = urlTemplate.replaceAll("{service}", policy.service).replaceAll("{namespace}", policy.namespace);
    const client = new ServiceClient({ baseUrl, tokenFile, timeoutMs, clock });
    const stopped = new AbortController();
    const tracked = { policy, client, stopped, firstLook: Promise.withResolvers<void>(), word: notAskedYet, failures: 0 } as Omit<
      Tracked,
      "done"
    > & {
      done?: Promise<void>;
    };
    this.#tracked.set(keyOf(policy), tracked as Tracked);
    tracked.done = this.#poll(tracked as Tracked);
  }

  /**
   * Resolves when this risk has been asked at least once. After a restart of the operator nothing is known for a moment, which is no news: who
   * waits here does not write that trading has stopped, and a second later that it has not.
   */
  async looked(policy: Pick<PolicyRef, "namespace" | "name">): Promise<void> {
    await this.#tracked.get(keyOf(policy))?.firstLook.promise;
  }

  untrack(policy: Pick<PolicyRef, "namespace" | "name">): void {
    const known = this.#tracked.get(keyOf(policy));
    this.#tracked.delete(keyOf(policy));
    known?.stopped.abort();
  }

  async close(): Promise<void> {
    const all = [...this.#tracked.values()];
    this.#tracked.clear();
    for (const { stopped } of all) stopped.abort();
    await Promise.all(all.map(({ done }) => done));
  }

  word(policy: Pick<PolicyRef, "namespace" | "name">): PortfolioWord {
    return this.#tracked.get(keyOf(policy))?.word ?? notAskedYet;
  }

  view(policy: Pick<PolicyRef, "namespace" | "name">, uid: string): StrategyView | undefined {
    const word = this.word(policy);
    return word.heard ? word.view.strategies.find((strategy) => strategy.uid === uid) : undefined;
  }

  register(policy: Pick<PolicyRef, "namespace" | "name">, body: StrategyRegistration): Promise<Answer<RegistrationReply>> {
    return this.#ask(policy, (client) =>
      client.put(`/v1/strategies/${encodeURIComponent(body.uid)}`, { schema: registrationReply, body }),
    );
  }

  unregister(
    policy: Pick<PolicyRef, "namespace" | "name">,
    strategy: { uid: string; onDelete: "Keep" | "Flatten" },
  ): Promise<Answer<RegistrationReply>> {
    const path = `/v1/strategies/${encodeURIComponent(strategy.uid)}`;
    return this.#ask(policy, (client) =>
      client.delete(path, { schema: registrationReply, query: { onDelete: strategy.onDelete } }),
    );
  }

  async #ask<T>(policy: Pick<PolicyRef, "namespace" | "name">, call: (client: ServiceClient) => Promise<T>): Promise<Answer<T>> {
    const tracked = this.#tracked.get(keyOf(policy));
    if (!tracked)
      return { result: "Unreachable", reason: "RiskNotReady", message: `risk of policy "${policy.name}" is not there yet` };
    try {
      return { result: "Answered", value: await call(tracked.client) };
    } catch (error) {
      return failed(error);
    }
  }

  async #poll(tracked: Tracked): Promise<void> {
    const { clock, pollMs } = this.#options;
    const { signal } = tracked.stopped;
    while (!signal.aborted) {
      await this.#look(tracked);
      tracked.firstLook.resolve();
      // Until it answers for the first time everybody waits for it.
      const delayMs = tracked.word.heard ? pollMs : Math.min(pollMs, 500);
      await clock.sleep(delayMs, signal).catch(() => undefined);
    }
    tracked.firstLook.resolve();
    await tracked.client.close();
  }

  async #look(tracked: Tracked): Promise<void> {
    const { policy, client, stopped } = tracked;
    const next = await this.#portfolio(policy, client, stopped.signal);
    if (stopped.signal.aborted) return;
    tracked.failures = next.heard ? 0 : tracked.failures + 1;
    if (!next.heard && tracked.word.heard && tracked.failures <= toleratedFailures) return;
    const before = tracked.word;
    tracked.word = next;
    const change = changeOf(policy, before, next);
    if (change) this.#options.onChange(change);
  }

  async #portfolio(policy: PolicyRef, client: ServiceClient, signal: AbortSignal): Promise<PortfolioWord> {
    try {
      const view = await client.get("/v1/portfolio", { schema: portfolioView, signal });
      if (view.policyUid === policy.uid) return { heard: true, view, atMs: this.#options.clock.nowMs() };
      return {
        heard: false,
        reason: "RiskNotReady",
        message: "the risk that answers is still that of an earlier policy of this name",
      };
    } catch (error) {
      const answer = failed(error);
      return answer.result === "Refused"
        ? { heard: false, reason: "RiskRefuses", message: `risk does not answer the operator: ${answer.message}` }
        : { heard: false, reason: answer.reason, message: answer.message };
    }
  }
}

function failed(error: unknown): Exclude<Answer<never>, { result: "Answered" }> {
  if (!hasCode(error))
    return { result: "Unreachable", reason: "RiskUnreachable", message: `risk does not answer: ${messageOf(error)}` };
  const { status, code, message } = error.context;
  if (error.code === "HTTP_STATUS" && typeof status === "number" && status < 500) {
    return { result: "Refused", status, message: String(message) };
  }
  if (error.code === "HTTP_STATUS" && code === "JOURNAL_UNAVAILABLE") {
    return { result: "Unreachable", reason: "JournalUnavailable", message: `risk cannot reach its journal: ${String(message)}` };
  }
  return { result: "Unreachable", reason: "RiskUnreachable", message: sentenceOf(error) };
}

/** Without ports and addresses that differ at each attempt: a message that moves is a write each time. */
function sentenceOf(error: CodedError): string {
  switch (error.code) {
    case "TIMEOUT":
      return "risk does not answer in time";
    case "HTTP_STATUS":
      return `risk answers with an error: ${String(error.context["message"])}`;
    case "INVALID_REPLY":
      return `risk answers something that this operator does not understand: ${error.message}`;
    default:
      return "risk cannot be reached: its pod is starting, or is gone";
  }
}

/** Undefined when nothing changed at all. */
function changeOf(policy: PolicyRef, before: PortfolioWord, next: PortfolioWord): RiskChange | undefined {
  const strategiesBefore = new Map((before.heard ? before.view.strategies : []).map((view) => [view.uid, view]));
  const strategiesNext = next.heard ? next.view.strategies : [];
  const strategies = strategiesNext.flatMap((view) => {
    const known = strategiesBefore.get(view.uid);
    strategiesBefore.delete(view.uid);
    if (known && JSON.stringify(known) === JSON.stringify(view)) return [];
    return [{ uid: view.uid, news: JSON.stringify(known?.trading) !== JSON.stringify(view.trading) }];
  });
  for (const uid of strategiesBefore.keys()) strategies.push({ uid, news: true });
  const news = JSON.stringify(newsOf(before)) !== JSON.stringify(newsOf(next));
  const moved = JSON.stringify(figuresOf(before)) !== JSON.stringify(figuresOf(next));
  return news || moved || strategies.length > 0 ? { policy, news, strategies } : undefined;
}

function newsOf(word: PortfolioWord): object {
  if (!word.heard) return word;
  const { state, reason, accounts, breakers, controlEvents, alerts } = word.view;
  return {
    state,
    reason,
    accounts: accounts.map(({ name, ready, message }) => ({ name, ready, message })),
    breakers: breakers?.map(({ type, scope, state: breaker, since }) => ({ type, scope, breaker, since })),
    happened: [controlEvents?.at(-1)?.id, alerts?.at(-1)?.id, alerts?.length],
  };
}

function figuresOf(word: PortfolioWord): object | undefined {
  if (!word.heard) return undefined;
  const { equity, drawdownRatio, riskScore, exposure, accounts, breakers } = word.view;
  const measured = breakers?.map(({ value }) => value);
  return { equity, drawdownRatio, riskScore, exposure, drift: accounts.map(({ drift }) => drift), measured };
}

const keyOf = ({ namespace, name }: Pick<PolicyRef, "namespace" | "name">): string => `${namespace}/${name}`;
