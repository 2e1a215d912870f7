import {
  type ClientHttp2Stream,
  type IncomingHttpHeaders,
  type IncomingHttpStatusHeader,
  type OutgoingHttpHeaders,
  constants,
} from "node:http2";
import type { Clock } from "@bellwether/service-kit/clock";
import type { ClusterAccess } from "./cluster-access.ts";
import { KubernetesError } from "./errors.ts";
import { type HeartbeatSettings, type Http2Session, defaultHeartbeat, dial } from "./http2-session.ts";
import type { HttpRequest, HttpResponse, StreamHandlers, Transport } from "./transport.ts";

export interface Http2TransportOptions {
  readonly access: ClusterAccess;
  readonly clock: Clock;
  readonly userAgent?: string;
  readonly heartbeat?: HeartbeatSettings;
  readonly connectTimeoutMs?: number;
}

type ResponseHead = IncomingHttpHeaders & IncomingHttpStatusHeader;

/** A page of 500 objects of 1.5 MiB each would be more; nothing of ours comes near. */
const maxResponseBytes = 256 * 1024 * 1024;

/**
 * Requests and watches over one HTTP/2 connection, as client-go does it: no connection a request, one heartbeat for all.
 * The connection is dialled when first needed and again when it broke; a server's GOAWAY moves new requests to a new one
 * while the running ones finish.
 */
export class Http2Transport implements Transport {
  readonly #options: Required<Http2TransportOptions>;
  #current: Http2Session | undefined;
  #dialling: Promise<Http2Session> | undefined;
  /** Every connection that may still carry streams; bounded by the server's GOAWAYs within one watch timeout. */
  readonly #open = new Set<Http2Session>();
  #closed = false;

  constructor(options: Http2TransportOptions) {
    this.#options = { userAgent: "bellwether", heartbeat: defaultHeartbeat, connectTimeoutMs: 5000, ...options };
  }

  lastHeardMs(): number | undefined {
    return this.#current?.lastHeardMs;
  }

