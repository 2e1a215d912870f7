import { execFileSync } from "node:child_process";
import process from "node:process";

/** What a machine lacks to run a real cluster from source; empty when nothing. */
export function missingForCluster(): string[] {
  const missing: string[] = [];
  if (process.platform !== "linux") missing.push("Linux");
  if (process.getuid?.() !== 0) missing.push("root");
  try {
    execFileSync("go", ["version"], { stdio: "ignore" });
  } catch {
    missing.push("Go"); // Any failure means the same: `go` cannot be run here.
  }
  return missing;
}

/** Why the end-to-end suites are skipped; undefined when they run. */
export const skipReason: string | undefined = reason();

function reason(): string | undefined {
  const missing = missingForCluster();
  return missing.length === 0 ? undefined : `a cluster from source needs ${missing.join(", ")}`;
}
