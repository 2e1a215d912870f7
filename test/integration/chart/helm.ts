import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { ensureBinaries } from "@bellwether/k3s/binaries";
import { parseAllDocuments } from "yaml";
import type { Manifest } from "./pods.ts";

const run = promisify(execFile);
const chart = path.resolve(import.meta.dirname, "../../../charts/bellwether");

/** Helm on our chart, with a configuration directory of its own. */
export interface Helm {
  /** Temporary; removed by `close`. */
  readonly directory: string;
  lint(): Promise<string>;
  /** What `helm install` would send, hooks included, as YAML. */
  render(values: object): Promise<string>;
  manifests(values: object): Promise<Manifest[]>;
  close(): void;
}

export async function startHelm(): Promise<Helm> {
  const { helm } = await ensureBinaries(["helm"]);
  const directory = mkdtempSync(path.join(tmpdir(), "bw-chart-"));
  const env = { ...process.env, HELM_CONFIG_HOME: directory, HELM_CACHE_HOME: directory, HELM_DATA_HOME: directory };
  const render = async (values: object): Promise<string> => {
    const file = path.join(directory, "values.json");
    writeFileSync(file, JSON.stringify(values));
    const args = ["template", "bellwether", chart, "--namespace", "bellwether", "--values", file];
    return (await run(helm, args, { env, maxBuffer: 50_000_000 })).stdout;
  };
  return {
    directory,
    render,
    lint: async () => (await run(helm, ["lint", "--strict", chart], { env })).stdout,
    manifests: async (values) =>
      parseAllDocuments(await render(values))
        .map((document) => document.toJS() as Manifest | null)
        .filter((manifest) => manifest !== null),
    close: () => rmSync(directory, { recursive: true, force: true }),
  };
}
