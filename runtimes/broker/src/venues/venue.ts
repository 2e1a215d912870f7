import type { Transaction } from "@bellwether/postgres";
import type { Clock, Logger } from "@bellwether/service-kit";
import type { BrokerAccount, Decimal, FinalOrder, MarketRules, OrderState, WireBar } from "@bellwether/trading";
import type { BrokerErrorCode } from "../errors.ts";
import type { FailPoints } from "../fail-points.ts";
import type { MarketFeed } from "../feeds/feed.ts";
import type { SendRecords, SignedRecord } from "../durable/send-log.ts";

/**
 * A venue as the broker sees it: remote, slow, forgetful of nothing it has accepted, and able to lose every answer. The order desk is the only
 * caller of what changes something there.
 *
 * Every method may throw VENUE_UNREACHABLE (network, timeout, 5xx, a limit): of a read that means nothing, of a write that its outcome is
 * unknown. "Not found" is an answer (`undefined`), never an error.
 */
export interface Venue {
  readonly kind: BrokerAccount["kind"];
  /**
   * A request is refused by the venue when it arrives later than this after its time stamp. With `marginMs` on top, an order that lookup, open
   * orders and trades do not show was never accepted and never will be. Absent: the venue has no such window, and unknown stays unknown.
   */
  readonly validity?: { readonly windowMs: number; readonly marginMs: number };
  /** Digest of the key that trades, from which the key cannot be had: one key is one account's. Absent: the account exists on this volume only. */
  readonly fingerprint?: string;
  /**
   * Learns what has to be known before anything is sent, and keeps it fresh: clock, what the key may do, whether anybody answers. Called at start
   * and with every sweep, does what is due. What a person has to mend is told by `health`, not thrown.
   *
   * @throws CodedError VENUE_UNREACHABLE, JOURNAL_UNAVAILABLE: try again
   */
  connect(): Promise<void>;
  /** As last seen; asks nobody. */
  health(): VenueHealth;
  /** Venues on chains: what a transaction costs, and what the UTC day has cost so far; as last seen. */
  fees?(): BrokerAccount["fees"];
  /** Called once in the life of an order, after it is recorded as about to be sent. */
  submit(request: SubmitRequest): Promise<SubmitReply>;
  /** Cancels what rests. Asking for what is not there any more is no error. */
  cancel(request: CancelRequest): Promise<void>;
  lookup(sent: SentOrder): Promise<VenueOrder | undefined>;
  /** All that rests there, orders of other hands included. Legs count as the order they protect. */
  openOrders(): Promise<readonly VenueOrder[]>;
  /** All executions of one order and its legs, oldest first, each once. */
  trades(sent: SentOrder): Promise<readonly VenueTrade[]>;
  /** Executions of the account since an instant of market time, as far as the venue gives them without a name; to find what nobody here has sent. */
  tradesSince(sinceMs: number): Promise<readonly VenueTrade[]>;
  /**
   * Time stamp of the youngest request whose order the venue has forgotten; 0 when it remembers all. The absence of an order up to there proves
   * nothing.
   */
  forgottenUntilMs(): Promise<number>;
  balances(): Promise<BrokerAccount["balances"]>;
  /** What the venue says of a market; undefined when it has none of that name open. */
  rules(symbol: string): MarketRules | undefined;
  /** All markets it is known to have, at most 500. */
  markets(): readonly MarketRules[];
  /** Ids of orders that something happened to: a hint, which may be lost; the methods above are the truth. */
  onChange(listener: (clientOrderIds: readonly string[]) => void): void;
  /** A dead-man switch: all orders of the account are cancelled by the venue this long after the last call; 0 takes it off. */
  cancelAllAfter?(timeoutMs: number): Promise<void>;
  /** It ends orders at `expiresAt` by itself; otherwise the broker does. */
  readonly holdsExpiry: boolean;
  /** Of a venue that is played in this process. */
  readonly played?: PlayedVenue;
  /** A remote venue at which stops and targets can rest. Absent: it holds the legs of an order by itself, or has none. */
  readonly protective?: ProtectiveVenue;
  /** Takes back what the send log knows of bytes it has signed: Postgres may have come from an older copy. What is known already is left as it is. */
  recall?(record: SignedRecord): Promise<void>;
  close(): Promise<void>;
}

/** `code` names what is wrong in a closed set, `message` says it for a person, never with a secret in it. */
export interface VenueHealth {
  /** `reducing`: only what shrinks a position. `none`: nothing at all, cancels included in the attempt. */
  readonly accepts: "all" | "reducing" | "none";
  readonly code?: BrokerErrorCode;
  readonly message: string;
  /** Venue's clock minus ours, when measured. */
  readonly clockOffsetMs?: number;
  /** Wall time of its last answer. */
  readonly answeredAtMs?: number;
  /** A write failed in a way that only reading everything afresh can mend: the process has to be restarted. */
  readonly restart?: boolean;
}

/** What a venue that lives in this process needs of the feed: its bars, in order. */
export interface PlayedVenue {
  /** One closed base bar. Bars of a market come in order; one that has been met already is left out. */
  onBar(market: string, bar: WireBar): Promise<void>;
  /** Markets in which an order or a leg rests. */
  waitingMarkets(): readonly string[];
  /** Opening time of the last bar an open order of this market may have met; undefined when no order waits for bars. */
  resumeAfter(market: string): number | undefined;
}

