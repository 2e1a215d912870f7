import { createHash } from "node:crypto";
import { checkpointError } from "../errors.ts";
import { type Manifest, type ManifestFile, heldSourceOf } from "../format/manifest.ts";
import { type ManifestName, chunkKey } from "../format/object-keys.ts";
import type { OpenedSnapshot, Position, SourceFile, SourceName } from "../source.ts";
import { readAhead } from "./bounded-work.ts";
import { readManifest } from "./catalogue.ts";
import type { SoundObjects } from "./sound-objects.ts";

/** Chunks fetched before they are asked for: at most 4 MiB each. */
const chunksAhead = 2;

/** A snapshot out of all copies together: each chunk comes from whichever has it sound. */
export class SnapshotReader implements OpenedSnapshot {
  readonly id: string;
  readonly manifest: Manifest;
  readonly #objects: Pick<SoundObjects, "read">;

  constructor(name: ManifestName, manifest: Manifest, objects: Pick<SoundObjects, "read">) {
    this.id = name.id;
    this.manifest = manifest;
    this.#objects = objects;
  }

  /** @throws CodedError as {@link readManifest} */
  static async open(name: ManifestName, objects: Pick<SoundObjects, "read">): Promise<SnapshotReader> {
    return new SnapshotReader(name, await readManifest(objects, name), objects);
  }

  get takenAtMs(): number {
    return this.manifest.takenAtMs;
  }

  position(source: SourceName): Position | undefined {
    return heldSourceOf(this.manifest, source)?.position;
  }

  async *files(source: SourceName): AsyncIterable<SourceFile> {
    for (const file of heldSourceOf(this.manifest, source)?.files ?? []) yield { path: file.path, content: this.#content(file) };
  }

  async *#content({ path, bytes, sha256, chunks }: ManifestFile): AsyncIterable<Buffer> {
    const whole = createHash("sha256");
    let length = 0;
    for await (const chunk of readAhead(chunks, chunksAhead, ({ id }) => this.#objects.read(chunkKey(id), id))) {
      whole.update(chunk);
      length += chunk.length;
      yield chunk;
    }
    if (length === bytes && whole.digest("hex") === sha256) return;
    throw checkpointError("CONTENT_CHANGED", `${path} of ${this.id}: the whole is not what the manifest says`, {
      context: { path, bytes: length, expectedBytes: bytes },
    });
  }
}
