import { existsSync, mkdirSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { ensureBinaries } from "../cache/binaries.ts";
import { withLock } from "../cache/lock.ts";
import { ClusterError } from "../errors.ts";
import { findCommand, run } from "../shell.ts";
import { versions } from "../versions.ts";
import { bundleService } from "./bundle.ts";
import { type DebianRoot, ensureDebianRoot, postgresRoot, valkeyRoot } from "./debian-root.ts";
import { assembleContext, buildImage, type BuiltImage, releaseStorage } from "./image-builder.ts";
import { pruneLayout } from "./oci-layout.ts";
import { missingEntries, repositoryRoot, type ServiceImage, serviceImages } from "./image-list.ts";

type Report = (line: string) => void;

const dockerfileOf = (name: string): string => path.join(repositoryRoot, "k3s/images", name, "Dockerfile");
const contextOf = (cache: string, name: string): string => path.join(cache, "context", name);

/** Libraries from `ldd`'s output: name in the image → file on this machine. */
export function librariesOf(lddOutput: string): Map<string, string> {
  const libraries = new Map<string, string>();
  for (const line of lddOutput.split("\n")) {
    const file = /(?:=>\s*)?(\/\S+)\s+\(0x/.exec(line)?.[1];
    if (file) libraries.set(file, file);
  }
  return libraries;
}

/** Root file system for Node: the pinned binary, its libraries, certificates, users and a /tmp. */
async function nodeBase(cache: string): Promise<BuiltImage> {
  const context = contextOf(cache, "node-base");
  const { stdout } = await run("ldd", [process.execPath]);
  const files = new Map([["root/usr/local/bin/node", process.execPath]]);
  for (const [name, file] of librariesOf(stdout)) files.set(`root${name}`, realpathSync(file));
  const certificates = "/etc/ssl/certs/ca-certificates.crt";
  if (existsSync(certificates)) files.set(`root${certificates}`, certificates);
  assembleContext(context, files);
  const write = (file: string, text: string): void => writeFileSync(path.join(context, "root", file), text);
  mkdirSync(path.join(context, "root/etc"), { recursive: true });
  mkdirSync(path.join(context, "root/tmp"), { recursive: true, mode: 0o1777 });
  write("etc/passwd", "root:x:0:0:root:/:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/tmp:/sbin/nologin\n");
  write("etc/group", "root:x:0:\nnonroot:x:65532:\n");
  write("etc/nsswitch.conf", "hosts: files dns\n");
  return buildImage({ name: "node-base", dockerfile: dockerfileOf("node-base"), context, args: {}, keepInStorage: true }, cache);
}

/** Stands for the official image of Ollama: the program built from source, for CPUs only, where the official one has it. Its libraries are Node's, too. */
async function ollamaProgram(cache: string, report: Report): Promise<BuiltImage> {
  const { ollama } = await ensureBinaries(["ollama"], { report, directory: cache });
  const context = contextOf(cache, "ollama-program");
  assembleContext(context, new Map([["root/usr/bin/ollama", ollama]]));
  const libraries = path.join(context, "root/usr/lib/ollama");
  mkdirSync(libraries, { recursive: true });
  writeFileSync(path.join(libraries, "built-from-source"), `${versions.ollama}, CPU only\n`);
  const dockerfile = dockerfileOf("ollama-program");
  return buildImage({ name: "ollama-program", dockerfile, context, args: {}, keepInStorage: true }, cache);
}

/** An image of a Debian root. Its name holds its hash: half a gigabyte need not be read again to see that nothing has changed. */
async function debianImage(
  root: DebianRoot,
  files: ReadonlyMap<string, string>,
  at: { cache: string; report: Report },
): Promise<BuiltImage> {
  const { name } = root;
  const archive = await ensureDebianRoot(root, path.join(at.cache, name), at.report);
  const context = contextOf(at.cache, name);
  assembleContext(context, files);
  mkdirSync(context, { recursive: true });
  const args = { ROOT: path.basename(archive) };
  return buildImage({ name, dockerfile: dockerfileOf(name), context, args, linked: new Map([["root.tar", archive]]) }, at.cache);
}

function postgres(cache: string, report: Report): Promise<BuiltImage> {
  const entrypoint = path.join(path.dirname(dockerfileOf("postgres")), "entrypoint.sh");
  return debianImage(postgresRoot, new Map([["entrypoint.sh", entrypoint]]), { cache, report });
}

async function coredns(cache: string): Promise<BuiltImage> {
  const context = contextOf(cache, "coredns");
  assembleContext(context, new Map([["coredns", path.join(cache, "bin/coredns")]]));
  return buildImage({ name: "coredns", dockerfile: dockerfileOf("coredns"), context, args: {} }, cache);
}

async function pause(cache: string): Promise<BuiltImage> {
  const catatonit = await findCommand("catatonit");
  if (!catatonit) throw new ClusterError("IMAGE_BUILD_FAILED", "catatonit is not installed: `apt-get install catatonit`");
  const context = contextOf(cache, "pause");
  assembleContext(context, new Map([["catatonit", catatonit]]));
  return buildImage({ name: "pause", dockerfile: dockerfileOf("pause"), context, args: {} }, cache);
}

/** @param bases by the build argument that `FROM` takes them from */
async function service(image: ServiceImage, bases: Readonly<Record<string, BuiltImage>>, cache: string): Promise<BuiltImage> {
  const context = contextOf(cache, image.name);
  rmSync(context, { recursive: true, force: true });
  await bundleService(image, context);
  const dockerfile = path.join(repositoryRoot, image.dockerfile);
  const args = Object.fromEntries(Object.entries(bases).map(([name, base]) => [name, base.reference]));
  return buildImage({ name: image.name, dockerfile, context, args, bases: Object.values(bases) }, cache);
}

/**
 * Builds the images the driver needs, and with `platform` every image of the platform, into the cache; unchanged ones are only looked up.
 *
 * @returns the images by name
 */
export function buildImages(
  ownImages: readonly ("coredns" | "pause")[],
  what: { platform: boolean; cache: string },
  report: Report,
): Promise<Map<string, BuiltImage>> {
  const onWait = (pid: number): void => report(`waiting for process ${pid}, which is building images`);
  // Another checkout may share the cache; what is mounted below it is unmounted when its builder is done.
  return withLock(path.join(what.cache, "images.lock"), { waitMs: 30 * 60_000, onWait }, async () => {
    try {
      return await buildEach(ownImages, what, report);
    } finally {
      await releaseStorage(what.cache);
    }
  });
}

async function buildEach(
  ownImages: readonly ("coredns" | "pause")[],
  what: { platform: boolean; cache: string },
  report: Report,
): Promise<Map<string, BuiltImage>> {
  const { cache } = what;
  const built = new Map<string, BuiltImage>();
  const add = async (name: string, build: Promise<BuiltImage & { cached?: boolean }>): Promise<BuiltImage> => {
    const image = await build;
    report(`${name}: ${image.cached ? "unchanged" : "built"}`);
    built.set(name, image);
    return image;
  };
  const own = { coredns: () => coredns(cache), pause: () => pause(cache) };
  for (const name of ownImages) await add(name, own[name]());
  if (!what.platform) return built;
  await add("postgres", postgres(cache, report));
  await add("valkey", debianImage(valkeyRoot, new Map(), { cache, report }));
  const base = await nodeBase(cache);
  const program = await ollamaProgram(cache, report);
  for (const image of serviceImages()) {
    const missing = missingEntries(image);
    if (missing.length > 0)
      throw new ClusterError("IMAGE_BUILD_FAILED", `${image.workspace}: ${missing.join(", ")} does not exist`);
    const bases = { BASE: base, ...(image.name === "ollama" && { OLLAMA: program }) };
    await add(image.name, service(image, bases, cache));
  }
  pruneLayout(
    base.layout,
    [base, program, ...built.values()].map((image) => image.reference),
  );
  return built;
}
