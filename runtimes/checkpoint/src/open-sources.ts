import { readFileSync } from "node:fs";
import type { CheckpointConfig } from "./config.ts";
import { postgresSources } from "./source-postgres/capture.ts";
import type { Source } from "./source.ts";

/** The sources that the configuration has and includes; what it includes and does not have is absent from the snapshot, with why. */
export function openSources({ include, database }: CheckpointConfig): readonly Source[] {
  const postgres = database ? postgresSources({ dsn: () => readFileSync(database.dsnFile, "utf8").trim() }) : [];
  const there = new Map(postgres.map((source) => [source.name, source]));
  return include.map((name) => there.get(name) ?? absent(name, "nothing is configured that it could be read from"));
}

function absent(name: Source["name"], because: string): Source {
  return { name, open: () => Promise.resolve({ because }) };
}
