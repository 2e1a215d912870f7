import type { IncomingMessage, ServerResponse } from "node:http";
import { type Answer, type StandInUsage, answerTo, defaultReply } from "./answer.ts";
import { type Behaviour, behaviourNamedIn } from "./behaviours.ts";
import { StandInServer, readBody, sendJson } from "./http-server.ts";
import { framesOf, openAiUsage, writesOf } from "./openai-stream.ts";

export interface OpenAiStandInOptions {
  /** The key that is taken; any when absent. */
  readonly key?: string;
  readonly reply?: (prompt: string) => string;
  /** Between two pieces of a `slow` answer. */
  readonly pieceDelayMs?: number;
}

/** One request as it arrived, and what the stand-in charged for it. */
export interface SeenCall {
  readonly path: string;
  readonly model: string;
  readonly behaviour: Behaviour;
  readonly body: Readonly<Record<string, unknown>>;
  readonly authorization: string | undefined;
  readonly url: string;
  usage: StandInUsage | undefined;
}

const mostSeen = 20_000;
const embeddingSize = 8;

/** OpenAI's chat completions and embeddings, scripted: what is answered, how it is streamed, what goes wrong. Keeps a bill of its own. */
export class OpenAiStandIn {
  readonly seen: SeenCall[] = [];
  /** Taken by the next calls, one each, whatever the model is called. */
  readonly next: Behaviour[] = [];
  /** For every call that nothing else decides. */
  behaviour: Behaviour = "usage-last";
  /** Released by tests that hold an answer back; undefined holds nothing. */
  gate: Promise<void> | undefined;
  readonly #options: OpenAiStandInOptions;
  readonly #server = new StandInServer((request, response) => this.#handle(request, response));

  constructor(options: OpenAiStandInOptions = {}) {
    this.#options = options;
  }

  /** @returns the base URL, `/v1` included */
  async start(port = 0, host = "127.0.0.1"): Promise<string> {
    return `${await this.#server.start(port, host)}/v1`;
  }

  stop(): Promise<void> {
    return this.#server.stop();
  }

  /** Tokens charged so far. */
  billed(): { inputTokens: number; outputTokens: number } {
    const rows = this.seen.flatMap(({ usage }) => (usage === undefined ? [] : [usage]));
    return {
      inputTokens: rows.reduce((sum, row) => sum + row.inputTokens, 0),
      outputTokens: rows.reduce((sum, row) => sum + row.outputTokens, 0),
    };
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await readBody(request);
    const model = typeof body["model"] === "string" ? body["model"] : "";
    const behaviour = this.next.shift() ?? behaviourNamedIn(model) ?? this.behaviour;
    const { authorization } = request.headers;
    const call: SeenCall = {
      path: request.url ?? "",
      url: request.url ?? "",
      model,
      behaviour,
      body,
      authorization,
      usage: undefined,
    };
    if (this.seen.length < mostSeen) this.seen.push(call);
    await this.gate;
    if (this.#refuses(call, response)) return;
    if (call.path.endsWith("/embeddings")) return this.#embed(call, response);
    await this.#chat(call, response);
  }

  /** True when the call was answered with a fault, or not at all. */
  #refuses({ behaviour, authorization }: SeenCall, response: ServerResponse): boolean {
    const { key } = this.#options;
    const wrongKey = key !== undefined && authorization !== `Bearer ${key}`;
    if (behaviour === "unauthorized" || wrongKey) {
      // As the real one does: it quotes what it was given.
      sendJson(response, 401, {
        error: {
          message: `Incorrect API key provided: ${authorization}`,
          type: "invalid_request_error",
          code: "invalid_api_key",
        },
      });
      return true;
    }
    const errors: Partial<Record<Behaviour, [number, string]>> = {
      forbidden: [403, "not with this key"],
      "rate-limited": [429, "slow down"],
      "server-error": [503, "overloaded"],
      "bad-request": [400, "the schema is not valid"],
    };
    const error = errors[behaviour];
    if (error) {
      if (error[0] === 429) response.setHeader("retry-after", "7");
      sendJson(response, error[0], { error: { message: error[1], type: "error", code: null } });
      return true;
    }
    if (behaviour === "not-json") {
      response.writeHead(200, { "content-type": "application/json" });
      response.end("<html>a proxy's page</html>");
      return true;
    }
    if (behaviour === "cut-before-first-byte") response.socket?.destroy();
    return behaviour === "cut-before-first-byte" || behaviour === "silent";
  }

