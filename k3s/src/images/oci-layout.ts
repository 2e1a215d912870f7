import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { run } from "../shell.ts";

/** A directory in the form of the OCI image layout: images share their layers, so Node's hundred megabytes are there once. */
export interface OciIndex {
  readonly schemaVersion: 2;
  readonly manifests: readonly {
    readonly mediaType: string;
    readonly digest: string;
    readonly size: number;
    readonly annotations?: Readonly<Record<string, string>>;
  }[];
}

interface OciManifest {
  readonly config: { readonly digest: string };
  readonly layers: readonly { readonly digest: string }[];
}

const nameAnnotation = "org.opencontainers.image.ref.name";
const blobOf = (digest: string): string => path.join("blobs", digest.replace(":", "/"));

function readIndex(layout: string): OciIndex {
  const file = path.join(layout, "index.json");
  if (!existsSync(file)) return { schemaVersion: 2, manifests: [] };
  return JSON.parse(readFileSync(file, "utf8")) as OciIndex;
}

/** The index with the named images only. */
export function indexOf(index: OciIndex, references: readonly string[]): OciIndex {
  return {
    ...index,
    manifests: index.manifests.filter((manifest) => references.includes(manifest.annotations?.[nameAnnotation] ?? "")),
  };
}

/** Paths of all blobs that an index needs: manifests, configurations, layers, each once. */
export function blobsOf(index: OciIndex, readManifest: (digest: string) => OciManifest): string[] {
  const digests = index.manifests.flatMap(({ digest }) => {
    const { config, layers } = readManifest(digest);
    return [digest, config.digest, ...layers.map((layer) => layer.digest)];
  });
  return [...new Set(digests)].map(blobOf);
}

const manifestReader =
  (layout: string) =>
  (digest: string): OciManifest =>
    JSON.parse(readFileSync(path.join(layout, blobOf(digest)), "utf8")) as OciManifest;

/** Whether the layout holds an image of this name, complete. */
export function holdsImage(layout: string, reference: string): boolean {
  const index = indexOf(readIndex(layout), [reference]);
  if (index.manifests.length === 0) return false;
  try {
    return blobsOf(index, manifestReader(layout)).every((blob) => existsSync(path.join(layout, blob)));
  } catch {
    return false; // a manifest is missing: the build was interrupted
  }
}

/** Keeps the named images and removes every other one with the blobs that only it needed. */
export function pruneLayout(layout: string, keep: readonly string[]): void {
  const kept = indexOf(readIndex(layout), keep);
  const blobs = new Set(blobsOf(kept, manifestReader(layout)));
  writeFileSync(path.join(layout, "index.json.new"), JSON.stringify(kept));
  renameSync(path.join(layout, "index.json.new"), path.join(layout, "index.json"));
  for (const algorithm of readdirSync(path.join(layout, "blobs"))) {
    for (const name of readdirSync(path.join(layout, "blobs", algorithm))) {
      const blob = path.join("blobs", algorithm, name);
      if (!blobs.has(blob)) rmSync(path.join(layout, blob), { force: true });
    }
  }
}

/** Lends one archive that holds the named images, shared layers once: what `ctr images import` and `kind load` take. */
export async function withArchive<T>(
  layout: string,
  references: readonly string[],
  use: (archive: string) => Promise<T>,
): Promise<T> {
  const index = indexOf(readIndex(layout), references);
  const cache = path.dirname(layout);
  // What stands there under such a name is of a run that was killed: two never load at once.
  for (const name of readdirSync(cache))
    if (name.startsWith("archive-")) rmSync(path.join(cache, name), { recursive: true, force: true });
  const temporary = mkdtempSync(path.join(cache, "archive-"));
  try {
    mkdirSync(path.join(temporary, "top"));
    writeFileSync(path.join(temporary, "top/index.json"), JSON.stringify(index));
    copyFileSync(path.join(layout, "oci-layout"), path.join(temporary, "top/oci-layout"));
    const archive = path.join(temporary, "images.tar");
    const blobs = blobsOf(index, manifestReader(layout));
    await run("tar", ["-cf", archive, "-C", path.join(temporary, "top"), "index.json", "oci-layout", "-C", layout, ...blobs]);
    return await use(archive);
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}
