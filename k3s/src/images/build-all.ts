import { existsSync, mkdirSync, readdirSync, realpathSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createHash } from "node:crypto";
import path from "node:path";
import { ClusterError } from "../errors.ts";
import { findCommand, run } from "../shell.ts";
import { versions } from "../versions.ts";
import { bundleService } from "./bundle.ts";
import { assembleContext, buildImage, type BuiltImage } from "./image-builder.ts";
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

const postgresPackages = [`postgresql-${versions.postgres}`, `postgresql-${versions.postgres}-pgvector`];
/** Debian release that carries this major version of Postgres. */
const postgresRelease = "trixie";
/** As in the official image, so that the chart's security context and volumes fit both. */
const postgresUser = 999;

function mmdebstrapArguments(output: string): string[] {
  const excluded = ["man", "doc", "info", "locale", "bug", "lintian"].map(
    (name) => `--dpkgopt=path-exclude=/usr/share/${name}/*`,
  );
  const hooks = [
    `chroot "$1" usermod --uid ${postgresUser} postgres`,
    `chroot "$1" groupmod --gid ${postgresUser} postgres`,
    'rm -rf "$1"/var/lib/postgresql "$1"/var/cache/apt "$1"/var/lib/apt/lists "$1"/var/log "$1"/usr/lib/postgresql/*/lib/bitcode',
    `mkdir -p "$1"/var/lib/postgresql/data "$1"/docker-entrypoint-initdb.d "$1"/var/log "$1"/run/postgresql`,
    `chown ${postgresUser}:${postgresUser} "$1"/var/lib/postgresql "$1"/var/lib/postgresql/data "$1"/run/postgresql`,
  ];
  const apt = ['--aptopt=Apt::Install-Recommends "false"'];
  return [
    "--variant=minbase",
    "--mode=root",
    `--include=${postgresPackages.join(",")}`,
    ...excluded,
    ...apt,
    ...hooks.map((hook) => `--customize-hook=${hook}`),
    postgresRelease,
    output,
  ];
}

/** A root file system of Debian packages, about a minute; kept until the package list changes. */
async function postgresRoot(cache: string, report: Report): Promise<string> {
  const directory = path.join(cache, "postgres");
  mkdirSync(directory, { recursive: true });
  const key = createHash("sha256")
    .update(JSON.stringify(mmdebstrapArguments("root.tar")))
    .digest("hex")
    .slice(0, 12);
  const root = path.join(directory, `root-${key}.tar`);
  if (existsSync(root)) return root;
  report(`installing ${postgresPackages.join(" and ")} of Debian ${postgresRelease} into an image root (about a minute)`);
  const partial = path.join(directory, "partial.tar");
  rmSync(partial, { force: true });
  await run("mmdebstrap", mmdebstrapArguments(partial), {
    timeoutMs: 900_000,
    onLine: (line) => line.startsWith("I:") && report(line),
  });
  for (const file of readdirSync(directory)) if (file.startsWith("root-")) rmSync(path.join(directory, file));
  renameSync(partial, root);
  return root;
}

async function postgres(cache: string, report: Report): Promise<BuiltImage> {
  const root = await postgresRoot(cache, report);
  const context = contextOf(cache, "postgres");
  const key = path.basename(root);
  const entrypoint = path.join(path.dirname(dockerfileOf("postgres")), "entrypoint.sh");
  // The root's name holds its hash: half a gigabyte need not be read again to see that nothing has changed.
  const files = new Map([["entrypoint.sh", entrypoint]]);
  assembleContext(context, files);
  return buildImage(
    {
      name: "postgres",
      dockerfile: dockerfileOf("postgres"),
      context,
      args: { ROOT: key },
      linked: new Map([["root.tar", root]]),
    },
    cache,
  );
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

async function service(image: ServiceImage, base: BuiltImage, cache: string): Promise<BuiltImage> {
  const context = contextOf(cache, image.name);
  rmSync(context, { recursive: true, force: true });
  await bundleService(image, context);
  const dockerfile = path.join(repositoryRoot, image.workspace, "Dockerfile");
  return buildImage({ name: image.name, dockerfile, context, args: { BASE: base.reference }, base }, cache);
}

/**
 * Builds the images the driver needs, and with `platform` every image of the platform, into the cache; unchanged ones are only looked up.
 *
 * @returns the images by name
 */
export async function buildImages(
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
  const base = await nodeBase(cache);
  for (const image of serviceImages()) {
    const missing = missingEntries(image);
    if (missing.length > 0)
      throw new ClusterError("IMAGE_BUILD_FAILED", `${image.workspace}: ${missing.join(", ")} does not exist`);
    await add(image.name, service(image, base, cache));
  }
  pruneLayout(
    base.layout,
    [base, ...built.values()].map((image) => image.reference),
  );
  return built;
}
