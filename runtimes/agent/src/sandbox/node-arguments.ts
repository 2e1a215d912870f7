import path from "node:path";
import { fileURLToPath } from "node:url";

/** Where the program's process starts, and what it may read to do so. */
export interface ChildEntry {
  readonly file: string;
  readonly readable: readonly string[];
}

/**
 * From source (tests, the backtest command) the entry is TypeScript in this folder and needs the workspace beside it; in an
 * image it is the bundle `sandbox` beside the bundle `main`, which holds everything.
 */
export function childEntry(moduleUrl: string = import.meta.url): ChildEntry {
  const here = fileURLToPath(moduleUrl);
  const folder = path.dirname(here);
  const extension = path.extname(here);
  if (extension !== ".ts") return { file: path.join(folder, `sandbox${extension}`), readable: [`${folder}/`] };
  const workspace = path.resolve(folder, "../../../..");
  const parts = ["runtimes/", "crds/", "node_modules/", "package.json"];
  return { file: path.join(folder, "child-main.ts"), readable: parts.map((part) => path.join(workspace, part)) };
}

/**
 * The command line of a process that runs foreign code: it may read its own code and nothing else, write nothing, start
 * neither processes nor threads nor native code nor a debugger, and make no code from strings.
 *
 * The permission model knows neither the network nor `process.kill`: confine.ts takes the ways to them.
 */
export function nodeArguments({ file, readable }: ChildEntry, memoryMiB: number): readonly string[] {
  return [
    "--permission",
    ...readable.map((name) => `--allow-fs-read=${name}`),
    "--no-addons",
    "--no-experimental-sqlite",
    "--disallow-code-generation-from-strings",
    "--no-warnings",
    `--max-old-space-size=${memoryMiB}`,
    file,
  ];
}
