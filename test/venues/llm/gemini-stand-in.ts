import type { IncomingMessage, ServerResponse } from "node:http";
import { type Answer, answerTo, defaultReply } from "./answer.ts";
import { type Behaviour, behaviourNamedIn } from "./behaviours.ts";
import { StandInServer, readBody, sendJson } from "./http-server.ts";

interface SeenGeminiCall {
  readonly url: string;
  readonly key: string | undefined;
  readonly body: Readonly<Record<string, unknown>>;
  readonly answer: Answer;
}

interface Turn {
  readonly parts?: readonly { readonly text?: string }[];
}

/** Gemini's generateContent, streamed and whole, and its embeddings. */
export class GeminiStandIn {
  readonly seen: SeenGeminiCall[] = [];
  readonly next: Behaviour[] = [];
  readonly #key: string;
  readonly #server = new StandInServer((request, response) => this.#handle(request, response));

  constructor(key: string) {
    this.#key = key;
  }

  start(port = 0): Promise<string> {
    return this.#server.start(port);
  }

  stop(): Promise<void> {
    return this.#server.stop();
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await readBody(request);
    const [, model = "", method = ""] = /\/models\/([^:]+(?::[a-z-]+)?):(\w+)/.exec(request.url ?? "") ?? [];
    const behaviour = this.next.shift() ?? behaviourNamedIn(decodeURIComponent(model)) ?? "usage-last";
    const key = request.headers["x-goog-api-key"];
    const config = (body["generationConfig"] ?? {}) as { maxOutputTokens?: number };
    const thinks = behaviour === "reasoning";
    const answer = answerTo(promptOf(body), {
      reply: defaultReply,
      limit: config.maxOutputTokens ?? 1_000,
      reasoning: thinks ? 5 : 0,
    });
    this.seen.push({ url: request.url ?? "", key: typeof key === "string" ? key : undefined, body, answer });
    if (key !== this.#key || behaviour === "unauthorized") return refuseKey(response, String(key));
    if (behaviour === "server-error")
      return sendJson(response, 503, { error: { code: 503, message: "overloaded", status: "UNAVAILABLE" } });
    if (method === "batchEmbedContents") {
      const { requests = [] } = body as { requests?: object[] };
      return sendJson(response, 200, { embeddings: requests.map((_, index) => ({ values: [index, 0.5] })) });
    }
    if (method === "generateContent")
      return sendJson(response, 200, responseOf(answer, { text: answer.pieces.join(""), last: true, thinks }));
    stream({ answer, behaviour, thinks }, response);
  }
}

function stream(
  { answer, behaviour, thinks }: { answer: Answer; behaviour: Behaviour; thinks: boolean },
  response: ServerResponse,
): void {
  response.writeHead(200, { "content-type": "text/event-stream" });
  const event = (data: object): void => void response.write(`data: ${JSON.stringify(data)}\r\n\r\n`);
  for (const [index, text] of answer.pieces.entries()) {
    if (index === 3 && behaviour === "cut-after-first-byte") return void setTimeout(() => response.socket?.destroy(), 20);
    if (index === 3 && behaviour === "ends-early") return void response.end();
    event(responseOf(answer, { text, last: false, thinks: thinks && index === 0 }));
  }
  event(responseOf(answer, { text: "", last: true, thinks: false }));
  response.end();
}

/** A part of an answer. Gemini sends the counts with every one of them, as they stand at that moment. */
function responseOf({ usage }: Answer, { text, last, thinks }: { text: string; last: boolean; thinks: boolean }): object {
  const parts = [...(thinks ? [{ text: "Let me think. ", thought: true }] : []), { text }];
  const said = usage.outputTokens - usage.reasoningTokens;
  return {
    candidates: [{ content: { role: "model", parts }, index: 0, ...(last && { finishReason: "STOP" }) }],
    usageMetadata: {
      promptTokenCount: usage.inputTokens,
      candidatesTokenCount: last ? said : 1,
      ...(usage.reasoningTokens > 0 && { thoughtsTokenCount: usage.reasoningTokens }),
      totalTokenCount: usage.inputTokens + usage.outputTokens,
    },
  };
}

/** A wrong key is a 400 here. */
function refuseKey(response: ServerResponse, key: string): void {
  const details = [{ "@type": "type.googleapis.com/google.rpc.ErrorInfo", reason: "API_KEY_INVALID" }];
  const message = `API key not valid: ${key}. Please pass a valid API key.`;
  sendJson(response, 400, { error: { code: 400, message, status: "INVALID_ARGUMENT", details } });
}

function promptOf(body: Readonly<Record<string, unknown>>): string {
  const turns = [body["systemInstruction"], ...((body["contents"] ?? []) as unknown[])] as (Turn | undefined)[];
  return turns
    .flatMap((turn) => turn?.parts ?? [])
    .map(({ text }) => text ?? "")
    .join("\n");
}
