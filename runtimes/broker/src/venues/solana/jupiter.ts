import { CodedError, messageOf } from "@bellwether/service-kit";
import { z } from "zod";
import type { BrokerErrorCode } from "../../errors.ts";
import type { ProposedTransaction, SwapAdapter, SwapQuote, SwapRequest } from "./swap-adapter.ts";

/** As far as @solana/kit-independent HTTP goes; given by main so that nothing here reaches the network by itself. */
export type HttpFetch = (
  url: string,
  init: { method: string; headers?: Record<string, string>; body?: string; signal: AbortSignal },
) => Promise<{
  readonly ok: boolean;
  readonly status: number;
  json(): Promise<unknown>;
}>;

const minorUnits = z
  .string()
  .regex(/^\d{1,20}$/)
  .transform(BigInt);

/** Of `GET /swap/v1/quote`. Loose: the whole answer goes back with the swap. */
const quoteReply = z.looseObject({
  inputMint: z.string(),
  outputMint: z.string(),
  inAmount: minorUnits,
  outAmount: minorUnits,
  otherAmountThreshold: minorUnits,
});

const swapReply = z.looseObject({ swapTransaction: z.base64().max(4_000) });

/** Jupiter's swap interface (`/swap/v1/quote`, `/swap/v1/swap`), or anything of its shape. */
export class Jupiter implements SwapAdapter {
  readonly name = "jupiter";
  readonly #baseUrl: string;
  readonly #fetch: HttpFetch;

  constructor(options: { readonly baseUrl: string; readonly fetch: HttpFetch }) {
    this.#baseUrl = options.baseUrl.replace(/\/$/, "");
    this.#fetch = options.fetch;
  }

  async quote({ input, output, amount, mode, slippageBps }: SwapRequest, signal: AbortSignal): Promise<SwapQuote> {
    const query = new URLSearchParams({
      inputMint: input,
      outputMint: output,
      amount: String(amount),
      swapMode: mode,
      slippageBps: String(slippageBps),
    });
    const raw = await this.#call(`/swap/v1/quote?${query.toString()}`, { method: "GET", signal });
    const reply = parsed(quoteReply, raw, "quote");
    if (reply.inputMint !== input || reply.outputMint !== output) throw refused("its quote is for other tokens than asked for");
    return { inputAmount: reply.inAmount, outputAmount: reply.outAmount, threshold: reply.otherAmountThreshold, raw };
  }

  async propose(
    { quote, wallet, microLamportsPerUnit }: Parameters<SwapAdapter["propose"]>[0],
    signal: AbortSignal,
  ): Promise<ProposedTransaction> {
    const body = JSON.stringify({
      quoteResponse: quote.raw,
      userPublicKey: wallet,
      wrapAndUnwrapSol: true,
      dynamicComputeUnitLimit: true,
      computeUnitPriceMicroLamports: Number(microLamportsPerUnit),
    });
    const raw = await this.#call("/swap/v1/swap", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body,
      signal,
    });
    const { swapTransaction } = parsed(swapReply, raw, "swap");
    // Its lastValidBlockHeight is not taken: too low a one would have us sign a second time while the first may still land.
    return { bytes: new Uint8Array(Buffer.from(swapTransaction, "base64")) };
  }

  async #call(path: string, init: Parameters<HttpFetch>[1]): Promise<unknown> {
    try {
      const response = await this.#fetch(`${this.#baseUrl}${path}`, init);
      if (response.ok) return await response.json();
      if (response.status >= 400 && response.status < 500) throw refused(`it answers ${response.status}`);
      throw new Error(`it answers ${response.status}`);
    } catch (error) {
      if (error instanceof CodedError) throw error;
      throw new CodedError<BrokerErrorCode>("VENUE_UNREACHABLE", `the swap service cannot be asked: ${messageOf(error)}`);
    }
  }
}

function parsed<Shape extends z.ZodType>(shape: Shape, raw: unknown, name: string): z.output<Shape> {
  const result = shape.safeParse(raw);
  if (result.success) return result.data;
  throw refused(`its ${name} has not the shape of one: ${result.error.issues.map((issue) => issue.path.join(".")).join(", ")}`);
}

function refused(what: string): CodedError<BrokerErrorCode> {
  return new CodedError<BrokerErrorCode>("SWAP_REFUSED", `the swap service gives no swap: ${what}`);
}
