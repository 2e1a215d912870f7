import path from "node:path";

/** Where the bundles are, if there are any: the integration suite makes them (test/integration/prepare.ts), a benchmark does without. */
export const bundlesVariable = "BELLWETHER_TEST_BUNDLES";
export const bundledServices: readonly string[] = ["risk", "broker", "gateway", "checkpoint"];

const root = path.resolve(import.meta.dirname, "../..");

/** The file that starts a service. */
export function serviceEntry(name: "risk" | "broker" | "gateway" | "checkpoint"): string {
  return bundleOf(name) ?? path.join(root, "runtimes", name, "src/main.ts");
}

/** The file that is `kubectl bellwether`. */
export function pluginEntry(): string {
  return bundleOf("plugin") ?? path.join(root, "plugin/src/main.ts");
}

function bundleOf(name: string): string | undefined {
  const bundles = process.env[bundlesVariable];
  return bundles && path.join(bundles, name, "app/main.mjs");
}
