/** HTTP as the client needs it: one exchange, or one stream that stays open. Tests put a fake with behaviour here. */

type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

export interface HttpRequest {
  readonly method: Method;
  /** Path and query. */
  readonly path: string;
  readonly contentType?: string;
  readonly body?: string;
}

export interface HttpResponse {
  readonly status: number;
  readonly retryAfterMs?: number;
  readonly text: string;
}

export interface StreamHandlers {
  /** The status line came; only called for 200. Anything else is thrown by `stream`. */
  onOpen(): void;
  onData(chunk: Buffer): void;
}

export interface Transport {
  /**
   * One request and its whole answer, whatever the status.
   * @throws KubernetesError UNREACHABLE, CONNECTION_FROZEN, TIMEOUT, RESPONSE_TOO_LARGE, CLOSED
   */
  exchange(request: HttpRequest, options: { readonly timeoutMs: number; readonly signal?: AbortSignal }): Promise<HttpResponse>;
  /** Resolves when the server ended the stream; an answer other than 200 is returned. Throws as `exchange` does. */
  stream(request: HttpRequest, handlers: StreamHandlers, signal: AbortSignal): Promise<HttpResponse | undefined>;
  /** Wall time at which the API server was last heard (any byte, a heartbeat's answer) on the current connection. */
  lastHeardMs(): number | undefined;
  close(): Promise<void>;
}
