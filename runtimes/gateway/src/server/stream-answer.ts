import type { ServerResponse } from "node:http";
import { nextTick } from "node:process";
import { type Clock, type Logger, hasCode, messageOf } from "@bellwether/service-kit";
import type { StreamedAnswer } from "../answering/answer.ts";
import { openAiError } from "./error-form.ts";
import { ChunkWriter, type Stamp } from "./chat-wire.ts";

export interface StreamOptions {
  readonly stamp: Stamp;
  readonly includeUsage: boolean;
  readonly headers: Readonly<Record<string, string>>;
  readonly clock: Clock;
  /** A reader that takes nothing for this long has gone. */
  readonly stalledAfterMs: number;
  readonly log: Logger;
}

/**
 * Writes an answer as it comes, and reads it to its end even when nobody listens any more, so that it is billed by its usage. A fault after the first byte
 * is an error event: OpenAI's clients throw on it, and no other model goes on with the text.
 */
export async function streamAnswer(response: ServerResponse, answer: StreamedAnswer, options: StreamOptions): Promise<void> {
  const chunks = new ChunkWriter(answer.notes, options);
  const writer = new TogetherWriter(response);
  response.on("error", (error) => options.log.debug({ err: error }, "a reader of a stream has gone"));
  response.writeHead(200, { ...options.headers, "content-type": "text/event-stream", "cache-control": "no-store" });
  try {
    for await (const piece of answer.pieces) {
      const text = chunks.chunk(piece);
      if (text === "" || response.destroyed) continue;
      writer.write(text);
      if (response.writableNeedDrain) await drained(response, options);
    }
    writer.end(chunks.end());
  } catch (error) {
    const code = hasCode(error) ? error.code : "INTERNAL";
    if (code === "INTERNAL") options.log.error({ err: error }, "a stream failed");
    const message = code === "INTERNAL" ? "an unexpected fault; the service's log has the cause" : messageOf(error);
    writer.end(`data: ${JSON.stringify(openAiError(502, { code, message }))}\n\n`);
  }
}

/** The first piece leaves at once, and those that come in one packet after it leave in one: a write costs more than all else that is done for a piece. */
class TogetherWriter {
  readonly #response: ServerResponse;
  #waiting: string | undefined;
  #isFirst = true;

  constructor(response: ServerResponse) {
    this.#response = response;
  }

  write(text: string): void {
    if (this.#isFirst) this.#response.write(text);
    else if (this.#waiting !== undefined) this.#waiting += text;
    else {
      this.#waiting = text;
      nextTick(() => this.#flush());
    }
    this.#isFirst = false;
  }

  end(text: string): void {
    const waiting = this.#waiting ?? "";
    this.#waiting = undefined;
    this.#response.end(waiting + text);
  }

  #flush(): void {
    if (this.#waiting !== undefined && !this.#response.destroyed) this.#response.write(this.#waiting);
    this.#waiting = undefined;
  }
}

function drained(response: ServerResponse, { clock, stalledAfterMs }: StreamOptions): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      cancel();
      response.off("drain", done);
      response.off("close", done);
      resolve();
    };
    const cancel = clock.setTimeout(() => {
      response.destroy();
      done();
    }, stalledAfterMs);
    response.once("drain", done);
    response.once("close", done);
  });
}
