import { defineConfig } from "vitest/config";
import { isLongForm } from "./test/suites/long-form.ts";

// One project per suite: `npm run test:unit|simulation|integration|e2e|kills`. Unit tests stand beside the source; the others are in test/.
const suite = (name: string, include: string[], extra: object = {}) => ({
  test: { name, include, environment: "node", ...extra },
});

export default defineConfig({
  test: {
    projects: [
      suite(
        "unit",
        [
          "{crds,operator,k3s,plugin}/src/**/*.test.ts",
          "runtimes/**/*.test.ts",
          "test/{suites,venues,oracle,bench}/**/*.test.ts",
        ],
        // Sandboxed programs start processes: a busy machine takes its time. Left alone, vitest keeps one of two cores for itself and idles on it.
        // Files of one worker share their modules: no test replaces one, and reading them anew for each file was two fifths of the suite.
        { testTimeout: 60_000, maxWorkers: "100%", isolate: false },
      ),
      suite("simulation", ["test/simulation/**/*.test.ts"], { testTimeout: 60_000, maxWorkers: "100%" }),
      suite("tidy", ["test/tidy/**/*.test.ts"]),
      suite("integration", ["test/integration/**/*.test.ts"], {
        testTimeout: 120_000,
        hookTimeout: 600_000,
        globalSetup: "test/integration/prepare.ts",
        // They wait more than they reckon, each with an API server, a Postgres and ports of its own.
        maxWorkers: 4,
      }),
      suite("e2e", ["test/e2e/**/*.test.ts"], { testTimeout: 180_000, hookTimeout: 1_200_000, fileParallelism: false }),
      suite("down", ["test/down/**/*.test.ts"], { testTimeout: 360_000, hookTimeout: 1_200_000 }),
      suite("kills", ["test/kills/**/*.test.ts"], {
        testTimeout: 1_800_000,
        hookTimeout: 1_200_000,
        fileParallelism: false,
        // What the integration suite does on an API server without pods.
        exclude: isLongForm ? [] : ["test/kills/standby.test.ts"],
      }),
    ],
  },
});
