import { readFile, stat } from "node:fs/promises";
import { Agent, type Dispatcher } from "undici";
import type { z } from "zod";
import type { Clock } from "./clock.ts";
import { CodedError } from "./coded-error.ts";
import type { ServiceKitErrorCode } from "./errors.ts";
import { type SseEvent, parseEvents } from "./sse.ts";

export interface ServiceClientOptions {
  readonly baseUrl: string;
  /** A projected token; read again when the kubelet has rotated it. */
  readonly tokenFile?: string;
  /** In place of a file: asked for every request. */
  readonly token?: () => Promise<string>;
  readonly clock: Clock;
  /** Longest time for one request and its answer. */
  readonly timeoutMs?: number;
}

export type Query = Readonly<Record<string, string | number | undefined>>;

export interface RequestOptions<Schema extends z.ZodType> {
  readonly schema: Schema;
  readonly body?: unknown;
  readonly query?: Query;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

export interface StreamOptions {
  readonly query?: Query;
  readonly lastEventId?: string;
  readonly signal: AbortSignal;
  /** Neither event nor heartbeat for this long: the stream throws STREAM_IDLE. */
  readonly idleMs: number;
}

export interface WithHeaders<Schema extends z.ZodType> {
  readonly body: z.output<Schema>;
  /** By their names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
}

type Method = "GET" | "POST" | "PUT" | "DELETE";

const defaultTimeoutMs = 5_000;
const tokenCheckMs = 5_000;
const longestReplyBytes = 32 * 1024 * 1024;

/**
 * Calls another service of ours. It never retries: what a lost answer means is the caller's to know.
 *
 * Errors are CodedErrors: HTTP_STATUS (context: status, code, message of the answer), UNREACHABLE and TIMEOUT (the
 * outcome of a write is unknown), INVALID_REPLY.
 */
export class ServiceClient {
  readonly #options: ServiceClientOptions;
  #agent: Agent;
  #token: { value: string; stamp: string; checkedMs: number } | undefined;

  constructor(options: ServiceClientOptions) {
    this.#options = options;
    this.#agent = newAgent();
  }

  get<Schema extends z.ZodType>(path: string, options: RequestOptions<Schema>): Promise<z.output<Schema>> {
    return this.#call("GET", path, options);
  }

  post<Schema extends z.ZodType>(path: string, options: RequestOptions<Schema>): Promise<z.output<Schema>> {
    return this.#call("POST", path, options);
  }

  /** As `post`, with what the answer's headers say; several values of one header are joined by commas. */
  async postForHeaders<Schema extends z.ZodType>(path: string, options: RequestOptions<Schema>): Promise<WithHeaders<Schema>> {
    const { text, headers } = await this.#exchange("POST", path, options);
    return { body: this.#parsed(path, text, options.schema), headers };
  }

  put<Schema extends z.ZodType>(path: string, options: RequestOptions<Schema>): Promise<z.output<Schema>> {
    return this.#call("PUT", path, options);
  }

  delete<Schema extends z.ZodType>(path: string, options: RequestOptions<Schema>): Promise<z.output<Schema>> {
    return this.#call("DELETE", path, options);
  }

  /** Server-sent events until the other side ends (STREAM_ENDED), goes quiet (STREAM_IDLE) or `signal` aborts (returns). */
  async *stream(path: string, options: StreamOptions): AsyncGenerator<SseEvent> {
    const idle = new AbortController();
    const signal = AbortSignal.any([options.signal, idle.signal]);
    const restart = this.#idleTimer(idle, options.idleMs);
    try {
      const headers = { accept: "text/event-stream", ...(options.lastEventId && { "last-event-id": options.lastEventId }) };
      const reply = await this.#send("GET", path, { query: options.query, signal, headers, timeoutMs: 0 });
      if (reply.statusCode !== 200) throw this.#statusError(path, reply.statusCode, await reply.body.text());
      for await (const event of parseEvents(reply.body)) {
        restart.again();
        if (event) yield event;
      }
    } catch (error) {
      if (options.signal.aborted) return;
      if (idle.signal.aborted) throw this.#error("STREAM_IDLE", path, `carried nothing for ${options.idleMs} ms`);
      throw error instanceof CodedError ? error : this.#error("UNREACHABLE", path, asError(error));
    } finally {
      restart.stop();
      idle.abort();
    }
    throw this.#error("STREAM_ENDED", path, "was closed by the other side");
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }

  #idleTimer(idle: AbortController, idleMs: number): { again(): void; stop(): void } {
    let cancel = this.#options.clock.setTimeout(() => idle.abort(), idleMs);
    return {
      again: () => {
        cancel();
        cancel = this.#options.clock.setTimeout(() => idle.abort(), idleMs);
      },
      stop: () => cancel(),
    };
  }

  async #call<Schema extends z.ZodType>(
    method: Method,
    path: string,
    options: RequestOptions<Schema>,
  ): Promise<z.output<Schema>> {
    const { text } = await this.#exchange(method, path, options);
    return this.#parsed(path, text, options.schema);
  }

  #parsed<Schema extends z.ZodType>(path: string, text: string, schema: Schema): z.output<Schema> {
    const result = schema.safeParse(text === "" ? undefined : parseJson(path, text));
    if (result.success) return result.data;
    const faults = result.error.issues.slice(0, 5).map((issue) => `${issue.path.join(".")}: ${issue.message}`);
    throw this.#error("INVALID_REPLY", path, `answered something unexpected: ${faults.join("; ")}`);
  }

