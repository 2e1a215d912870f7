import type { HttpRequest, HttpResponse, StreamHandlers, Transport } from "../transport.ts";

type Answer = HttpResponse | Error;

/** Answers in the order they were given; a call without an answer throws. */
export class FakeTransport implements Transport {
  readonly requests: HttpRequest[] = [];
  readonly #answers: Answer[] = [];
  #stream: ((handlers: StreamHandlers, signal: AbortSignal) => Promise<HttpResponse | undefined>) | undefined;

  answer(...answers: readonly (Answer | object)[]): this {
    this.#answers.push(
      ...answers.map((answer) => (answer instanceof Error || isResponse(answer) ? answer : jsonResponse(200, answer))),
    );
    return this;
  }

  /** What the next stream does. */
  streams(stream: (handlers: StreamHandlers, signal: AbortSignal) => Promise<HttpResponse | undefined>): this {
    this.#stream = stream;
    return this;
  }

  async exchange(request: HttpRequest): Promise<HttpResponse> {
    this.requests.push(request);
    const answer = this.#answers.shift();
    if (answer === undefined) throw new Error(`no answer was prepared for ${request.method} ${request.path}`);
    if (answer instanceof Error) throw answer;
    return answer;
  }

  stream(request: HttpRequest, handlers: StreamHandlers, signal: AbortSignal): Promise<HttpResponse | undefined> {
    this.requests.push(request);
    if (!this.#stream) throw new Error("no stream was prepared");
    return this.#stream(handlers, signal);
  }

  lastHeardMs(): number | undefined {
    return undefined;
  }

  async close(): Promise<void> {
    this.#answers.length = 0;
  }
}

export function jsonResponse(status: number, body: object, retryAfterMs?: number): HttpResponse {
  return { status, text: JSON.stringify(body), ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
}

function isResponse(answer: object): answer is HttpResponse {
  return "status" in answer && "text" in answer;
}
