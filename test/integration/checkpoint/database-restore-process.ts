import { readFileSync, readdirSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { silentLogger, systemClock } from "@bellwether/service-kit";
import { type RestoreStep, restorePostgres } from "../../../runtimes/checkpoint/src/restore-postgres/restore.ts";
import { type StoredSnapshot, heldSnapshot, readStored } from "./database-snapshot.ts";

// A restore in a process of its own, which kills itself before a step: node database-restore-process.ts DSN DIRECTORY [STEP]
const [dsn = "", directory = "", deadly] = process.argv.slice(2);
const segments = path.join(directory, "segments");
const stored = JSON.parse(readFileSync(path.join(directory, "snapshot.json"), "utf8")) as StoredSnapshot;
const name = (key: string): string => key.replaceAll("/", "+");

const { durations } = await restorePostgres({
  dsn,
  id: "killed",
  snapshot: heldSnapshot(readStored(stored)),
  shipped: {
    async *list(prefix) {
      for (const file of readdirSync(segments)) if (file.startsWith(name(prefix))) yield { key: file.replaceAll("+", "/") };
    },
    get: async (key) => readFileSync(path.join(segments, name(key))),
  },
  clock: systemClock,
  log: silentLogger,
  onStep: (step: RestoreStep) => {
    if (step === deadly) process.kill(process.pid, "SIGKILL");
  },
});
process.stdout.write(JSON.stringify(Object.keys(durations)));
