import { type Random, hasCode } from "@bellwether/service-kit";
import {
  type AgentSnapshot,
  type DecisionReply,
  type DecisionRequest,
  type StrategyRegistration,
  formatDecimal,
  decimalFromNumber,
} from "@bellwether/trading";
import { accountName } from "./broker-node.ts";
import { market } from "./exchange-model.ts";
import { type CallFault, type Network, NoAnswer } from "./network.ts";
import type { RiskNode } from "./risk-node.ts";
import type { SimProcess } from "./sim-process.ts";

export const strategies = ["alpha", "beta"] as const;

export function registrationOf(uid: string, suspended: boolean): StrategyRegistration {
  return {
    uid,
    namespace: "bellwether",
    name: uid,
    subject: `system:serviceaccount:bellwether:${uid}`,
    account: accountName,
    mode: "Live",
    markets: [{ symbol: market, timeframe: "1m" }],
    shareRatio: "0.5",
    suspended,
  };
}

/** What an episode needs of its agents: something to cancel, orders that are filled at once, or a bit of everything. */
export type Wants = "anything" | "cancels" | "orders" | "rests";

export interface AgentOptions {
  readonly random: Random;
  readonly network: Network;
  readonly risk: () => RiskNode | undefined;
  readonly takeFault: () => CallFault;
  readonly price: () => number;
  /** Told of each answer to a decision, with the request's own bytes. */
  readonly onReply: (request: DecisionRequest, reply: DecisionReply) => void;
  /** The step's fault wants something to cancel, or an order that leaves at once. */
  readonly wants: () => Wants;
  /** Whether the venue lets orders rest. */
  readonly rests: boolean;
  /** Buys have stops and targets. */
  readonly protects: boolean;
}

const tries = 8;
const retryMs = 300;
const decisionTimeoutMs = 5_000;

/** The agent of one strategy: decides on each bar, posts the same bytes until it is answered, and forgets all of it when it dies. */
export class Agent {
  readonly uid: string;
  readonly process: SimProcess;
  readonly #options: AgentOptions;
  #busy = false;

  constructor(uid: string, process: SimProcess, options: AgentOptions) {
    this.uid = uid;
    this.process = process;
    this.#options = options;
  }

  /** A bar has closed. While a decision is under way the bar is left out, as a backlog is. */
  async onBar(): Promise<void> {
    if (this.#busy || this.process.dead) return;
    this.#busy = true;
    try {
      const request = await this.#decision();
      if (request) await this.#post(request);
    } finally {
      this.#busy = false;
    }
  }

  async #decision(): Promise<DecisionRequest | undefined> {
    try {
      const snapshot = await this.#call("none", async ({ service }) => service.snapshot(this.uid));
      if (snapshot.marketTime <= (snapshot.lastDecisionTime ?? 0)) return undefined;
      this.process.pass("before-post");
      return this.#decide(snapshot);
    } catch (error) {
      // A snapshot that cannot be had: the next bar asks again.
      if (hasCode(error) || (error instanceof Error && error.name !== "TypeError")) return undefined;
      throw error;
    }
  }

  async #post(request: DecisionRequest): Promise<void> {
    for (let attempt = 0; attempt < tries; attempt += 1) {
      try {
        const reply = await this.#call(this.#options.takeFault(), ({ service }) => service.decide(request));
        this.#options.onReply(request, reply);
        this.process.pass("after-reply");
        return;
      } catch (error) {
        // A decided bar is never decided again: the snapshot says how to go on.
        if (hasCode(error, "ALREADY_DECIDED") || hasCode(error, "RUN_MISMATCH") || this.process.dead) return;
        await this.process.clock.sleep(retryMs);
      }
    }
  }

  #call<T>(fault: CallFault, invoke: (node: RiskNode) => Promise<T>): Promise<T> {
    const { network, risk } = this.#options;
    let node: RiskNode | undefined;
    return network.call({
      from: this.process,
      to: () => (node = risk())?.process,
      invoke: async () => {
        if (!node) throw new NoAnswer("nobody listens");
        return invoke(node);
      },
      fault,
      timeoutMs: decisionTimeoutMs,
    });
  }

  #decide(snapshot: AgentSnapshot): DecisionRequest {
    const isOpen = ({ state }: AgentSnapshot["orders"][number]): boolean => state === "Working" || state === "Unknown";
    const wants = this.#options.wants();
    const ids = snapshot.orders.filter(isOpen).map(({ order }) => order.clientOrderId);
    // Of an order that has ended it is its legs that are taken back.
    const legs = snapshot.orders.filter((order) => !isOpen(order) && this.#chance(0.1)).map(({ order }) => order.clientOrderId);
    const open = wants === "cancels" ? ids.slice(0, 2) : ids.filter(() => this.#chance(0.15)).slice(0, 1);
    const cancelled = [...open, ...legs.slice(0, 1)];
    const replaced = wants === "cancels" ? [] : ids.filter((id) => !cancelled.includes(id) && this.#chance(0.1)).slice(0, 1);
    const count = 1 + this.#pick(2);
    return {
      strategyUid: this.uid,
      run: snapshot.run,
      marketSet: snapshot.marketSet,
      decisionTime: snapshot.marketTime,
      state: JSON.stringify({ decided: snapshot.marketTime }),
      intents: Array.from({ length: count }, (_, ordinal) => this.#intent(ordinal, snapshot)),
      cancels: cancelled.map((clientOrderId, index) => ({ ordinal: 10 + index, clientOrderId })),
      replaces: replaced.map((clientOrderId, index) => ({ ordinal: 20 + index, clientOrderId, limit: this.#limit(-2) })),
    };
  }

  #intent(ordinal: number, snapshot: AgentSnapshot): DecisionRequest["intents"][number] {
    const close = this.#options.price();
    const signal = {
      ordinal,
      market,
      signalPrice: formatDecimal(decimalFromNumber(close)),
      validUntil: Number.MAX_SAFE_INTEGER,
      ...(this.#options.rests ? {} : { timeInForce: "IOC" as const }),
    };
    const holds = (snapshot.account.positions[0]?.quantity ?? "0") !== "0";
    const rests = this.#options.wants() !== "orders" && this.#chance(0.5);
    if (holds && this.#chance(0.45)) {
      const size = this.#chance(0.4) ? { all: true as const } : { quantity: "0.5" };
      return { ...signal, side: "sell", size, ...(rests ? { limit: this.#limit(2 + this.#pick(3)) } : {}) };
    }
    const size = { equityRatio: `0.${1 + this.#pick(3)}` };
    const percent = rests ? -1 - this.#pick(3) : 0;
    return { ...signal, side: "buy", size, ...(rests ? { limit: this.#limit(percent) } : {}), ...this.#protection(percent) };
  }

  /** Around an entry so many percent away from the last price. */
  #protection(percent: number): { stopLoss?: string; takeProfit?: string } {
    if (!this.#options.protects || this.#chance(0.3)) return {};
    const stopLoss = this.#limit(percent - 1 - this.#pick(5));
    const takeProfit = this.#limit(percent + 1 + this.#pick(5));
    const kind = this.#pick(5);
    return { ...(kind > 0 ? { stopLoss } : {}), ...(kind < 3 ? { takeProfit } : {}) };
  }

  /** Percent away from the last price. */
  #limit(percent: number): string {
    return (Math.round(this.#options.price() * (100 + percent)) / 100).toFixed(2);
  }

  #chance(ratio: number): boolean {
    return this.#options.random.next() < ratio;
  }

  #pick(below: number): number {
    return Math.floor(this.#options.random.next() * below);
  }
}
