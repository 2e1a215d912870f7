import { type Clock, CodedError, hasCode, messageOf } from "@bellwether/service-kit";
import { z } from "zod";
import type { KeyFile } from "../backends/key-file.ts";
import type { GatewayErrorCode } from "../errors.ts";

const domains = z.array(z.string().min(1).max(253)).max(50);

/** Tavily's request, as far as it is offered. Its key is the route's; callers have none. */
export const searchRequest = z.strictObject({
  query: z.string().min(1).max(2_000),
  max_results: z.int().min(1).max(20).optional(),
  search_depth: z.enum(["basic", "advanced"]).optional(),
  topic: z.enum(["general", "news", "finance"]).optional(),
  time_range: z.enum(["day", "week", "month", "year"]).optional(),
  include_answer: z.boolean().optional(),
  include_domains: domains.optional(),
  exclude_domains: domains.optional(),
});
export type SearchRequest = z.output<typeof searchRequest>;

const result = z.object({
  title: z.string(),
  url: z.string(),
  content: z.string(),
  score: z.number().optional(),
  published_date: z.string().nullish(),
});
const searchReply = z.object({
  query: z.string(),
  answer: z.string().nullish(),
  results: z.array(result).max(100),
});
export type SearchReply = z.output<typeof searchReply>;

export interface TavilyOptions {
  readonly baseUrl: string | undefined;
  readonly key: KeyFile;
  readonly fetch: typeof globalThis.fetch;
  readonly clock: Clock;
}

const tavilyUrl = "https://api.tavily.com";
const timeoutMs = 15_000;

/** Web search. What comes back is checked and shortened to what is documented: nothing else of it reaches a prompt. */
export class Tavily {
  readonly #options: TavilyOptions;

  constructor(options: TavilyOptions) {
    this.#options = options;
  }

  /** @throws CodedError SEARCH_UNAVAILABLE */
  async search(request: SearchRequest, gone: AbortSignal): Promise<SearchReply> {
    const { baseUrl, key, fetch, clock } = this.#options;
    const controller = new AbortController();
    const cancel = clock.setTimeout(() => controller.abort(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
    try {
      const response = await fetch(`${baseUrl ?? tavilyUrl}/search`, {
        method: "POST",
        headers: { authorization: `Bearer ${key.read()}`, "content-type": "application/json" },
        body: JSON.stringify(request),
        signal: AbortSignal.any([controller.signal, gone]),
      });
      if (!response.ok) throw unavailable(`it answers ${response.status}`);
      const parsed = searchReply.safeParse(await response.json());
      if (!parsed.success) throw unavailable("its answer is not of the form it should have");
      return parsed.data;
    } catch (error) {
      if (hasCode(error, "SEARCH_UNAVAILABLE")) throw error;
      throw unavailable(messageOf(error), error);
    } finally {
      cancel();
    }
  }
}

function unavailable(why: string, cause?: unknown): CodedError<GatewayErrorCode> {
  return new CodedError("SEARCH_UNAVAILABLE", `the web search cannot be used: ${why}`, { cause });
}
