import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import path from "node:path";
import { versions } from "../versions.ts";

/** Folder of the Go module that names the Kubernetes commands and their exact dependencies. */
export const kubernetesModule = path.resolve(import.meta.dirname, "../../go");

/** Hash over every version and the Go module's lock: another version is another directory. */
export function versionsHash(moduleFiles: readonly string[], platform: string): string {
  const hash = createHash("sha256").update(JSON.stringify(versions)).update(platform);
  for (const text of moduleFiles) hash.update("\0").update(text);
  return hash.digest("hex").slice(0, 12);
}

/**
 * Where built binaries and image parts are kept between runs, outside the checkout so that a fresh clone finds them:
 * `$XDG_CACHE_HOME/bellwether/<versions hash>` or the same below `~/.cache`.
 */
export function cacheDirectory(env: NodeJS.ProcessEnv = process.env): string {
  const base = env["XDG_CACHE_HOME"] ? path.resolve(env["XDG_CACHE_HOME"]) : path.join(homedir(), ".cache");
  const moduleFiles = ["go.mod", "go.sum"].map((file) => readFileSync(path.join(kubernetesModule, file), "utf8"));
  return path.join(base, "bellwether", versionsHash(moduleFiles, `${process.platform}-${process.arch}`));
}
