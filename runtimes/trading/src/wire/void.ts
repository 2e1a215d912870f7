import { z } from "zod";

/**
 * POST broker /v1/orders/{clientOrderId}/void: "this order will never come; if you do not know it, never take it". Answered with a BrokerOrder.
 * A known order is left as it is; for an unknown one the broker records a durable `NotSent` first. `order` is the canonical text, so that the record is complete.
 */
export const voidRequest = z.strictObject({
  order: z.string().max(4096),
  /** Risk's writer epoch. The broker refuses lower ones than it has seen. */
  epoch: z.int().positive(),
});
export type VoidRequest = z.infer<typeof voidRequest>;

/** POST broker /v1/orders/{clientOrderId}/cancel. `entry`: only what still waits to be filled; protective legs stay. `all`: the legs, too. */
export const cancelOrderRequest = z.strictObject({ legs: z.enum(["entry", "all"]) });
export type CancelOrderRequest = z.infer<typeof cancelOrderRequest>;
