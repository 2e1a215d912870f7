import { chartTemplates } from "./generate/chart.ts";
import { crdYaml } from "./generate/crd-yaml.ts";
import { pageName, referencePage } from "./generate/reference.ts";
import { KINDS } from "./kinds.ts";

/** Every generated file of the repository: path from its root → content. `npm run generate` writes them, `npm run check` compares. */
export function generateAll(): Map<string, string> {
  const files = new Map<string, string>();
  for (const kind of KINDS) files.set(`crds/generated/${kind.names.plural}.yaml`, crdYaml(kind));
  for (const kind of KINDS) files.set(`docs/reference/${pageName(kind)}.md`, referencePage(kind));
  for (const [file, content] of chartTemplates()) files.set(file, content);
  return files;
}
