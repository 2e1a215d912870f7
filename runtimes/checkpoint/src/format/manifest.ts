import { z } from "zod";
import { checkpointError } from "../errors.ts";
import { type Json, type SourceName, sourceNames } from "../source.ts";

export const manifestFormat = 1;
/** Bounds of one snapshot: some 200 GiB, whose manifest stays below 20 MiB. */
export const mostChunks = 200_000;
export const mostFiles = 10_000;

const contentId = z.string().regex(/^[0-9a-f]{64}$/);
const json: z.ZodType<Json> = z.json();
const position = z.record(z.string().max(200), json);
const wholeNumber = z.number().int().nonnegative();

/** Restored below a folder, perhaps: nothing that leads out of it. */
const filePath = z
  .string()
  .regex(/^(?!.*\.\.)[a-z0-9][a-z0-9._/-]*$/)
  .max(500);

export function isFilePath(path: string): boolean {
  return filePath.safeParse(path).success;
}

const file = z.strictObject({
  path: filePath,
  bytes: wholeNumber,
  /** SHA-256 of the whole. */
  sha256: contentId,
  /** In order. */
  chunks: z.array(z.strictObject({ id: contentId, bytes: wholeNumber.max(4 * 1024 * 1024) })).max(mostChunks),
});

const heldSource = z.strictObject({ name: z.enum(sourceNames), position, files: z.array(file).max(mostFiles) });
const absentSource = z.strictObject({ name: z.enum(sourceNames), absent: z.string().max(1_000) });

const manifestSchema = z.strictObject({
  format: z.literal(manifestFormat),
  checkpoint: z.strictObject({ namespace: z.string().max(63), name: z.string().max(63), uid: z.string().max(64) }),
  /** One more than the one before, whatever clocks say. */
  sequence: wholeNumber.min(1),
  /** Epoch milliseconds; later than the one before's. */
  takenAtMs: wholeNumber,
  /** The key of the one before; its last part is the digest of that whole manifest. */
  previous: z.string().max(200).nullable(),
  sources: z.array(z.union([heldSource, absentSource])).max(sourceNames.length),
  bytes: wholeNumber,
});

export type Manifest = z.infer<typeof manifestSchema>;
export type ManifestFile = z.infer<typeof file>;
export type HeldSource = z.infer<typeof heldSource>;

export function encodeManifest(manifest: Manifest): Buffer {
  return Buffer.from(JSON.stringify(manifest));
}

/** @throws CodedError FORMAT_NEWER when a later program wrote it, OBJECT_CORRUPT when it does not say what a manifest says */
export function decodeManifest(key: string, content: Buffer): Manifest {
  const raw = parseJson(key, content);
  const format = typeof raw === "object" && raw !== null && "format" in raw ? raw.format : undefined;
  if (typeof format === "number" && format > manifestFormat) {
    const message = `${key}: a manifest of format ${format}, this program knows ${manifestFormat}`;
    throw checkpointError("FORMAT_NEWER", message, { context: { key, format } });
  }
  const result = manifestSchema.safeParse(raw);
  if (result.success) return result.data;
  const faults = result.error.issues.slice(0, 10).map((issue) => `${issue.path.join(".") || "(top level)"}: ${issue.message}`);
  throw checkpointError("OBJECT_CORRUPT", `${key}: not a manifest: ${faults.join("; ")}`, { context: { key, faults } });
}

function parseJson(key: string, content: Buffer): unknown {
  try {
    return JSON.parse(content.toString("utf8"));
  } catch (cause) {
    throw checkpointError("OBJECT_CORRUPT", `${key}: not a manifest: no JSON`, { context: { key }, cause });
  }
}

export function heldSourceOf(manifest: Manifest, name: SourceName): HeldSource | undefined {
  return manifest.sources.find((source): source is HeldSource => source.name === name && "files" in source);
}

/** Every chunk that the manifest names, once each, with its bytes. */
export function chunksNamed(manifest: Manifest): Map<string, number> {
  const named = new Map<string, number>();
  for (const source of manifest.sources) {
    if (!("files" in source)) continue;
    for (const { chunks } of source.files) for (const { id, bytes } of chunks) named.set(id, bytes);
  }
  return named;
}
