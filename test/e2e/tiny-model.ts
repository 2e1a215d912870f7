import { kubectl } from "../cluster/kubectl.ts";
import { tinyGguf } from "../venues/llm/tiny-gguf.ts";

/** A model for a real Ollama, small enough for a ConfigMap. */
export const tinyModel = { name: "tiny-model", key: "tiny.gguf" } as const;

export async function applyTinyModel(): Promise<void> {
  const model = { binaryData: { [tinyModel.key]: tinyGguf().toString("base64") } };
  const configMap = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: tinyModel.name }, ...model };
  // Too large for the annotation that a client-side apply keeps.
  await kubectl(["apply", "--server-side", "-f", "-"], { input: JSON.stringify(configMap) });
}
