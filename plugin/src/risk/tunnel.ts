import { type AddressInfo, type Socket, createServer } from "node:net";
import { messageOf } from "@bellwether/service-kit/coded-error";
import type { Forwarded, ForwardHandlers } from "./port-forward.ts";

/** Opens one connection through the cluster. */
type Forward = (handlers: ForwardHandlers) => Promise<Forwarded>;

export interface Tunnel {
  /** `http://127.0.0.1:<port>`; every connection to it is one through the cluster. */
  readonly baseUrl: string;
  /** Why the last connection failed, as far as anybody said. */
  fault(): string | undefined;
  close(): Promise<void>;
}

/** A reader that takes nothing more than this many bytes has hung. */
const mostUnreadBytes = 64 * 1024 * 1024;

/** Listens on loopback, as kubectl port-forward does: HTTP clients need an address. The token that risk wants travels inside and never lies about. */
export async function openTunnel(forward: Forward): Promise<Tunnel> {
  const sockets = new Set<Socket>();
  let lastFault: string | undefined;
  const note = (fault: string | undefined): void => {
    if (fault !== undefined) lastFault = fault;
  };
  const server = createServer({ pauseOnConnect: true }, (socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    socket.on("error", () => socket.destroy());
    void join(socket, forward, note);
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    baseUrl: `http://127.0.0.1:${port}`,
    fault: () => lastFault,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

async function join(socket: Socket, forward: Forward, note: (fault: string | undefined) => void): Promise<void> {
  try {
    const forwarded = await forward({
      onData(data) {
        socket.write(data);
        if (socket.writableLength > mostUnreadBytes) socket.destroy();
      },
      onEnd(fault) {
        note(fault);
        socket.end();
      },
    });
    socket.on("data", (data: Buffer) => forwarded.send(data));
    socket.once("close", () => forwarded.close());
    if (socket.destroyed) forwarded.close();
    else socket.resume();
  } catch (error) {
    note(`the port-forward was refused: ${messageOf(error)}`);
    socket.destroy();
  }
}
