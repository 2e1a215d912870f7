/** The node agent's configuration: one JSON file (path in `BELLWETHER_CONFIG`), rendered by the chart. */
import { z } from "zod";

export const nodeAgentAudience = "node-agent.bellwether.dev";

const file = z.string().startsWith("/").max(300);

export const nodeAgentConfig = z.strictObject({
  logLevel: z.enum(["trace", "debug", "info", "warn", "error"]).default("info"),
  apiPort: z.int().min(0).max(65_535).default(8080),
  healthPort: z.int().min(0).max(65_535).default(9090),
  /** Of the node it runs on; the environment variable NODE_NAME (downward API) when absent. */
  node: z.string().min(1).max(253).optional(),
  /** Address the API listens on. */
  host: z.string().max(64).default("0.0.0.0"),
  /** In a hostPath of the directory /var/lib/kubelet/pod-resources, read-only: the kubelet makes the socket anew at each start. */
  podResourcesSocket: file.default("/var/lib/kubelet/pod-resources/kubelet.sock"),
  /** The only caller that is answered: `system:serviceaccount:<namespace>:<operator>`. */
  operatorSubject: z.string().min(1).max(200),
  /** The cluster's signing keys, read from the API server with the pod's own token and kept here (an emptyDir). */
  jwksFile: file.default("/var/run/bellwether/jwks.json"),
  apiServer: z
    .strictObject({
      url: z.url().max(300).default("https://kubernetes.default.svc"),
      tokenFile: file.default("/var/run/secrets/kubernetes.io/serviceaccount/token"),
      caFile: file.default("/var/run/secrets/kubernetes.io/serviceaccount/ca.crt"),
      refreshMs: z.int().min(1_000).max(3_600_000).default(300_000),
    })
    .prefault({}),
  timeoutMs: z.int().min(100).max(60_000).default(3_000),
});
export type NodeAgentConfig = z.infer<typeof nodeAgentConfig>;

/** GET /v1/cpus: what the kubelet of one node says about its CPUs. CPU lists are the kernel's notation (`0,2-3`). */
export const nodeCpus = z.strictObject({
  node: z.string().max(253),
  policy: z.enum(["static", "none"]),
  /** CPUs that may be given away exclusively; empty under the policy `none`. */
  exclusivePool: z.string().max(4_096),
  exclusivePoolCores: z.int().nonnegative(),
  pods: z
    .array(
      z.strictObject({
        namespace: z.string().max(63),
        name: z.string().max(253),
        /** Containers with CPUs of their own only. */
        containers: z.array(z.strictObject({ name: z.string().max(253), cpus: z.string().max(4_096) })).max(100),
      }),
    )
    .max(2_000),
});
export type NodeCpus = z.infer<typeof nodeCpus>;