  exchange(request: HttpRequest, options: { readonly timeoutMs: number; readonly signal?: AbortSignal }): Promise<HttpResponse> {
    const chunks: Buffer[] = [];
    let bytes = 0;
    let head: ResponseHead | undefined;
    const onData = (chunk: Buffer, stream: ClientHttp2Stream): void => {
      bytes += chunk.length;
      if (bytes <= maxResponseBytes) chunks.push(chunk);
      else
        stream.destroy(
          new KubernetesError("RESPONSE_TOO_LARGE", `${request.method} ${request.path}: more than ${maxResponseBytes} bytes`),
        );
    };
    return this.#run(request, {
      ...options,
      onHead: (headers) => {
        head = headers;
      },
      onData,
    }).then(() => responseOf(head, chunks));
  }

  async stream(request: HttpRequest, handlers: StreamHandlers, signal: AbortSignal): Promise<HttpResponse | undefined> {
    const errorChunks: Buffer[] = [];
    let head: ResponseHead | undefined;
    await this.#run(request, {
      signal,
      onHead: (headers) => {
        head = headers;
        if (headers[":status"] === 200) handlers.onOpen();
      },
      onData: (chunk) => {
        if (head?.[":status"] === 200) handlers.onData(chunk);
        else errorChunks.push(chunk);
      },
    });
    return head?.[":status"] === 200 ? undefined : responseOf(head, errorChunks);
  }

  /** New requests take a new connection (new certificates, say); what runs on the old one finishes there. */
  renew(): void {
    this.#current?.raw.close();
    this.#current = undefined;
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const session of this.#open) session.destroy(new KubernetesError("CLOSED", "the client was closed"));
    this.#open.clear();
  }

  async #run(request: HttpRequest, run: RunOptions): Promise<void> {
    const [session, authorization] = await Promise.all([this.#session(), this.#options.access.authorization()]);
    run.signal?.throwIfAborted();
    const headers: OutgoingHttpHeaders = {
      ":method": request.method,
      ":path": request.path,
      // The key set of the token issuer is application/jwk-set+json; asked for JSON alone the API server answers 406.
      accept: "application/json, */*",
      "user-agent": this.#options.userAgent,
    };
    if (authorization !== undefined) headers["authorization"] = authorization;
    if (request.contentType !== undefined) headers["content-type"] = request.contentType;
    await runStream({ session, headers, request, clock: this.#options.clock }, run);
  }

  async #session(): Promise<Http2Session> {
    if (this.#closed) throw new KubernetesError("CLOSED", "the client was closed");
    if (this.#current?.usable) return this.#current;
    this.#dialling ??= this.#dial().finally(() => {
      this.#dialling = undefined;
    });
    return this.#dialling;
  }

  async #dial(): Promise<Http2Session> {
    const { access, clock, heartbeat, connectTimeoutMs } = this.#options;
    const session = await dial({ server: access.server, tls: await access.tls(), clock, heartbeat, connectTimeoutMs });
    this.#open.add(session);
    session.raw.once("close", () => this.#open.delete(session));
    if (this.#closed) session.destroy(new KubernetesError("CLOSED", "the client was closed"));
    this.#current = session;
    return session;
  }
}

interface RunOptions {
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  onHead(headers: ResponseHead): void;
  onData(chunk: Buffer, stream: ClientHttp2Stream): void;
}

interface StreamStart {
  readonly session: Http2Session;
  readonly headers: OutgoingHttpHeaders;
  readonly request: HttpRequest;
  readonly clock: Clock;
}

/** Resolves at the end of the answer; rejects with a KubernetesError or the signal's reason. */
function runStream({ session, headers, request, clock }: StreamStart, run: RunOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    const what = `${request.method} ${request.path}`;
    const stream = session.raw.request(headers, { endStream: request.body === undefined });
    let ended = false;
    let failure: unknown;
    const giveUp = (reason: unknown): void => {
      failure ??= reason;
      stream.close(constants.NGHTTP2_CANCEL);
    };
    const onAbort = (): void => giveUp(run.signal?.reason);
    const cancelTimeout =
      run.timeoutMs === undefined
        ? () => undefined
        : clock.setTimeout(
            () => giveUp(new KubernetesError("TIMEOUT", `${what}: no answer within ${run.timeoutMs} ms`)),
            run.timeoutMs,
          );
    run.signal?.addEventListener("abort", onAbort, { once: true });
    stream.on("response", (responseHeaders) => {
      session.heard();
      run.onHead(responseHeaders);
    });
    stream.on("data", (chunk: Buffer) => {
      session.heard();
      run.onData(chunk, stream);
    });
    stream.on("end", () => {
      ended = true;
    });
    stream.on("error", (error) => {
      failure ??= error;
    });
    stream.on("close", () => {
      cancelTimeout();
      run.signal?.removeEventListener("abort", onAbort);
      // Node ends the readable side of a stream whose connection broke, too.
      const whole = ended && stream.rstCode === constants.NGHTTP2_NO_ERROR && !session.raw.destroyed;
      if (failure === undefined && whole) resolve();
      else if (run.signal?.aborted) reject(run.signal.reason as Error);
      else reject(failureOf(what, session, failure));
    });
    if (request.body !== undefined) stream.end(request.body);
  });
}

function failureOf(what: string, session: Http2Session, failure: unknown): KubernetesError {
  if (failure instanceof KubernetesError) return failure;
  if (session.failure)
    return new KubernetesError(session.failure.code, `${what}: ${session.failure.message}`, { cause: session.failure });
  const text = failure instanceof Error ? failure.message : "the connection broke";
  return new KubernetesError("UNREACHABLE", `${what}: ${text}`, { cause: failure });
}

function responseOf(head: ResponseHead | undefined, chunks: readonly Buffer[]): HttpResponse {
  const status = head?.[":status"] ?? 0;
  const seconds = Number(head?.["retry-after"]);
  const only = chunks.length === 1 ? chunks[0] : undefined;
  const text = (only ?? Buffer.concat(chunks)).toString("utf8");
  return { status, text, ...(Number.isFinite(seconds) && seconds >= 0 ? { retryAfterMs: seconds * 1000 } : {}) };
}
