import { createHash } from "node:crypto";
import type { Dependency } from "@bellwether/service-kit/check";
import { CodedError, messageOf } from "@bellwether/service-kit/coded-error";
import type { Logger } from "@bellwether/service-kit/logger";
import type { ServiceClient } from "@bellwether/service-kit/service-client";
import type { ModelPort, ModelQuestion, ModelReply, ModelSilence } from "@bellwether/trading/engine/language-model";
import type { JsonValue } from "@bellwether/trading/engine/program";
import { decimalString, decisionEvidence } from "@bellwether/trading/wire";
import { z } from "zod";

export interface GatewayModelsOptions {
  readonly client: ServiceClient;
  /** Longest wait for one answer, wall time. */
  readonly timeoutMs: number;
  /** Thoughts are kept under it: two strategies of one ServiceAccount do not read each other's. */
  readonly strategyUid: string;
  /** Counts one question: `answered`, or why there was no answer. */
  readonly count: (outcome: string) => void;
  readonly health: Dependency;
  readonly log: Logger;
}

/** Of OpenAI's completion, what is looked at. */
const completion = z.object({
  model: z.string().max(200),
  choices: z
    .array(z.object({ message: z.object({ content: z.string().nullish(), refusal: z.string().nullish() }) }))
    .min(1)
    .max(16),
  usage: z.object({ prompt_tokens: z.int().nonnegative(), completion_tokens: z.int().nonnegative() }).optional(),
});
const thought = z.object({ content: z.json() });
const kept = z.object({ id: z.string() });

/** A thought is a help, not a need: a decision does not wait for it for long. */
const thoughtTimeoutMs = 2_000;

/** The models of a route, behind its gateway. Whatever goes wrong there is an answer that did not come, never an error of the agent. */
export class GatewayModels implements ModelPort {
  readonly #options: GatewayModelsOptions;
  /** Thoughts on their way; the next reading waits for them. */
  #keeping: Promise<void> = Promise.resolve();

  constructor(options: GatewayModelsOptions) {
    this.#options = options;
  }

  async ask(question: ModelQuestion): Promise<ModelReply> {
    const { client, timeoutMs, health, count, log } = this.#options;
    try {
      const options = { schema: completion, body: chatBody(question), timeoutMs };
      const { body, headers } = await client.postForHeaders("/v1/chat/completions", options);
      health.up();
      count("answered");
      return replyOf(body, headers);
    } catch (error) {
      const reply = silenceOf(error);
      count(reply.reason);
      if (reply.reason === "REFUSED" && !isServerFault(error)) health.up();
      else health.down(reply.message);
      log.warn({ err: error }, "no answer from the models");
      return reply;
    }
  }

  remember(market: string, content: JsonValue): void {
    const { client, log } = this.#options;
    const put = (): Promise<unknown> =>
      client.put(this.#path(market), { schema: kept, body: { content }, timeoutMs: thoughtTimeoutMs });
    this.#keeping = this.#keeping.then(put).then(
      () => undefined,
      (error: unknown) => log.warn({ err: error }, "a thought was not kept"),
    );
  }

  async recall(market: string): Promise<JsonValue | undefined> {
    const { client, log } = this.#options;
    await this.#keeping;
    try {
      return (await client.get(this.#path(market), { schema: thought, timeoutMs: thoughtTimeoutMs })).content;
    } catch (error) {
      if (statusOf(error) !== 404) log.warn({ err: error }, "a thought could not be read");
      return undefined;
    }
  }

  #path(market: string): string {
    const digest = createHash("sha256").update(market).digest("hex").slice(0, 16);
    return `/v1/thoughts/${encodeURIComponent(`${this.#options.strategyUid}.${digest}`)}`;
  }
}

function chatBody({ model, messages, format, maxTokens }: ModelQuestion): object {
  return {
    model,
    messages,
    max_completion_tokens: maxTokens,
    ...(format && { response_format: { type: "json_schema", json_schema: { ...format, strict: true } } }),
  };
}

function replyOf({ model, choices, usage }: z.output<typeof completion>, headers: Readonly<Record<string, string>>): ModelReply {
  const message = choices[0]?.message;
  const costUsd = decimalString.safeParse(headers["x-bellwether-cost-usd"]).data;
  const cache = decisionEvidence.shape.cache.safeParse(headers["x-bellwether-cache"]).data;
  return {
    answered: true,
    text: message?.content ?? message?.refusal ?? "",
    model,
    ...(usage && { inputTokens: usage.prompt_tokens, outputTokens: usage.completion_tokens }),
    ...(costUsd !== undefined && { costUsd }),
    ...(cache !== undefined && { cache }),
  };
}

function silenceOf(error: unknown): Extract<ModelReply, { answered: false }> {
  const reason = error instanceof CodedError ? (reasons[String(error.code)] ?? "UNREACHABLE") : "UNREACHABLE";
  return { answered: false, reason, message: messageOf(error) };
}

const reasons: Readonly<Record<string, ModelSilence>> = {
  HTTP_STATUS: "REFUSED",
  TIMEOUT: "TIMEOUT",
};

function isServerFault(error: unknown): boolean {
  return (statusOf(error) ?? 500) >= 500;
}

function statusOf(error: unknown): number | undefined {
  const status = error instanceof CodedError ? error.context["status"] : undefined;
  return typeof status === "number" ? status : undefined;
}
