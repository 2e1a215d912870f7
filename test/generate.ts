// `npm run generate`: writes every generated file; `--check` compares instead and fails on the first difference.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { generateAll } from "../crds/src/generate.ts";

const root = path.resolve(import.meta.dirname, "..");
const { values } = parseArgs({ options: { check: { type: "boolean" } } });

function currentContent(file: string): string | undefined {
  try {
    return readFileSync(path.join(root, file), "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

const stale = [...generateAll()].filter(([file, content]) => currentContent(file) !== content);
if (values.check) {
  for (const [file] of stale) console.error(`${file} is not what its source generates`);
  process.exit(stale.length === 0 ? 0 : 1);
}
for (const [file, content] of stale) {
  mkdirSync(path.dirname(path.join(root, file)), { recursive: true });
  writeFileSync(path.join(root, file), content);
  console.log(`wrote ${file}`);
}
if (stale.length === 0) console.log("every generated file is up to date");