  #embed(call: SeenCall, response: ServerResponse): void {
    const inputs = [call.body["input"]].flat().map(String);
    const tokens = inputs.reduce((sum, text) => sum + Math.ceil(text.length / 4), 0);
    call.usage = { inputTokens: tokens, outputTokens: 0, reasoningTokens: 0 };
    const data = inputs.map((text, index) => ({ object: "embedding", index, embedding: vectorOf(text) }));
    sendJson(response, 200, { object: "list", model: call.model, data, usage: { prompt_tokens: tokens, total_tokens: tokens } });
  }

  async #chat(call: SeenCall, response: ServerResponse): Promise<void> {
    const { body, behaviour } = call;
    const limit = Number(body["max_completion_tokens"] ?? body["max_tokens"] ?? 1_000);
    const thinks = behaviour === "reasoning" || behaviour === "usage-total-has-thoughts";
    const answer = answerTo(promptOf(body), {
      reply: this.#options.reply ?? defaultReply,
      limit,
      reasoning: thinks ? Math.min(5, limit) : 0,
    });
    call.usage = answer.usage;
    if (body["stream"] === true) return this.#stream(call, answer, response);
    const message = { role: "assistant", content: answer.pieces.join(""), refusal: null };
    sendJson(response, 200, {
      id: "chatcmpl-stand-in",
      object: "chat.completion",
      created: 1_700_000_000,
      model: call.model,
      choices: [{ index: 0, message, finish_reason: "stop", logprobs: null }],
      ...(behaviour !== "no-usage" && { usage: openAiUsage(answer.usage) }),
    });
  }

  async #stream(call: SeenCall, answer: Answer, response: ServerResponse): Promise<void> {
    const { behaviour } = call;
    response.writeHead(200, { "content-type": "text/event-stream" });
    const writes = writesOf(framesOf(answer, behaviour), behaviour);
    const breaksAt = Math.ceil(writes.length / 2);
    for (const [index, bytes] of writes.entries()) {
      if (index === breaksAt && this.#breaks(call, { answer, response })) return;
      if (response.destroyed) return;
      response.write(bytes);
      if (behaviour === "slow") await new Promise((resolve) => setTimeout(resolve, this.#options.pieceDelayMs ?? 20));
      else if (behaviour === "split-bytes" || behaviour === "cut-after-first-byte")
        await new Promise((resolve) => setImmediate(resolve));
    }
    response.end();
  }

  #breaks(call: SeenCall, { answer, response }: { answer: Answer; response: ServerResponse }): boolean {
    const said = Math.ceil(answer.pieces.length / 2);
    switch (call.behaviour) {
      case "cut-after-first-byte":
        call.usage = { ...answer.usage, outputTokens: said };
        response.socket?.destroy();
        return true;
      case "ends-early":
        call.usage = { ...answer.usage, outputTokens: said };
        response.end();
        return true;
      case "error-event":
        call.usage = { ...answer.usage, outputTokens: said };
        response.end(
          `data: ${JSON.stringify({ error: { message: "overloaded in the middle", type: "server_error", code: null } })}\n\n`,
        );
        return true;
      case "stalls":
        return true;
      default:
        return false;
    }
  }
}

function promptOf(body: Readonly<Record<string, unknown>>): string {
  const messages = (body["messages"] ?? []) as { content?: unknown }[];
  return messages.map(({ content }) => (typeof content === "string" ? content : JSON.stringify(content ?? ""))).join("\n");
}

/** Equal texts have equal vectors, similar ones similar vectors: counts of letters, by remainder. */
function vectorOf(text: string): number[] {
  const vector = Array.from({ length: embeddingSize }, () => 0);
  for (const character of text.toLowerCase()) {
    const place = (character.codePointAt(0) ?? 0) % embeddingSize;
    vector[place] = (vector[place] ?? 0) + 1;
  }
  return vector;
}
