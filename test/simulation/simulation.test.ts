import { join } from "node:path";
import { build } from "esbuild";
import { describe, expect, test } from "vitest";
import { controlMutants, mutants } from "./mutants.ts";
import { runHistories } from "./run-histories.ts";

const root = join(import.meta.dirname, "../..");
const patienceMs = 1_800_000;

describe("faults put into the order path on purpose", () => {
  test.each([...mutants, ...controlMutants].map((mutant) => ({ mutant })))(
    "the mutant $mutant is caught",
    async ({ mutant }) => {
      const { failures } = await runHistories({ firstSeed: 1, histories: 200, mutant, mostFailures: 1 });
      const [caught] = failures;
      expect(caught, `${mutant} survived`).toBeDefined();
      // What the command prints is enough to see it again.
      const again = await runHistories({ firstSeed: caught?.seed ?? 0, histories: 1, mutant, mostFailures: 1 });
      expect(again.failures).toEqual([caught]);
    },
    patienceMs,
  );
});

describe("what is shipped", () => {
  test.each(["risk", "broker", "agent"])("the bundle of %s holds no mutant", async (runtime) => {
    const { outputFiles } = await build({
      entryPoints: [join(root, "runtimes", runtime, "src/main.ts")],
      bundle: true,
      platform: "node",
      format: "esm",
      write: false,
      logLevel: "error",
      external: ["pg-native"],
      metafile: true,
    });
    const text = outputFiles.map((file) => file.text).join("\n");
    expect(text.length).toBeGreaterThan(100_000);
    expect([...mutants, ...controlMutants].filter((mutant) => text.includes(mutant))).toEqual([]);
    expect(text).not.toMatch(/\bmutant/i);
  });
});
