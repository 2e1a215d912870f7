import { randomBytes } from "node:crypto";
import { connectTo, loadClusterAccess } from "@bellwether/kubernetes";
import { createLogger, runService, systemClock, systemRandom } from "@bellwether/service-kit";
import { runChartHook } from "./run.ts";

// The program of the chart's hook Jobs: runs to its end. Everything it needs comes in the environment (see run.ts).
const log = createLogger({ name: "chart-hook", level: "info" });

runService(
  async (lifetime) => {
    const clock = systemClock;
    const access = await loadClusterAccess({ env: process.env, clock });
    const connection = connectTo({ access, clock, random: systemRandom, userAgent: "bellwether-chart-hook" });
    lifetime.onShutdown(() => connection.close());
    await runChartHook(process.env, { client: connection.client, clock, log, password: () => randomBytes(24).toString("hex") });
    lifetime.stop();
  },
  { log },
);
