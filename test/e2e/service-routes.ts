import { globSync, readFileSync } from "node:fs";
import path from "node:path";

const root = path.resolve(import.meta.dirname, "../..");

export interface ServiceRoute {
  readonly service: string;
  readonly method: string;
  readonly route: string;
}

/** Every route that a service's own sources (a pattern below the root of the repository) name, so that no new one is forgotten where all are tried. */
export function routesOf(service: string, sources: string): ServiceRoute[] {
  return globSync(sources, { cwd: root })
    .filter((file) => !file.endsWith(".test.ts"))
    .flatMap((file) => [
      ...readFileSync(path.join(root, file), "utf8").matchAll(/\.(get|put|post|delete|patch)(?:<[^(]*>)?\(\s*"(\/v1\/[^"]*)"/g),
    ])
    .map(([, method = "", route = ""]) => ({ service, method: method.toUpperCase(), route }));
}
