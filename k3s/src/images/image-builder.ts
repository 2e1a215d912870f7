import { cpSync, linkSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createHash } from "node:crypto";
import path from "node:path";
import { ClusterError } from "../errors.ts";
import { unmountBelow } from "../mounts.ts";
import { run } from "../shell.ts";
import { holdsImage } from "./oci-layout.ts";

/** An image to build: a directory with everything the Dockerfile copies. */
export interface ImageBuild {
  readonly name: string;
  readonly dockerfile: string;
  readonly context: string;
  /** `--build-arg` values; part of the content hash. */
  readonly args: Readonly<Record<string, string>>;
  /** Images that `FROM` names: loaded into buildah's storage first when they are not there. */
  readonly bases?: readonly BuiltImage[];
  /** True for an image that others build on. */
  readonly keepInStorage?: boolean;
  /** Large files hard-linked into the context after hashing: their name elsewhere (in `args`) must stand for their content. */
  readonly linked?: ReadonlyMap<string, string>;
}

/** An image that is in the cache's OCI layout. */
export interface BuiltImage {
  readonly name: string;
  /** What a pod asks for. `localhost/…`, so that a missing image is never looked for on the network. */
  readonly reference: string;
  /** Directory of the layout; all images of one cache share it. */
  readonly layout: string;
}

/** Registry part of every locally built image. */
const localRegistry = "localhost";

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
  readonly options: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

const storageOf = (cache: string, driver: string): { root: string; runRoot: string } => {
  const root = path.join(cache, `buildah-${driver}`);
  return { root, runRoot: `${root}-run` };
};

/**
 * Unmounts what buildah has left mounted in its storage: its bases, and the storage itself. It finds its state as after a restart of the machine.
 * Only while nobody builds.
 */
export async function releaseStorage(cache: string): Promise<void> {
  const { root, runRoot } = storageOf(cache, "overlay");
  await unmountBelow(root);
  rmSync(runRoot, { recursive: true, force: true });
}

/**
 * buildah with storage and configuration of its own: it leaves nothing outside the cache. The overlay driver is four times as
 * fast as vfs, but not to be had inside a container.
 */
async function buildahIn(cache: string): Promise<Buildah> {
  const configuration = path.join(cache, "buildah.conf");
  writeFileSync(configuration, `[network]\nnetwork_config_dir = ${JSON.stringify(path.join(cache, "buildah-cni"))}\n`);
  const env = { BUILDAH_ISOLATION: "chroot", CONTAINERS_CONF: configuration };
  const options = (driver: string): string[] => {
    const { root, runRoot } = storageOf(cache, driver);
    return ["--root", root, "--runroot", runRoot, "--storage-driver", driver];
  };
  const { code } = await run("buildah", [...options("overlay"), "images", "--quiet"], { env, accept: [0, 1, 125] });
  return { options: options(code === 0 ? "overlay" : "vfs"), env };
}

const buildah = (tool: Buildah, args: readonly string[], accept?: readonly number[]): Promise<{ code: number }> =>
  run("buildah", [...tool.options, ...args], { env: tool.env, timeoutMs: 900_000, ...(accept ? { accept } : {}) });

async function ensureBase(tool: Buildah, base: BuiltImage): Promise<void> {
  const { code } = await buildah(tool, ["inspect", "--type", "image", base.reference], [0, 1, 125]);
  if (code !== 0) await buildah(tool, ["pull", "--quiet", `oci:${base.layout}:${base.reference}`]);
}

async function buildInto(layout: string, build: ImageBuild, target: { tool: Buildah; reference: string }): Promise<void> {
  const { tool, reference } = target;
  for (const base of build.bases ?? []) await ensureBase(tool, base);
  for (const [inside, from] of build.linked ?? []) linkSync(from, path.join(build.context, inside));
  const args = Object.entries(build.args).flatMap(([name, value]) => ["--build-arg", `${name}=${value}`]);
  // A fixed timestamp: the same content has the same digest, whenever it is built.
  const options = ["--quiet", "--pull-never", "--timestamp", "0", "--format", "oci", "-f", build.dockerfile, "-t", reference];
  await buildah(tool, ["bud", ...options, ...args, build.context]);
  await buildah(tool, ["push", "--quiet", "--disable-compression", reference, `oci:${layout}:${reference}`]);
  for (const inside of build.linked?.keys() ?? []) rmSync(path.join(build.context, inside));
  // Only a base is needed again; the vfs driver keeps a full copy of every image.
  if (!build.keepInStorage) await buildah(tool, ["rmi", "--force", reference], [0, 1, 125]);
}

/**
 * Builds an image with buildah (isolation `chroot`, so no daemon and no user namespaces are needed) into the cache's layout,
 * unless one of the same content is there.
 *
 * @throws ClusterError IMAGE_BUILD_FAILED with the end of buildah's output
 */
export async function buildImage(build: ImageBuild, cache: string): Promise<BuiltImage & { cached: boolean }> {
  const reference = imageReference(build.name, contentHash(build));
  const layout = path.join(cache, "layout");
  const image = { name: build.name, reference, layout };
  if (holdsImage(layout, reference)) return { ...image, cached: true };
  mkdirSync(layout, { recursive: true });
  try {
    await buildInto(layout, build, { tool: await buildahIn(cache), reference });
  } catch (cause) {
    throw new ClusterError("IMAGE_BUILD_FAILED", `image ${build.name}: ${(cause as Error).message}`, {
      context: { image: build.name },
      cause,
    });
  }
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
