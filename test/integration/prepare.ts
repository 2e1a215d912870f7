import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { bundleService } from "@bellwether/k3s/bundle-service";
import { serviceImages } from "@bellwether/k3s/service-images";
import { bundlesVariable, bundledServices } from "../suites/service-entry.ts";
import { dataTemplateVariable, makeDataDirectory, postgresMissing } from "./order-path/postgres.ts";

/**
 * Before the integration suite, what its files would each make anew: the services as their images hold them and the plugin (started hundreds of
 * times, and from one file in half the time), and a Postgres data directory to copy.
 *
 * @returns what removes them again
 */
export async function setup(): Promise<() => Promise<void>> {
  const directory = await mkdtemp(path.join(tmpdir(), "bellwether-bundles-"));
  const images = serviceImages().filter(({ name }) => bundledServices.includes(name));
  const plugin = { name: "plugin", workspace: "plugin", entries: { main: "src/main.ts" } };
  await Promise.all([...images, plugin].map((program) => bundleService(program, path.join(directory, program.name))));
  process.env[bundlesVariable] = directory;
  const made = [directory];
  if (postgresMissing() === undefined) {
    const postgres = makeDataDirectory();
    process.env[dataTemplateVariable] = postgres.data;
    made.push(postgres.directory);
  }
  return async () => {
    for (const each of made) await rm(each, { recursive: true });
  };
}
