import type { ClusterAccess } from "@bellwether/kubernetes";
import type { KubeConfig } from "@kubernetes/client-node/dist/config.js";
import { WebSocketHandler } from "@kubernetes/client-node/dist/web-socket-handler.js";

export interface PodPort {
  readonly namespace: string;
  readonly pod: string;
  readonly port: number;
}

export interface Forwarded {
  send(data: Buffer): void;
  close(): void;
}

export interface ForwardHandlers {
  onData(data: Buffer): void;
  /** The other end is gone; with a message where the kubelet said why. Called once. */
  onEnd(fault: string | undefined): void;
}

/** The streams of a single forwarded port in the protocol `v4.channel.k8s.io`. */
const dataStream = 0;
const portBytes = 2;

/**
 * One connection to a port of a pod, through API server and kubelet, in process.
 *
 * Of @kubernetes/client-node only its WebSocket handler is used: its KubeConfig and PortForward drag the whole generated client in, and a halt should not wait
 * for that. The handler asks its configuration for two things only, both given here.
 *
 * @throws Error of the WebSocket when the upgrade is refused
 */
export async function forwardPort(access: ClusterAccess, target: PodPort, handlers: ForwardHandlers): Promise<Forwarded> {
  const handler = new WebSocketHandler(configurationOf(access));
  const path = `/api/v1/namespaces/${target.namespace}/pods/${target.pod}/portforward?ports=${target.port}`;
  const headersLeft = new Map<number, number>();
  let ended = false;
  const end = (fault: string | undefined): void => {
    if (ended) return;
    ended = true;
    handlers.onEnd(fault);
  };
  const socket = await handler.connect(path, null, (stream: number, frame: Buffer) => {
    // The first two bytes of each stream are the number of the port.
    const skip = Math.min(headersLeft.get(stream) ?? portBytes, frame.length);
    headersLeft.set(stream, (headersLeft.get(stream) ?? portBytes) - skip);
    const data = frame.subarray(skip);
    if (data.length === 0) return true;
    if (stream === dataStream) {
      handlers.onData(data);
      return true;
    }
    end(`the kubelet says: ${data.toString("utf8").slice(0, 300)}`);
    return false;
  });
  socket.addEventListener("close", () => end(undefined));
  socket.addEventListener("error", ({ message }) => end(message));
  return {
    send(data) {
      socket.send(Buffer.concat([Buffer.from([dataStream]), data]));
    },
    close() {
      ended = true;
      socket.close();
    },
  };
}

function configurationOf(access: ClusterAccess): KubeConfig {
  const asked = {
    getCurrentCluster: () => ({ server: access.server.href.replace(/\/$/, "") }),
    async applyToHTTPSOptions(options: Record<string, unknown>): Promise<void> {
      const authorization = await access.authorization();
      Object.assign(
        options,
        await access.tls(),
        authorization === undefined ? {} : { headers: { Authorization: authorization } },
      );
    },
  };
  return asked as unknown as KubeConfig;
}
