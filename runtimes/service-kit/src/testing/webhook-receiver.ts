import { type IncomingMessage, type ServerResponse, createServer } from "node:http";
import type { AddressInfo, Socket } from "node:net";

/** What the receiver does with the next post. `hang`: takes it and never answers; `reset`: cuts the connection; `lost`: takes it, then cuts. */
export type WebhookFault =
  { readonly status: number; readonly headers?: Readonly<Record<string, string>> } | "hang" | "reset" | "lost";

export interface ReceivedPost {
  readonly path: string;
  readonly contentType: string | undefined;
  readonly authorization: string | undefined;
  readonly body: unknown;
}

/** A webhook on loopback with faults on demand; what it has taken is in `taken`. */
export class WebhookReceiver {
  readonly taken: ReceivedPost[] = [];
  /** Posts that arrived, refused and cut ones included. */
  arrived = 0;
  readonly #faults: WebhookFault[] = [];
  readonly #sockets = new Set<Socket>();
  readonly #server = createServer((request, reply) => void this.#answer(request, reply));

  static async start(): Promise<WebhookReceiver> {
    const receiver = new WebhookReceiver();
    receiver.#server.on("connection", (socket) => {
      receiver.#sockets.add(socket);
      socket.once("close", () => receiver.#sockets.delete(socket));
    });
    await new Promise<void>((resolve) => receiver.#server.listen(0, "127.0.0.1", resolve));
    return receiver;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/services/T000/B000/very-secret-part`;
  }

  /** The next posts meet these, one each. */
  failNext(...faults: readonly WebhookFault[]): void {
    this.#faults.push(...faults);
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  async #answer(request: IncomingMessage, reply: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    this.arrived += 1;
    const fault = this.#faults.shift();
    if (fault === "hang") return;
    if (fault === "reset") {
      request.socket.destroy();
      return;
    }
    if (typeof fault === "object") {
      reply.writeHead(fault.status, fault.headers ?? {}).end("no");
      return;
    }
    const { "content-type": contentType, authorization } = request.headers;
    this.taken.push({
      path: request.url ?? "",
      contentType,
      authorization,
      body: JSON.parse(Buffer.concat(chunks).toString("utf8")) as unknown,
    });
    if (fault === "lost") request.socket.destroy();
    else reply.writeHead(200).end("ok");
  }
}
