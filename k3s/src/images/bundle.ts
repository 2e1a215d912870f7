import path from "node:path";
import { build } from "esbuild";
import { repositoryRoot, type ServiceImage } from "./image-list.ts";

/** CommonJS dependencies call `require` at run time; an ES module has none of its own. */
const banner =
  'import { createRequire as __createRequire } from "node:module"; const require = __createRequire(import.meta.url);';

/**
 * Bundles a service into `<outputDirectory>/app/<entry>.mjs`, each with everything it needs: no node_modules in the image.
 * The output depends on the sources only, so that its hash can name the image.
 */
export async function bundleService(image: Pick<ServiceImage, "workspace" | "entries">, outputDirectory: string): Promise<void> {
  const workspace = path.join(repositoryRoot, image.workspace);
  const entryPoints = Object.fromEntries(
    Object.entries(image.entries).map(([name, entry]) => [name, path.join(workspace, entry)]),
  );
  await build({
    absWorkingDir: repositoryRoot,
    entryPoints,
    outdir: path.join(outputDirectory, "app"),
    outExtension: { ".js": ".mjs" },
    bundle: true,
    platform: "node",
    format: "esm",
    // What is imported late stays a file of its own: Node keeps the text of every file it has read. A program of several entries may read only its own.
    splitting: Object.keys(entryPoints).length === 1,
    target: "node24",
    banner: { js: banner },
    // Optional native parts that are looked for at run time and do without.
    external: ["pg-native", "bufferutil", "utf-8-validate"],
    sourcemap: false,
    // Node keeps the text of what it runs: without blanks a service needs 14 MiB less (measured on risk). Names stay, for stack traces.
    minifyWhitespace: true,
    minifySyntax: true,
    lineLimit: 200,
    legalComments: "none",
    logLevel: "silent",
  });
}
