import path from "node:path";
import { chartTemplates } from "./generate/chart.ts";
import { crdYaml } from "./generate/crd.ts";
import { KINDS } from "./kinds.ts";

const repository = path.resolve(import.meta.dirname, "../..");

/** Every generated file of the repository: path from its root → content. `npm run generate` writes them, `npm run check` compares. */
export async function generateAll(): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  for (const kind of KINDS) files.set(`crds/generated/${kind.names.plural}.yaml`, crdYaml(kind));
  for (const [file, content] of await chartTemplates(repository)) files.set(file, content);
  return files;
}
