import {
  Dependency,
  Metrics,
  TokenVerifier,
  createLogger,
  loadConfig,
  messageOf,
  runService,
  startHealthServer,
  systemClock,
} from "@bellwether/service-kit";
import { createApi } from "./api.ts";
import { type NodeAgentConfig, nodeAgentAudience, nodeAgentConfig } from "./config.ts";
import { refreshKeySet } from "./key-set.ts";
import { PodResources } from "./pod-resources.ts";

const config = loadConfig(nodeAgentConfig, { file: process.env["BELLWETHER_CONFIG"] ?? "/etc/bellwether/config.json" });
const node = config.node ?? process.env["NODE_NAME"] ?? "";
const log = createLogger({ name: "node-agent", level: config.logLevel });
const retryMs = 2_000;

runService(
  async (lifetime) => {
    const clock = systemClock;
    const metrics = new Metrics().collectProcess();
    const kubelet = new Dependency("kubelet", () => clock.nowMs());
    const keys = new Dependency("signing-keys", () => clock.nowMs());
    const health = await startHealthServer({
      port: config.healthPort,
      metrics,
      live: () => [],
      ready: () => [keys.check(), kubelet.check()],
      log,
    });
    lifetime.onShutdown(() => health.close());

    const podResources = new PodResources({ socket: config.podResourcesSocket, timeoutMs: config.timeoutMs });
    lifetime.onShutdown(() => podResources.close());
    const issuer = await firstKeySet(keys, lifetime.signal);
    void keepKeySet(keys, lifetime.signal);
    void probeKubelet(podResources, kubelet, lifetime.signal);

    const verifier = new TokenVerifier({ jwksFile: config.jwksFile, issuer, audience: nodeAgentAudience, clock });
    const api = createApi({ node, operatorSubject: config.operatorSubject, podResources, verifier, kubelet, log });
    lifetime.onShutdown(() => api.close());
    await api.listen({ port: config.apiPort, host: config.host });
    log.info({ node, port: config.apiPort }, "serving the kubelet's CPU assignments");
  },
  { log },
);

function readKeySet(keys: Dependency): Promise<string | undefined> {
  const access = { ...config.apiServer, timeoutMs: config.timeoutMs } satisfies NodeAgentConfig["apiServer"] & {
    timeoutMs: number;
  };
  return refreshKeySet(access, config.jwksFile).then(
    (issuer) => {
      keys.up();
      return issuer;
    },
    (error: unknown) => {
      keys.down(messageOf(error));
      log.warn({ err: error }, "the cluster's signing keys cannot be read");
      return undefined;
    },
  );
}

async function firstKeySet(keys: Dependency, signal: AbortSignal): Promise<string> {
  for (;;) {
    const issuer = await readKeySet(keys);
    if (issuer !== undefined) return issuer;
    await systemClock.sleep(retryMs, signal);
  }
}

/** Keys rotate: what was read once is read again. Ends with the service. */
async function keepKeySet(keys: Dependency, signal: AbortSignal): Promise<void> {
  while (await pause(config.apiServer.refreshMs, signal)) await readKeySet(keys);
}

/** So that readiness says what holds also while nobody asks. */
async function probeKubelet(podResources: PodResources, kubelet: Dependency, signal: AbortSignal): Promise<void> {
  do {
    await podResources.exclusivePool().then(
      () => kubelet.up(),
      (error: unknown) => kubelet.down(messageOf(error)),
    );
  } while (await pause(retryMs * 5, signal));
}

/** False when the service stops meanwhile. */
async function pause(delayMs: number, signal: AbortSignal): Promise<boolean> {
  return systemClock.sleep(delayMs, signal).then(
    () => true,
    () => false,
  );
}
