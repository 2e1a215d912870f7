import { existsSync, readFileSync } from "node:fs";
import path from "node:path";

/** Root of the checkout. */
export const repositoryRoot = path.resolve(import.meta.dirname, "../../..");

/** A service that is bundled from a workspace into one image. */
export interface ServiceImage {
  readonly name: string;
  readonly workspace: string;
  /** Bundle name → entry file in the workspace; `main` starts. */
  readonly entries: Readonly<Record<string, string>>;
  /** File below the root. */
  readonly dockerfile: string;
}

const workspaces: Readonly<Record<string, string>> = {
  operator: "operator",
  agent: "runtimes/agent",
  risk: "runtimes/risk",
  broker: "runtimes/broker",
  gateway: "runtimes/gateway",
  checkpoint: "runtimes/checkpoint",
  "node-agent": "runtimes/node-agent",
};

/** Ollama beside the program that loads, warms and watches its one model. */
const ollama: ServiceImage = {
  name: "ollama",
  workspace: "runtimes/gateway",
  entries: { main: "src/keeper/main.ts" },
  dockerfile: "k3s/images/ollama/Dockerfile",
};

/** All service images; further bundles of one (the agent's sandbox) stand in its package.json under `bellwether.entries`. */
export function serviceImages(root: string = repositoryRoot): ServiceImage[] {
  const services = Object.entries(workspaces).map(([name, workspace]) => {
    const manifest = JSON.parse(readFileSync(path.join(root, workspace, "package.json"), "utf8")) as {
      bellwether?: { entries?: Record<string, string> };
    };
    const entries = manifest.bellwether?.entries ?? { main: "src/main.ts" };
    return { name, workspace, entries, dockerfile: path.join(workspace, "Dockerfile") };
  });
  return [...services, ollama];
}

/** Entry files that do not exist: a service that is not written yet. */
export function missingEntries(image: ServiceImage, root: string = repositoryRoot): string[] {
  return Object.values(image.entries).filter((entry) => !existsSync(path.join(root, image.workspace, entry)));
}
