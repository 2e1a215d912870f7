/** Where objects stand in a copy. Anything else there is foreign: counted, never touched. */
export const prefixes = {
  chunks: "chunks/",
  manifests: "manifests/",
  journal: "journal/",
  handled: "handled/",
  quarantine: "quarantine/",
  locks: "locks/",
} as const;

const chunkPattern = /^chunks\/([0-9a-f]{2})\/(\1[0-9a-f]{62})$/;
const manifestPattern = /^manifests\/(\d{8}T\d{9}Z)-([0-9a-f]{64})$/;
const timePattern = /^(\d{4})(\d{2})(\d{2})T(\d{2})(\d{2})(\d{2})(\d{3})Z$/;

export function chunkKey(id: string): string {
  return `${prefixes.chunks}${id.slice(0, 2)}/${id}`;
}

/** @returns the chunk's id; undefined: no chunk of ours */
export function chunkIdOf(key: string): string | undefined {
  return chunkPattern.exec(key)?.[2];
}

/** Keys sort by time. @param takenAtMs epoch milliseconds */
export function manifestKey(takenAtMs: number, contentId: string): string {
  return `${prefixes.manifests}${compactTime(takenAtMs)}-${contentId}`;
}

export interface ManifestName {
  readonly key: string;
  /** Epoch milliseconds. */
  readonly takenAtMs: number;
  /** Of the manifest itself. */
  readonly contentId: string;
  /** What people call the snapshot: its time and the first digits of the manifest's content id. */
  readonly id: string;
}

/** @returns undefined: no manifest of ours */
export function parseManifestKey(key: string): ManifestName | undefined {
  const [, time, contentId] = manifestPattern.exec(key) ?? [];
  if (time === undefined || contentId === undefined) return undefined;
  const takenAtMs = Date.parse(time.replace(timePattern, "$1-$2-$3T$4:$5:$6.$7Z"));
  return Number.isNaN(takenAtMs) ? undefined : { key, takenAtMs, contentId, id: snapshotId(time, contentId) };
}

function snapshotId(time: string, contentId: string): string {
  return `${time.toLowerCase()}-${contentId.slice(0, 12)}`;
}

/** `20261122T010203004Z`. @param timeMs epoch milliseconds */
export function compactTime(timeMs: number): string {
  return new Date(timeMs).toISOString().replaceAll(/[-:.]/g, "");
}

export function isOurs(key: string): boolean {
  if (key.startsWith(prefixes.chunks)) return chunkPattern.test(key);
  if (key.startsWith(prefixes.manifests)) return parseManifestKey(key) !== undefined;
  return [prefixes.journal, prefixes.handled, prefixes.quarantine, prefixes.locks].some((prefix) => key.startsWith(prefix));
}
