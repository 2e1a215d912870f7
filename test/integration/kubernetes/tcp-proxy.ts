/** A TCP proxy before the API server that can cut (RST) and freeze connections: bytes stop, the sockets stay open. */
import { once } from "node:events";
import { type AddressInfo, type Socket, connect, createServer } from "node:net";

export interface TcpProxy {
  readonly port: number;
  /** Connections that are open now. */
  size(): number;
  /** Connections made so far. */
  dials(): number;
  /** Resets every connection; returns how many. */
  cut(): number;
  /** Freezes the open connections (or the one given); new ones pass. Returns how many. */
  freeze(only?: ProxiedConnection): number;
  /** Resolves with the connection over which the next bytes come from the API server: after a change, that of the watch. */
  nextActive(): Promise<ProxiedConnection>;
  close(): void;
}

interface ProxiedConnection {
  readonly inward: Socket;
  readonly outward: Socket;
  frozen: boolean;
}

export async function startTcpProxy(target: URL): Promise<TcpProxy> {
  const live = new Set<ProxiedConnection>();
  const waiting: ((connection: ProxiedConnection) => void)[] = [];
  let dials = 0;
  const server = createServer({ noDelay: true }, (inward) => {
    dials++;
    const outward = connect({ host: target.hostname, port: Number(target.port), noDelay: true });
    const connection: ProxiedConnection = { inward, outward, frozen: false };
    live.add(connection);
    const end = (): void => {
      // A frozen connection keeps even the end from the other side.
      if (connection.frozen) return;
      live.delete(connection);
      inward.destroy();
      outward.destroy();
    };
    outward.on("data", () => waiting.splice(0).forEach((resolve) => resolve(connection)));
    for (const [from, to] of [
      [inward, outward],
      [outward, inward],
    ] as const) {
      from.pipe(to);
      from.on("error", end);
      from.on("close", end);
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    size: () => live.size,
    dials: () => dials,
    cut() {
      const count = live.size;
      for (const { inward, outward } of live) {
        inward.resetAndDestroy();
        outward.resetAndDestroy();
      }
      live.clear();
      return count;
    },
    freeze(only) {
      const frozen = only ? [only] : [...live];
      for (const connection of frozen) {
        connection.frozen = true;
        for (const socket of [connection.inward, connection.outward]) {
          socket.unpipe();
          socket.pause();
        }
      }
      return frozen.length;
    },
    nextActive: () => new Promise((resolve) => waiting.push(resolve)),
    close() {
      server.close();
      for (const { inward, outward } of live) {
        inward.destroy();
        outward.destroy();
      }
    },
  };
}
