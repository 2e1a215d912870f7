import { type Clock, CodedError, type Random } from "@bellwether/service-kit";
import { type FinalOrder, divide, formatDecimal, parseDecimal } from "@bellwether/trading";
import { type AttemptObservation, resolveAttempt } from "../../../runtimes/broker/src/venues/solana/resolve-attempt.ts";
import type { OpenVenue, SentOrder, Venue, VenueOrder, VenueTrade } from "../../../runtimes/broker/src/venues/venue.ts";
import { type ExchangeModel, assets, market, tradeTexts } from "./exchange-model.ts";
import type { SimProcess } from "./sim-process.ts";

export const chainFaults = [
  "late-landing",
  /** The bytes reach no leader: their blockhash expires. */
  "blockhash-expiry",
  /** Seen in a block, then dropped with it; identical bytes may land again. */
  "fork",
  /** Two sources stand still and answer all the same. */
  "frozen-slots",
  "chain-reply-lost",
  "chain-reset",
] as const;
export type ChainFault = (typeof chainFaults)[number];

/** Scaled down: a block in 400 ms, final after five, a blockhash good for fifteen. */
const slotMs = 400;
const finalAfter = 5;
const validSlots = 15;
const frozenMs = 5_000;
/** A source this far behind the others proves nothing. */
const healthyLag = 6;

/** Signed bytes, stored before they leave. One signature lands at most once, whoever sends it how often. */
interface Signed {
  readonly signature: string;
  readonly order: FinalOrder;
  readonly lastValidSlot: number;
  readonly lost: boolean;
  /** The first block that takes it is dropped by a fork. */
  forks: boolean;
  landedSlot: number | undefined;
  final: boolean;
  failed: boolean;
}

export interface ChainOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** Balances and executions, as the chain's programs would make them. */
  readonly exchange: ExchangeModel;
}

/** A chain: slots that go on by themselves, signatures that land in one of them or in none, three sources that see it. */
export class ChainModel {
  readonly #options: ChainOptions;
  /** By client order id: what the broker's volume keeps of signed bytes. */
  readonly signed = new Map<string, Signed[]>();
  #frozenSinceMs: number | undefined;

  constructor(options: ChainOptions) {
    this.#options = options;
  }

  get slot(): number {
    return Math.floor(this.#options.clock.nowMs() / slotMs);
  }

  sign(order: FinalOrder, fault: ChainFault | undefined): Signed {
    const earlier = this.signed.get(order.clientOrderId) ?? [];
    const signed: Signed = {
      signature: `${order.clientOrderId}/${earlier.length + 1}`,
      order,
      lastValidSlot: this.slot + validSlots,
      lost: fault === "blockhash-expiry",
      forks: fault === "fork",
      landedSlot: undefined,
      final: false,
      failed: false,
    };
    this.signed.set(order.clientOrderId, [...earlier, signed]);
    return signed;
  }

  freeze(): void {
    this.#frozenSinceMs = this.#options.clock.nowMs();
  }

  /** Bytes are on their way to a leader. */
  send(signed: Signed, delayMs: number): void {
    if (signed.lost) return;
    this.#options.clock.setTimeout(() => this.#land(signed), delayMs);
  }

  /** What three sources say of a signature now. */
  observe({ landedSlot, final, failed }: Signed): AttemptObservation[] {
    const { clock } = this.#options;
    const frozenMs_ = this.#frozenSinceMs === undefined ? Number.POSITIVE_INFINITY : clock.nowMs() - this.#frozenSinceMs;
    const frozenLag = frozenMs_ < frozenMs ? Math.floor(frozenMs_ / slotMs) : 0;
    return [0, 1 + frozenLag, 2 + frozenLag].map((lag, index) => {
      const here = this.slot - lag;
      const depth = landedSlot === undefined ? -1 : here - landedSlot;
      const commitment = final && depth >= finalAfter ? "finalized" : depth >= 2 ? "confirmed" : "processed";
      return {
        source: `source ${index}`,
        healthy: lag <= healthyLag,
        finalizedHeight: BigInt(here - finalAfter),
        processedHeight: BigInt(here),
        ...(depth >= 0 && landedSlot !== undefined ? { status: { slot: BigInt(landedSlot), commitment, failed } } : {}),
      } as const;
    });
  }

  #land(signed: Signed): void {
    if (signed.landedSlot !== undefined || this.slot > signed.lastValidSlot) return;
    const { clock } = this.#options;
    signed.landedSlot = this.slot;
    if (signed.forks) {
      signed.forks = false;
      clock.setTimeout(() => void (signed.landedSlot = undefined), 2 * slotMs);
      return;
    }
    clock.setTimeout(() => this.#finalise(signed), finalAfter * slotMs);
  }

  #finalise(signed: Signed): void {
    const { exchange, clock } = this.#options;
    const { clientOrderId, side, quantity, maxCost } = signed.order;
    // The swap's own bound: beyond it the transaction fails.
    const price = side === "buy" && maxCost !== undefined ? bound(maxCost, quantity) : undefined;
    const nowMs = clock.nowMs();
    const placement = {
      clientId: clientOrderId,
      side,
      quantity,
      timeInForce: "IOC" as const,
      timestampMs: nowMs + exchange.settings.clockOffsetMs,
    };
    const refusal = exchange.place(
      { ...placement, ...(price === undefined ? { type: "market" } : { type: "limit", price }) },
      nowMs,
    );
    signed.failed = refusal !== undefined;
    signed.final = true;
  }
}