  /** One request and its whole answer, within the time given. */
  async #exchange(
    method: Method,
    path: string,
    options: RequestOptions<z.ZodType>,
  ): Promise<{ text: string; headers: Record<string, string> }> {
    const timeoutMs = options.timeoutMs ?? this.#options.timeoutMs ?? defaultTimeoutMs;
    const timeout = AbortSignal.timeout(timeoutMs);
    const signal = options.signal ? AbortSignal.any([options.signal, timeout]) : timeout;
    try {
      const reply = await this.#send(method, path, {
        query: options.query,
        body: options.body,
        signal,
        timeoutMs,
      });
      const length = Number(reply.headers["content-length"] ?? 0);
      if (length > longestReplyBytes)
        throw this.#error("INVALID_REPLY", path, `answered ${length} bytes, more than ${longestReplyBytes}`);
      const text = await reply.body.text();
      if (reply.statusCode >= 300) throw this.#statusError(path, reply.statusCode, text);
      return { text, headers: plainHeaders(reply.headers) };
    } catch (error) {
      if (error instanceof CodedError) throw error;
      if (options.signal?.aborted) throw error;
      if (timeout.aborted) throw this.#error("TIMEOUT", path, `did not answer within ${timeoutMs} ms`);
      throw this.#error("UNREACHABLE", path, asError(error));
    }
  }

  async #send(
    method: Method,
    path: string,
    options: {
      query?: Query | undefined;
      body?: unknown;
      signal: AbortSignal;
      headers?: Record<string, string>;
      timeoutMs: number;
    },
  ): Promise<Dispatcher.ResponseData> {
    const token = await this.#bearer();
    const url = new URL(path, this.#options.baseUrl);
    for (const [key, value] of Object.entries(options.query ?? {}))
      if (value !== undefined) url.searchParams.set(key, String(value));
    const body = options.body === undefined ? null : JSON.stringify(options.body);
    return this.#agent.request({
      origin: url.origin,
      path: `${url.pathname}${url.search}`,
      method,
      body,
      signal: options.signal,
      headersTimeout: options.timeoutMs,
      bodyTimeout: options.timeoutMs,
      headers: {
        accept: "application/json",
        ...(body !== null && { "content-type": "application/json" }),
        ...(token && { authorization: `Bearer ${token}` }),
        ...options.headers,
      },
    });
  }

  async #bearer(): Promise<string | undefined> {
    const { tokenFile, token, clock } = this.#options;
    if (token) return token();
    if (!tokenFile) return undefined;
    const nowMs = clock.nowMs();
    if (this.#token && nowMs - this.#token.checkedMs < tokenCheckMs) return this.#token.value;
    try {
      const { mtimeMs, ino } = await stat(tokenFile);
      const stamp = `${mtimeMs}/${ino}`;
      const value = this.#token?.stamp === stamp ? this.#token.value : (await readFile(tokenFile, "utf8")).trim();
      this.#token = { value, stamp, checkedMs: nowMs };
      return value;
    } catch (cause) {
      throw new CodedError<ServiceKitErrorCode>("UNAUTHENTICATED", `the token file ${tokenFile} cannot be read`, { cause });
    }
  }

  /**
   * Our services always say `{code, message}`, the gateway within `{error}`. Something else answered: a proxy between, or whoever has the address of a Service that was not
   * there yet. It would go on answering on the connections it keeps alive, so that the next call dials afresh.
   */
  #statusError(path: string, status: number, text: string): CodedError<ServiceKitErrorCode> {
    const body = errorBody(text);
    if (body) {
      const message = `${path} answered ${status} ${body.code}: ${body.message}`;
      return new CodedError<ServiceKitErrorCode>("HTTP_STATUS", message, { context: { status, ...body } });
    }
    const old = this.#agent;
    this.#agent = newAgent();
    void old.close();
    return this.#error(
      "UNREACHABLE",
      path,
      `is answered by something that is none of our services (status ${status}): ${text.slice(0, 100)}`,
    );
  }

  #error(code: ServiceKitErrorCode, path: string, fault: string | Error): CodedError<ServiceKitErrorCode> {
    const url = new URL(path, this.#options.baseUrl).href;
    const message = typeof fault === "string" ? fault : `cannot be reached: ${fault.message}`;
    return new CodedError<ServiceKitErrorCode>(code, `${url} ${message}`, {
      context: { url },
      cause: fault instanceof Error ? fault : undefined,
    });
  }
}

function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}

function parseJson(path: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new CodedError<ServiceKitErrorCode>("INVALID_REPLY", `${path} answered something that is not JSON`, { cause });
  }
}

function newAgent(): Agent {
  return new Agent({ connections: 16, pipelining: 1, keepAliveTimeout: 10_000, connect: { timeout: 2_000 } });
}

function plainHeaders(headers: Dispatcher.ResponseData["headers"]): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, [value ?? ""].flat().join(", ")]));
}

/** Of our own form, or of OpenAI's, which the gateway speaks. */
function errorBody(text: string): { code: string; message: string; details?: unknown } | undefined {
  type Body = { code?: unknown; message?: unknown; details?: unknown };
  try {
    const parsed = JSON.parse(text) as Body & { error?: Body };
    const body = parsed.error ?? parsed;
    if (typeof body.code === "string" && typeof body.message === "string")
      return { code: body.code, message: body.message, details: body.details };
  } catch {
    // Not JSON, so none of ours.
  }
  return undefined;
}
