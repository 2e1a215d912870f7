// Keeps the processes of the source cluster running: what systemd or a static pod does elsewhere.
//   node watchdog-main.ts <state directory> <components.json>
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { Component } from "./components.ts";
import { sourceLayout } from "./layout.ts";
import { Watchdog } from "./watchdog.ts";

const [root = "", componentsFile = ""] = process.argv.slice(2);
const everyMs = 2_000;

const report = (line: string): void => console.error(new Date().toISOString(), line);
const components = JSON.parse(readFileSync(componentsFile, "utf8")) as Component[];
const watchdog = new Watchdog(sourceLayout(root), components, report);
for (;;) {
  try {
    await watchdog.round(Date.now());
  } catch (error) {
    report(error instanceof Error ? error.message : String(error));
  }
  await sleep(everyMs);
}
