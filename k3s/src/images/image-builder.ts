import {
  cpSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createHash } from "node:crypto";
import path from "node:path";
import { ClusterError } from "../errors.ts";
import { run } from "../shell.ts";

/** An image to build: a directory with everything the Dockerfile copies. */
export interface ImageBuild {
  readonly name: string;
  readonly dockerfile: string;
  readonly context: string;
  /** `--build-arg` values; part of the content hash. */
  readonly args: Readonly<Record<string, string>>;
  /** An image that `FROM` names: loaded into buildah's storage first when it is not there. */
  readonly base?: BuiltImage;
  /** True for an image that others build on. */
  readonly keepInStorage?: boolean;
  /** Large files hard-linked into the context after hashing: their name elsewhere (in `args`) must stand for their content. */
  readonly linked?: ReadonlyMap<string, string>;
}

/** An image that is in the cache as an OCI archive. */
export interface BuiltImage {
  readonly name: string;
  /** What a pod asks for. `localhost/…`, so that a missing image is never looked for on the network. */
  readonly reference: string;
  readonly archive: string;
}

/** Registry part of every locally built image. */
export const localRegistry = "localhost";

function filesBelow(directory: string, prefix = ""): string[] {
  return readdirSync(path.join(directory, prefix), { withFileTypes: true })
    .flatMap((entry) => {
      const name = path.join(prefix, entry.name);
      return entry.isDirectory() ? filesBelow(directory, name) : [name];
    })
    .sort();
}

/** Hash over Dockerfile, arguments and every file of the context (name, mode, bytes): the image's tag, so equal input is never built twice. */
export function contentHash(build: ImageBuild): string {
  const hash = createHash("sha256").update(readFileSync(build.dockerfile)).update(JSON.stringify(build.args));
  for (const file of filesBelow(build.context)) {
    const full = path.join(build.context, file);
    hash.update(`\0${file}\0${statSync(full).mode & 0o777}\0`).update(readFileSync(full));
  }
  return hash.digest("hex").slice(0, 12);
}

export function imageReference(name: string, tag: string): string {
  return `${localRegistry}/bellwether/${name}:${tag}`;
}

interface Buildah {
  readonly cache: string;
  readonly options: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** buildah with storage and configuration of its own: it leaves nothing outside the cache. */
function buildahIn(cache: string): Buildah {
  const configuration = path.join(cache, "buildah.conf");
  writeFileSync(configuration, `[network]\nnetwork_config_dir = ${JSON.stringify(path.join(cache, "buildah-cni"))}\n`);
  const options = [
    "--root",
    path.join(cache, "buildah"),
    "--runroot",
    path.join(cache, "buildah-run"),
    "--storage-driver",
    "vfs",
  ];
  return { cache, options, env: { BUILDAH_ISOLATION: "chroot", CONTAINERS_CONF: configuration } };
}

const buildah = (tool: Buildah, args: readonly string[], accept?: readonly number[]): Promise<{ code: number }> =>
  run("buildah", [...tool.options, ...args], { env: tool.env, timeoutMs: 900_000, ...(accept ? { accept } : {}) });

/** Removes archives of the same image with another hash: the cache keeps one of each. */
function dropOlder(archives: string, name: string, keep: string): void {
  for (const file of readdirSync(archives)) {
    if (file.startsWith(`${name}@`) && file !== path.basename(keep)) rmSync(path.join(archives, file), { force: true });
  }
}

async function ensureBase(tool: Buildah, base: BuiltImage): Promise<void> {
  const { code } = await buildah(tool, ["inspect", "--type", "image", base.reference], [0, 1, 125]);
  if (code !== 0) await buildah(tool, ["pull", "--quiet", `oci-archive:${base.archive}:${base.reference}`]);
}

async function buildArchive(build: ImageBuild, reference: string, target: { tool: Buildah; archive: string }): Promise<void> {
  const { tool, archive } = target;
  if (build.base) await ensureBase(tool, build.base);
  for (const [inside, from] of build.linked ?? []) linkSync(from, path.join(build.context, inside));
  const args = Object.entries(build.args).flatMap(([name, value]) => ["--build-arg", `${name}=${value}`]);
  // A fixed timestamp: the same content has the same digest, whenever it is built.
  await buildah(tool, [
    "bud",
    "--quiet",
    "--pull-never",
    "--timestamp",
    "0",
    "--format",
    "oci",
    "-f",
    build.dockerfile,
    "-t",
    reference,
    ...args,
    build.context,
  ]);
  const partial = `${archive}.partial`;
  rmSync(partial, { force: true });
  await buildah(tool, ["push", "--quiet", "--disable-compression", reference, `oci-archive:${partial}:${reference}`]);
  renameSync(partial, archive);
  for (const inside of build.linked?.keys() ?? []) rmSync(path.join(build.context, inside));
  // Only a base is needed again; the vfs driver keeps a full copy of every image.
  if (!build.keepInStorage) await buildah(tool, ["rmi", "--force", reference], [0, 1, 125]);
}

/**
 * Builds an image with buildah (isolation `chroot`, so no daemon and no user namespaces are needed) into an OCI archive in the
 * cache, unless one of the same content is there.
 *
 * @throws ClusterError IMAGE_BUILD_FAILED with the end of buildah's output
 */
export async function buildImage(build: ImageBuild, cache: string): Promise<BuiltImage & { cached: boolean }> {
  const tag = contentHash(build);
  const reference = imageReference(build.name, tag);
  const archives = path.join(cache, "images");
  mkdirSync(archives, { recursive: true });
  const archive = path.join(archives, `${build.name}@${tag}.tar`);
  const image = { name: build.name, reference, archive };
  if (existsSync(archive)) return { ...image, cached: true };
  try {
    await buildArchive(build, reference, { tool: buildahIn(cache), archive });
  } catch (cause) {
    throw new ClusterError("IMAGE_BUILD_FAILED", `image ${build.name}: ${(cause as Error).message}`, {
      context: { image: build.name },
      cause,
    });
  }
  dropOlder(archives, build.name, archive);
  return { ...image, cached: false };
}

/** Copies files into a fresh context directory; keys are paths inside it. */
export function assembleContext(directory: string, files: ReadonlyMap<string, string>): void {
  rmSync(directory, { recursive: true, force: true });
  for (const [inside, from] of files) {
    const target = path.join(directory, inside);
    mkdirSync(path.dirname(target), { recursive: true });
    cpSync(from, target, { dereference: true });
  }
}
