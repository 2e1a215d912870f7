import { readFileSync } from "node:fs";
import type { CheckpointConfig } from "./config.ts";
import { postgresSources } from "./source-postgres/capture.ts";
import { specsSource } from "./source-specs/specs-source.ts";
import type { Source } from "./source.ts";

/** The sources that the configuration has and includes; what it includes and does not have is absent from the snapshot, with why. */
export function openSources(config: CheckpointConfig, { fetch }: { readonly fetch: typeof globalThis.fetch }): readonly Source[] {
  const { include, database, kubernetes, checkpoint } = config;
  const read = (file: string): string => readFileSync(file, "utf8").trim();
  const postgres = database ? postgresSources({ dsn: () => read(database.dsnFile) }) : [];
  const { namespace } = checkpoint;
  const specs = kubernetes
    ? [specsSource({ url: kubernetes.url, namespace, token: () => read(kubernetes.tokenFile), fetch })]
    : [];
  const there = new Map([...postgres, ...specs].map((source) => [source.name, source]));
  return include.map((name) => there.get(name) ?? absent(name, "nothing is configured that it could be read from"));
}

function absent(name: Source["name"], because: string): Source {
  return { name, open: () => Promise.resolve({ because }) };
}
