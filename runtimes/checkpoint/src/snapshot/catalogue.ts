import type { Copy } from "../copies/copy.ts";
import { type CopyFault, copyFaultOf } from "../copies/faults.ts";
import { type Manifest, decodeManifest } from "../format/manifest.ts";
import { type ManifestName, parseManifestKey, prefixes } from "../format/object-keys.ts";
import type { SoundObjects } from "./sound-objects.ts";

export interface CatalogueEntry extends ManifestName {
  /** Names of the copies that have it, sound or not. */
  readonly on: readonly string[];
}

/** The manifests of all copies together. */
export interface Catalogue {
  /** Newest first. */
  readonly entries: readonly CatalogueEntry[];
  /** Copies that could not be asked. */
  readonly unknown: readonly (CopyFault & { readonly copy: string })[];
}

export async function listManifests(copies: readonly Copy[]): Promise<Catalogue> {
  const found = new Map<string, { name: ManifestName; on: string[] }>();
  const unknown: (CopyFault & { copy: string })[] = [];
  await Promise.all(
    copies.map(async (copy) => {
      try {
        for await (const { key } of copy.list(prefixes.manifests)) {
          const name = parseManifestKey(key);
          if (!name) continue;
          const entry = found.get(key) ?? { name, on: [] };
          entry.on.push(copy.name);
          found.set(key, entry);
        }
      } catch (error) {
        const fault = copyFaultOf(error);
        if (!fault) throw error;
        unknown.push({ ...fault, copy: copy.name });
      }
    }),
  );
  const entries = [...found.values()].map(({ name, on }) => ({ ...name, on: on.toSorted() }));
  return { entries: entries.toSorted((a, b) => (a.key < b.key ? 1 : -1)), unknown };
}

/** @throws CodedError as {@link SoundObjects.read}, OBJECT_CORRUPT, FORMAT_NEWER */
export async function readManifest(objects: Pick<SoundObjects, "read">, name: ManifestName): Promise<Manifest> {
  return decodeManifest(name.key, await objects.read(name.key, name.contentId));
}
