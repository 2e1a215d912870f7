import { type KeyObject, generateKeyPairSync, randomBytes, sign } from "node:crypto";
import type { Clock } from "@bellwether/service-kit";
import { type Approval, type FinalOrder, approvalPayload, canonicalOrder, clientOrderId, intentId } from "@bellwether/trading";

/** Risk as far as a broker sees it: a key of one epoch, and orders signed with it. */
export class Approver {
  readonly keyId: string;
  readonly epoch: number;
  /** SPKI, DER, base64: what stands in risk.public_keys. */
  readonly publicKey: string;
  readonly #privateKey: KeyObject;
  readonly #clock: Clock;

  constructor(clock: Clock, epoch = 1) {
    const pair = generateKeyPairSync("ed25519");
    this.#clock = clock;
    this.epoch = epoch;
    this.keyId = `key-${epoch}-${randomBytes(4).toString("hex")}`;
    this.publicKey = pair.publicKey.export({ format: "der", type: "spki" }).toString("base64");
    this.#privateKey = pair.privateKey;
  }

  approve(order: FinalOrder, change: Partial<Omit<Approval, "signature">> = {}): Approval {
    const unsigned = {
      order: canonicalOrder(order),
      keyId: this.keyId,
      epoch: this.epoch,
      nonce: randomBytes(16).toString("hex"),
      expiresAt: this.#clock.nowMs() + 1_000,
      ...change,
    };
    return { ...unsigned, signature: sign(null, approvalPayload(unsigned), this.#privateKey).toString("base64") };
  }
}

/** A market buy of 0.1 BTC, unless changed; `ordinal` tells intents apart. */
export function finalOrderOf(ordinal: number, change: Partial<FinalOrder> = {}): FinalOrder {
  const decisionTime = change.decisionTime ?? 1_700_000_040_000;
  const id = intentId({ strategyUid: "strategy-1", run: 1, decisionTime, ordinal: ordinal % 1000 });
  const attempt = change.attempt ?? 1;
  return {
    account: "paper",
    intentId: id,
    attempt,
    clientOrderId: clientOrderId(id, attempt),
    market: "BTC/USDT",
    side: "buy",
    type: "market",
    quantity: "0.1",
    timeInForce: "GTC",
    reduceOnly: false,
    decisionTime,
    ...change,
  };
}