/** An order that was sent, or may have been. */
export interface SentOrder {
  readonly order: FinalOrder;
  readonly venueOrderId?: string;
  /** Wall time stamped into its request. */
  readonly aboutToSendAtMs?: number;
}

export interface SubmitRequest {
  readonly order: FinalOrder;
  /** Wall time of "about to send", persisted: a process that stalls after it cannot send late. */
  readonly timestampMs: number;
  readonly signal?: AbortSignal;
}

export type SubmitReply =
  /** `trades`: all executions that the order's report speaks of, when the venue gives them at once. */
  | { readonly accepted: true; readonly order: VenueOrder; readonly trades?: readonly VenueTrade[] }
  /** The venue has decided against the order: it will never work. */
  | { readonly accepted: false; readonly reason: string };

export interface CancelRequest extends SentOrder {
  readonly legs: "entry" | "all";
}

/** An order as the venue reports it. Quantities are decimal text. */
export interface VenueOrder {
  /** Ours; of an order that nobody here has sent, whatever id the venue gives it. */
  readonly clientOrderId: string;
  readonly venueOrderId: string;
  readonly state: Extract<OrderState, "Working" | "Filled" | "Cancelled" | "Expired" | "Rejected">;
  /** Of the entry; protective legs fill on their own. */
  readonly filledQuantity: string;
  readonly protectiveLegs: readonly ProtectiveLeg[];
  readonly reason?: string;
}

export type ProtectiveLeg = "stopLoss" | "takeProfit";

/** A sell that protects what an order has bought: a stop, a target, or both, of which one ends the other. */
export interface ProtectiveOrder {
  /** The order whose fills it protects. */
  readonly clientOrderId: string;
  readonly market: string;
  /** Decimal text, the same for every leg: only one of them ever fills. */
  readonly quantity: string;
  /** The price has passed the leg already: it sells at once. Exactly one leg then. */
  readonly atMarket: boolean;
  /** Wall time of "about to send", persisted: a process that stalls after it cannot send late. */
  readonly aboutToSendAtMs: number;
  /** One or two, the stop first. Each has an id of its own at the venue; the first one names the whole. */
  readonly legs: readonly { readonly leg: ProtectiveLeg; readonly id: string; readonly price: string }[];
}

export type ProtectiveReply = { readonly accepted: true } | { readonly accepted: false; readonly reason: string };

/** What became of one leg. Quantities are decimal text. */
export interface ProtectiveReport {
  readonly leg: ProtectiveLeg;
  readonly state: VenueOrder["state"];
  readonly filledQuantity: string;
  /** Of the order that executes; absent while nothing has been executed. */
  readonly venueOrderId?: string;
  readonly reason?: string;
}

/**
 * Where protective sells rest. As with orders, the desk is the only caller, a write that throws VENUE_UNREACHABLE is of unknown outcome, and "not
 * found" is an answer.
 */
export interface ProtectiveVenue {
  /** Of the request that places one; may differ from that of orders. */
  readonly validity: { readonly windowMs: number; readonly marginMs: number };
  /** Called once in the life of each id. */
  place(order: ProtectiveOrder): Promise<ProtectiveReply>;
  /** One report for each leg; undefined when the venue does not know it. */
  lookup(order: ProtectiveOrder): Promise<readonly ProtectiveReport[] | undefined>;
  /** Whether it stands neither in open orders nor in the history since it was about to be sent. */
  absent(order: ProtectiveOrder): Promise<boolean>;
  /** All its legs. Asking for what is not there any more is no error. */
  cancel(order: ProtectiveOrder): Promise<void>;
  /** All executions of these legs, each once. */
  trades(order: ProtectiveOrder, reports: readonly ProtectiveReport[]): Promise<readonly VenueTrade[]>;
  /** Price of the last trade, now. */
  price(market: string): Promise<Decimal>;
}

/** One execution. `time` is market time. */
export interface VenueTrade {
  readonly tradeId: string;
  readonly clientOrderId: string;
  readonly market: string;
  readonly side: "buy" | "sell";
  readonly quantity: string;
  readonly price: string;
  readonly fee: string;
  readonly feeAsset: string;
  readonly time: number;
  readonly leg: "entry" | "stopLoss" | "takeProfit";
}

/** The journal as far as a venue writes into it. */
export interface VenueJournal {
  readonly writerEpoch: number;
  /** @throws CodedError ACCOUNT_IN_USE */
  claimKey(fingerprint: string): Promise<void>;
  /** One transaction that holds the writer epoch. @throws CodedError WRITER_FENCED, JOURNAL_UNAVAILABLE (the outcome is unknown) */
  write<T>(work: (transaction: Transaction) => Promise<T>): Promise<T>;
}

/** What a venue is opened with. Records of its own go through `journal.write`, which holds the writer epoch. */
export interface VenueContext {
  readonly accountUid: string;
  /** `accounts[].name`. */
  readonly account: string;
  readonly dataDirectory: string;
  readonly feed: MarketFeed;
  readonly journal: VenueJournal;
  /** For what must be on the volume before it leaves, besides the order itself. */
  readonly sendLog: Pick<SendRecords, "append">;
  readonly clock: Clock;
  readonly failPoints: FailPoints;
  readonly log: Logger;
}

/** Reads what the volume holds; asks nobody yet. */
export type OpenVenue = (context: VenueContext) => Promise<Venue>;