function bound(maxCost: string, quantity: string): string {
  const withFee = divide(parseDecimal(maxCost), parseDecimal("1.001"), "down");
  return formatDecimal(divide(withFee, parseDecimal(quantity), "down"));
}

export interface ChainLineOptions {
  readonly chain: ChainModel;
  readonly exchange: ExchangeModel;
  readonly process: SimProcess;
  readonly random: Random;
  readonly takeFault: () => ChainFault | undefined;
  /** Told of each new signature, as it leaves; identical bytes are no new ones. */
  readonly onPlacing: (clientOrderId: string) => void;
  /** A fault put in on purpose: signs anew while the first signature may still land. */
  readonly resignsEarly: boolean;
}

/** A wallet as the order desk sees it, with production's judgement of what became of signed bytes. */
export function openChainLine(options: ChainLineOptions): OpenVenue {
  return async ({ feed, failPoints }) => {
    const { exchange } = options;
    const venue: Venue = {
      kind: "solana",
      holdsExpiry: false,
      // Bytes are stored before they leave: an order without any was never signed.
      validity: { windowMs: 0, marginMs: 1_000 },
      connect: async () => undefined,
      health: () => ({ accepts: "all", message: "answers" }),
      submit: async ({ order }) => {
        const accepted = await submit(order, options, (point) => failPoints.pass(point));
        return { accepted: true, order: accepted };
      },
      cancel: async () => undefined,
      lookup: async (sent) => (await pause(options.process.clock), found(sent, options)),
      openOrders: async () => [],
      trades: async ({ order }) => tradesOf(order, exchange),
      tradesSince: async () => [],
      forgottenUntilMs: async () => 0,
      balances: async () => assets.map((asset) => ({ asset, free: formatDecimal(exchange.balance(asset)), locked: "0" })),
      rules: (symbol) => feed.rules(symbol),
      markets: () => feed.markets(),
      onChange: () => undefined,
      close: async () => undefined,
    };
    return venue;
  };
}

const pause = (clock: Clock): Promise<void> => clock.sleep(5);

async function submit(
  order: FinalOrder,
  { chain, process, random, takeFault, onPlacing }: ChainLineOptions,
  pass: (point: "after-signed-stored" | "after-venue-accept") => void,
): Promise<VenueOrder> {
  const fault = takeFault();
  const signed = chain.sign(order, fault);
  pass("after-signed-stored");
  onPlacing(order.clientOrderId);
  if (fault === "frozen-slots") chain.freeze();
  const arrives = fault !== "chain-reset" || random.next() < 0.5;
  if (arrives) chain.send(signed, fault === "late-landing" ? random.next() * validSlots * slotMs : 10 + random.next() * 500);
  await pause(process.clock);
  if (fault === "chain-reset" || fault === "chain-reply-lost")
    throw new CodedError("VENUE_UNREACHABLE", "no answer to the transaction");
  pass("after-venue-accept");
  return working(order.clientOrderId);
}

function working(clientOrderId: string): VenueOrder {
  return { clientOrderId, venueOrderId: clientOrderId, state: "Working", filledQuantity: "0", protectiveLegs: [] };
}

function found({ order }: SentOrder, options: ChainLineOptions): VenueOrder | undefined {
  const { chain, exchange, random, resignsEarly, onPlacing } = options;
  const { clientOrderId } = order;
  const signed = chain.signed.get(clientOrderId)?.at(-1);
  if (!signed) return undefined;
  const resolution = resolveAttempt(BigInt(signed.lastValidSlot), chain.observe(signed));
  if (resolution.kind === "rebroadcast" && resignsEarly) {
    onPlacing(clientOrderId);
    chain.send(chain.sign(order, undefined), 10);
  } else if (resolution.kind === "rebroadcast") chain.send(signed, 10 + random.next() * 300);
  const reported = working(clientOrderId);
  if (resolution.kind === "never") return { ...reported, state: "Expired", reason: "its blockhash expired before it landed" };
  if (resolution.kind !== "landed") return reported;
  const there = exchange.order(clientOrderId);
  if (!there) return { ...reported, state: "Rejected", reason: "the transaction failed" };
  return { ...reported, state: there.state, filledQuantity: formatDecimal(there.filled) };
}

function tradesOf({ clientOrderId }: FinalOrder, exchange: ExchangeModel): readonly VenueTrade[] {
  return (exchange.order(clientOrderId)?.trades ?? []).map((trade) => ({
    tradeId: trade.tradeId,
    clientOrderId,
    market,
    side: trade.side,
    ...tradeTexts(trade),
    feeAsset: trade.feeAsset,
    time: trade.timeMs,
    leg: "entry",
  }));
}
