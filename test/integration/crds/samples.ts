import { globSync, readFileSync } from "node:fs";
import path from "node:path";
import { GROUP, KINDS, manifestSchema } from "@bellwether/crds";
import { expect, test } from "vitest";
import { parseAllDocuments } from "yaml";
import type { ControlPlane } from "../control-plane.ts";

const repository = path.resolve(import.meta.dirname, "../../..");
interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
}

const yamlOf = (file: string): string[] => {
  const text = readFileSync(path.join(repository, file), "utf8");
  if (!file.endsWith(".md")) return [text];
  return [...text.matchAll(/```yaml\n([^]*?)```/g)]
    .map(([, block]) => block ?? "")
    .filter((block) => block.startsWith("apiVersion"));
};
const documentsOf = (file: string): Manifest[] =>
  yamlOf(file).flatMap((text) => parseAllDocuments(text).map((document) => document.toJS() as Manifest));
const files = globSync(["manifests/samples/**/*.yaml", "docs/{guides,reference}/*.md", "README.md"], { cwd: repository })
  .filter((file) => documentsOf(file).length > 0)
  .sort();

/** Of one control plane with the CRDs in it. */
export function samplesAreTaken(plane: () => ControlPlane): void {
  test.each(files)("%s", async (file) => {
    for (const manifest of documentsOf(file)) {
      const kind = KINDS.find(({ names }) => manifest.apiVersion.startsWith(`${GROUP}/`) && names.kind === manifest.kind);
      if (kind) expect(manifestSchema(kind).safeParse(manifest).error).toBeUndefined();
      const { code, stderr } = await plane().kubectl(
        ["create", "--dry-run=server", "--validate=strict", "-f", "-"],
        JSON.stringify(manifest),
      );
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    }
  });
}
