/** The node agent's configuration: one JSON file (path in `BELLWETHER_CONFIG`), rendered by the chart. */
import { z } from "zod";

export const nodeAgentAudience = "node-agent.bellwether.dev";

const file = z.string().startsWith("/").max(300);

export const nodeAgentConfig = z.strictObject({
  logLevel: z.enum(["trace", "debug", "info", "warn", "error"]).default("info"),
  apiPort: z.int().min(0).max(65_535).default(8080),
  healthPort: z.int().min(0).max(65_535).default(9090),
  /** Address the API listens on. */
  host: z.string().max(64).default("0.0.0.0"),
  /** In a hostPath of the directory /var/lib/kubelet/pod-resources, read-only: the kubelet makes the socket anew at each start. */
  podResourcesSocket: file.default("/var/lib/kubelet/pod-resources/kubelet.sock"),
  /** The only caller that is answered: `system:serviceaccount:<namespace>:<operator>`. */
  operatorSubject: z.string().min(1).max(200),
  /** Issuer of ServiceAccount tokens; absent: asked from the API server with the pod's own token. */
  issuer: z.string().max(300).optional(),
  /** JWKS to verify tokens with; absent: asked from the API server and kept fresh. */
  jwksFile: file.optional(),
  timeoutMs: z.int().min(100).max(60_000).default(3_000),
});
export type NodeAgentConfig = z.infer<typeof nodeAgentConfig>;
