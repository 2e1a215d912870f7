import type { Clock } from "@bellwether/service-kit/clock";
import type { Random } from "@bellwether/service-kit/random";
import { ApiClient } from "./api-client.ts";
import type { ClusterAccess } from "./cluster-access.ts";
import type { HeartbeatSettings } from "./http2-session.ts";
import { Http2Transport } from "./http2-transport.ts";

export interface ConnectOptions {
  readonly access: ClusterAccess;
  readonly clock: Clock;
  readonly random: Random;
  readonly userAgent?: string;
  readonly heartbeat?: HeartbeatSettings;
  readonly requestTimeoutMs?: number;
}

export interface Connection {
  readonly client: ApiClient;
  /** Ends the connection; what is in flight fails with CLOSED. */
  close(): Promise<void>;
}

/** A client on a connection of its own. Nothing is dialled before the first request. */
export function connectTo(options: ConnectOptions): Connection {
  const { access, clock, random, userAgent, heartbeat, requestTimeoutMs } = options;
  const transport = new Http2Transport({
    access,
    clock,
    ...(userAgent === undefined ? {} : { userAgent }),
    ...(heartbeat === undefined ? {} : { heartbeat }),
  });
  const client = new ApiClient({
    transport,
    clock,
    random,
    forgetCredentials: () => {
      access.forget();
      transport.renew();
    },
    ...(requestTimeoutMs === undefined ? {} : { requestTimeoutMs }),
  });
  return { client, close: () => transport.close() };
}
