import type { IncomingMessage, ServerResponse } from "node:http";
import { type Answer, answerTo, defaultReply } from "./answer.ts";
import { type Behaviour, behaviourNamedIn } from "./behaviours.ts";
import { StandInServer, readBody, sendJson } from "./http-server.ts";

interface SeenOllamaCall {
  readonly path: string;
  readonly body: Readonly<Record<string, unknown>>;
  /** The caller hung up before the end. */
  abandoned: boolean;
}

/** Ollama's own interface: newline-delimited JSON, one line a token, the counts in the last one. Knows the behaviours that a local model can show. */
export class OllamaStandIn {
  readonly seen: SeenOllamaCall[] = [];
  readonly next: Behaviour[] = [];
  /** Between two tokens. */
  tokenDelayMs = 0;
  /** Released by tests that hold answers back. */
  gate: Promise<void> | undefined;
  /** Answers under way at this moment, and the most there ever were. */
  running = 0;
  mostRunning = 0;
  readonly #server = new StandInServer((request, response) => this.#handle(request, response));

  start(port = 0): Promise<string> {
    return this.#server.start(port);
  }

  stop(): Promise<void> {
    return this.#server.stop();
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await readBody(request);
    const call: SeenOllamaCall = { path: request.url ?? "", body, abandoned: false };
    this.seen.push(call);
    let ended = false;
    response.on("close", () => (call.abandoned = !ended));
    this.running += 1;
    this.mostRunning = Math.max(this.mostRunning, this.running);
    try {
      await this.gate;
      if (call.path === "/api/chat") await this.#chat(call, response);
      else if (call.path === "/api/embed") this.#embed(call, response);
      else sendJson(response, 404, { error: `no ${call.path} here` });
    } finally {
      ended = response.writableEnded;
      this.running -= 1;
    }
  }

  #embed({ body }: SeenOllamaCall, response: ServerResponse): void {
    const inputs = [body["input"]].flat().map(String);
    const embeddings = inputs.map((text) => [text.length, text.split(" ").length]);
    sendJson(response, 200, { model: body["model"], embeddings, prompt_eval_count: inputs.length });
  }

  async #chat({ body }: SeenOllamaCall, response: ServerResponse): Promise<void> {
    const model = String(body["model"]);
    const behaviour = this.next.shift() ?? behaviourNamedIn(model);
    if (behaviour === "server-error") return sendJson(response, 500, { error: "llama runner process has terminated" });
    if (behaviour === "silent") return;
    const options = (body["options"] ?? {}) as { num_predict?: number };
    const messages = (body["messages"] ?? []) as { content: string }[];
    const prompt = messages.map(({ content }) => content).join("\n");
    const answer = answerTo(prompt, { reply: defaultReply, limit: options.num_predict ?? 128, reasoning: 0 });
    response.writeHead(200, { "content-type": "application/x-ndjson" });
    await this.#say({ model, answer, behaviour }, response);
  }

  async #say(
    { model, answer, behaviour }: { model: string; answer: Answer; behaviour: Behaviour | undefined },
    response: ServerResponse,
  ): Promise<void> {
    const line = (fields: object): string => `${JSON.stringify({ model, created_at: "2026-01-01T00:00:00Z", ...fields })}\n`;
    for (const [index, content] of answer.pieces.entries()) {
      if (response.destroyed) return;
      if (index === 3 && behaviour === "cut-after-first-byte") return void response.socket?.destroy();
      if (index === 3 && behaviour === "error-event") return void response.end(line({ error: "out of memory" }));
      response.write(line({ message: { role: "assistant", content }, done: false }));
      await new Promise((resolve) => setTimeout(resolve, this.tokenDelayMs));
    }
    const { inputTokens, outputTokens } = answer.usage;
    const counts = { prompt_eval_count: inputTokens, eval_count: outputTokens, eval_duration: 1_000_000 };
    response.end(line({ message: { role: "assistant", content: "" }, done: true, done_reason: "stop", ...counts }));
  }
}
