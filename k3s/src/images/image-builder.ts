import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from "node:fs";
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

const storage = (cache: string): readonly string[] => [
  "--root",
  path.join(cache, "buildah"),
  "--runroot",
  path.join(cache, "buildah-run"),
  "--storage-driver",
  "vfs",
];

/** Removes archives of the same image with another hash: the cache keeps one of each. */
function dropOlder(archives: string, name: string, keep: string): void {
  for (const file of readdirSync(archives)) {
    if (file.startsWith(`${name}@`) && file !== path.basename(keep)) rmSync(path.join(archives, file), { force: true });
  }
}

/**
 * Builds an image with buildah (rootless isolation `chroot`, so no daemon and no user namespaces are needed) into an OCI
 * archive in the cache, unless one of the same content is there.
 *
 * @throws ClusterError IMAGE_BUILD_FAILED with the end of buildah's output
 */
export async function buildImage(build: ImageBuild, cache: string): Promise<BuiltImage & { cached: boolean }> {
  const reference = imageReference(build.name, contentHash(build));
  const archives = path.join(cache, "images");
  mkdirSync(archives, { recursive: true });
  const archive = path.join(archives, `${build.name}@${reference.slice(reference.lastIndexOf(":") + 1)}.tar`);
  if (existsSync(archive)) return { name: build.name, reference, archive, cached: true };
  const env = { BUILDAH_ISOLATION: "chroot" };
  const buildArgs = Object.entries(build.args).flatMap(([name, value]) => ["--build-arg", `${name}=${value}`]);
  try {
    await run(
      "buildah",
      [
        ...storage(cache),
        "bud",
        "--quiet",
        "--pull-never",
        "--timestamp",
        "0",
        "-f",
        build.dockerfile,
        "-t",
        reference,
        ...buildArgs,
        build.context,
      ],
      { env },
    );
    const partial = `${archive}.partial`;
    rmSync(partial, { force: true });
    await run("buildah", [...storage(cache), "push", "--quiet", reference, `oci-archive:${partial}:${reference}`], { env });
    renameSync(partial, archive);
  } catch (cause) {
    throw new ClusterError("IMAGE_BUILD_FAILED", `image ${build.name}: ${(cause as Error).message}`, {
      context: { image: build.name },
      cause,
    });
  }
  dropOlder(archives, build.name, archive);
  return { name: build.name, reference, archive, cached: false };
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
