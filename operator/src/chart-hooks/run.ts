import type { KubernetesClient } from "@bellwether/kubernetes";
import type { Clock, Logger } from "@bellwether/service-kit";
import { z } from "zod";
import { drain } from "./drain.ts";
import { createSecret, postgresSecret, valkeySecret } from "./secrets.ts";

/** Environment of a hook Job, as charts/bellwether/templates/_helpers.tpl sets it. */
const chartHookEnvironment = z.object({
  BELLWETHER_CHART_HOOK: z.enum(["create-secrets", "drain"]),
  BELLWETHER_NAMESPACE: z.string().min(1).max(63),
  /** Names of the Secrets to create; empty: none. */
  BELLWETHER_POSTGRES_SECRET: z.string().max(253),
  BELLWETHER_VALKEY_SECRET: z.string().max(253),
  BELLWETHER_TIMEOUT_SECONDS: z.coerce.number().int().min(1).max(3600),
  /** Comma-separated; empty: all. */
  BELLWETHER_WATCH_NAMESPACES: z.string().max(4000),
});

export interface ChartHookDependencies {
  readonly client: KubernetesClient;
  readonly clock: Clock;
  readonly log: Logger;
  /** A fresh secret text. */
  readonly password: () => string;
}

/** Runs the hook that the environment names, to its end. Throws when it failed: the Job tries again within its own bounds. */
export async function runChartHook(environment: unknown, { client, clock, log, password }: ChartHookDependencies): Promise<void> {
  const hook = chartHookEnvironment.parse(environment);
  switch (hook.BELLWETHER_CHART_HOOK) {
    case "create-secrets": {
      const named = (name: string) => ({ namespace: hook.BELLWETHER_NAMESPACE, name, password });
      const secrets = [
        postgresSecret(named(hook.BELLWETHER_POSTGRES_SECRET)),
        valkeySecret(named(hook.BELLWETHER_VALKEY_SECRET)),
      ].filter(({ metadata }) => metadata.name !== "");
      for (const secret of secrets) {
        const created = await createSecret(client, secret);
        log.info({ secret: secret.metadata.name }, created ? "created the Secret" : "the Secret is there already: left as it is");
      }
      return;
    }
    case "drain": {
      const namespaces = hook.BELLWETHER_WATCH_NAMESPACES.split(",").filter((name) => name !== "");
      const timeoutMs = hook.BELLWETHER_TIMEOUT_SECONDS * 1000;
      await drain(client, { namespaces, timeoutMs, clock, report: (line) => log.info(line) });
      log.info("drained");
    }
  }
}
