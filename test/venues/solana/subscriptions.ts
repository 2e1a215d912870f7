import type { Server } from "node:http";
import type { Signature } from "@solana/kit";
import { type WebSocket, WebSocketServer } from "ws";
import type { Chain } from "./chain.ts";
import type { Endpoint } from "./endpoint.ts";
import { stringifyWithBigInts } from "./json.ts";

interface Subscription {
  readonly id: number;
  readonly socket: WebSocket;
  readonly endpoint: Endpoint;
  readonly kind: "slot" | "signature";
  readonly signature?: Signature;
  readonly commitment: "processed" | "confirmed" | "finalized";
  lastSlot: number;
}

interface Request {
  readonly id: unknown;
  readonly method: string;
  readonly params?: readonly unknown[];
}

const mostSubscriptions = 1_000;

/** slotSubscribe and signatureSubscribe of each endpoint, on the address of its JSON-RPC. An endpoint that stands still says nothing, as a real one does. */
export class Subscriptions {
  readonly #sockets: WebSocketServer;
  readonly #open = new Map<number, Subscription>();
  readonly #stop: () => void;
  #lastId = 0;

  constructor(server: Server, options: { chain: Chain; endpoint(path: string): Endpoint | undefined }) {
    this.#sockets = new WebSocketServer({ server });
    this.#sockets.on("connection", (socket, request) => {
      const endpoint = options.endpoint(request.url ?? "");
      if (!endpoint || endpoint.faults.down) return socket.terminate();
      socket.on("message", (data) => this.#take(socket, endpoint, JSON.parse((data as Buffer).toString()) as Request));
      socket.on("close", () => this.#forget((subscription) => subscription.socket === socket));
      socket.on("error", () => socket.terminate());
    });
    this.#stop = options.chain.onEvent(() => this.#tell());
  }

  close(): void {
    this.#stop();
    for (const socket of this.#sockets.clients) socket.terminate();
    this.#sockets.close();
  }

  #take(socket: WebSocket, endpoint: Endpoint, { id, method, params = [] }: Request): void {
    const answer = (result: unknown): void => socket.send(stringifyWithBigInts({ jsonrpc: "2.0", id, result }));
    switch (method) {
      case "ping":
        return;
      case "slotSubscribe":
        return answer(this.#add({ socket, endpoint, kind: "slot", commitment: "processed", lastSlot: endpoint.view().slot }));
      case "signatureSubscribe": {
        const { commitment = "finalized" } = (params[1] ?? {}) as { commitment?: Subscription["commitment"] };
        answer(this.#add({ socket, endpoint, kind: "signature", signature: params[0] as Signature, commitment, lastSlot: 0 }));
        return this.#tell();
      }
      case "slotUnsubscribe":
      case "signatureUnsubscribe":
        return answer(this.#open.delete(params[0] as number));
      default:
        socket.send(
          stringifyWithBigInts({ jsonrpc: "2.0", id, error: { code: -32601, message: `Method not found: ${method}` } }),
        );
    }
  }

  #add(subscription: Omit<Subscription, "id">): number {
    if (this.#open.size >= mostSubscriptions) throw new Error("too many subscriptions");
    this.#lastId += 1;
    this.#open.set(this.#lastId, { ...subscription, id: this.#lastId });
    return this.#lastId;
  }

  #tell(): void {
    for (const subscription of this.#open.values()) {
      if (subscription.kind === "slot") this.#tellSlot(subscription);
      else this.#tellSignature(subscription);
    }
  }

  #tellSlot(subscription: Subscription): void {
    const { slot } = subscription.endpoint.view();
    if (slot === subscription.lastSlot) return;
    notify(subscription, "slotNotification", {
      parent: subscription.lastSlot,
      root: subscription.endpoint.view("finalized").slot,
      slot,
    });
    subscription.lastSlot = slot;
  }

  /** Told once, then the subscription is over, as on a real node. */
  #tellSignature(subscription: Subscription): void {
    const seen = subscription.signature && subscription.endpoint.seen(subscription.signature, subscription.commitment);
    if (!seen) return;
    notify(subscription, "signatureNotification", { context: { slot: seen.slot }, value: { err: seen.err } });
    this.#open.delete(subscription.id);
  }

  #forget(gone: (subscription: Subscription) => boolean): void {
    for (const [id, subscription] of this.#open) if (gone(subscription)) this.#open.delete(id);
  }
}

function notify({ socket, id }: Subscription, method: string, result: unknown): void {
  socket.send(stringifyWithBigInts({ jsonrpc: "2.0", method, params: { result, subscription: id } }));
}
