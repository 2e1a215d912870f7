import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, test } from "vitest";
import { pluginScript } from "./plugin-script.ts";

test.each(["plain", "with blank", "it's $HOME `id`"])(
  "the plugin's script hands on its arguments from a folder called %s",
  (name) => {
    const directory = mkdtempSync(path.join(tmpdir(), "bw-plugin-"));
    try {
      const main = path.join(directory, `${name}.mjs`);
      writeFileSync(main, "console.log(JSON.stringify(process.argv.slice(2)));");
      const script = path.join(directory, "kubectl-bellwether");
      writeFileSync(script, pluginScript(process.execPath, main), { mode: 0o755 });
      const printed = execFileSync(script, ["halt", "--reason", "two words"], { encoding: "utf8" });
      expect(JSON.parse(printed)).toEqual(["halt", "--reason", "two words"]);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  },
);
