import { constants } from "node:fs";
import { type FileHandle, link, mkdir, open, opendir, readdir, rename, rm, stat } from "node:fs/promises";
import path from "node:path";
import { messageOf } from "@bellwether/service-kit/coded-error";
import type { Random } from "@bellwether/service-kit/random";
import { type CheckpointErrorCode, checkpointError } from "../errors.ts";
import { type Copy, type CopyIdentity, type StoredObject, largestObjectBytes } from "./copy.ts";
import { thisCluster } from "./redundancy.ts";

export interface VolumeCopyOptions {
  readonly name: string;
  /** Where the volume is mounted; it must exist. */
  readonly directory: string;
  /** For the names of temporary files. */
  readonly random: Random;
}

const temporary = /\.writing-[0-9a-z]+$/;

/** Objects as files: the key is the path. What is put is written beside its place, synced, renamed in, and the folder synced. */
export class VolumeCopy implements Copy {
  readonly name: string;
  readonly #directory: string;
  readonly #random: Random;
  /** Folders that are known to be there, their entries synced. */
  readonly #folders = new Set<string>();

  constructor({ name, directory, random }: VolumeCopyOptions) {
    this.name = name;
    this.#directory = path.resolve(directory);
    this.#random = random;
  }

  async put(key: string, bytes: Buffer, { ifAbsent }: { readonly ifAbsent: boolean }): Promise<boolean> {
    const file = this.#fileOf(key);
    return this.#guarded(key, async () => {
      await this.#makeFolder(path.dirname(file));
      const beside = `${file}.writing-${Math.floor(this.#random.next() * 2 ** 48).toString(36)}`;
      try {
        await writeSynced(beside, bytes);
        if (ifAbsent && !(await linked(beside, file))) return false;
        if (!ifAbsent) await rename(beside, file);
      } finally {
        await rm(beside, { force: true });
      }
      await syncFolder(path.dirname(file));
      return true;
    });
  }

  async get(key: string): Promise<Buffer | undefined> {
    const file = this.#fileOf(key);
    return this.#guarded(key, async () => {
      let handle: FileHandle;
      try {
        handle = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW);
      } catch (error) {
        if (errno(error) === "ENOENT" && (await this.#isThere())) return undefined;
        throw error;
      }
      try {
        const { size } = await handle.stat();
        if (size > largestObjectBytes) throw tooLarge(this.name, key, size);
        return await handle.readFile();
      } finally {
        await handle.close();
      }
    });
  }

  async *list(prefix: string): AsyncIterable<StoredObject> {
    // A folder at a time: what is below the last slash of the prefix is compared as text.
    yield* this.#walk(prefix.slice(0, prefix.lastIndexOf("/") + 1), prefix);
  }

  async delete(key: string): Promise<void> {
    const file = this.#fileOf(key);
    await this.#guarded(key, async () => {
      await rm(file, { force: true });
      await syncFolder(path.dirname(file)).catch((error: unknown) => {
        if (errno(error) !== "ENOENT") throw error;
      });
    });
  }

  async identity(): Promise<CopyIdentity> {
    await this.#guarded("(the volume)", () => stat(this.#directory));
    return { kind: "volume", failureDomain: thisCluster };
  }

  async sweep(beforeMs: number): Promise<number> {
    return this.#guarded("(the volume)", async () => {
      let removed = 0;
      for (const entry of await readdir(this.#directory, { recursive: true, withFileTypes: true })) {
        if (!entry.isFile() || !temporary.test(entry.name)) continue;
        const file = path.join(entry.parentPath, entry.name);
        if ((await stat(file)).mtimeMs >= beforeMs) continue;
        await rm(file, { force: true });
        removed += 1;
      }
      return removed;
    });
  }

  async close(): Promise<void> {
    return Promise.resolve();
  }

  async *#walk(folder: string, prefix: string): AsyncIterable<StoredObject> {
    const entries = await this.#guarded(folder, () => this.#entries(folder));
    for (const { name, isFolder } of entries) {
      const key = `${folder}${name}`;
      if (isFolder) {
        if (key.startsWith(prefix) || prefix.startsWith(`${key}/`)) yield* this.#walk(`${key}/`, prefix);
        continue;
      }
      if (!key.startsWith(prefix) || temporary.test(name)) continue;
      const object = await this.#guarded(key, () => this.#describe(key));
      if (object) yield object;
    }
  }

  async #entries(folder: string): Promise<{ name: string; isFolder: boolean }[]> {
    try {
      const found: { name: string; isFolder: boolean }[] = [];
      for await (const entry of await opendir(path.join(this.#directory, folder)))
        if (entry.isDirectory() || entry.isFile()) found.push({ name: entry.name, isFolder: entry.isDirectory() });
      return found;
    } catch (error) {
      if (errno(error) === "ENOENT" && (await this.#isThere())) return [];
      throw error;
    }
  }

  /** @returns undefined: removed since it was listed */
  async #describe(key: string): Promise<StoredObject | undefined> {
    try {
      const { size, mtimeMs } = await stat(path.join(this.#directory, key));
      return { key, bytes: size, modifiedMs: Math.floor(mtimeMs) };
    } catch (error) {
      if (errno(error) === "ENOENT") return undefined;
      throw error;
    }
  }

  /** An object that is missing is one thing, a volume that is not mounted another. */
  async #isThere(): Promise<boolean> {
    return (await stat(this.#directory)).isDirectory();
  }

  async #makeFolder(folder: string): Promise<void> {
    if (this.#folders.has(folder)) return;
    await stat(this.#directory);
    const made = await mkdir(folder, { recursive: true });
    // A folder that a crash could take away again would take what is in it along.
    if (made !== undefined)
      for (let at = folder; at.length >= this.#directory.length; at = path.dirname(at)) await syncFolder(at);
    this.#folders.add(folder);
  }

  #fileOf(key: string): string {
    const file = path.join(this.#directory, key);
    // Keys are made here and read from listings; none may lead out of the volume.
    if (!file.startsWith(`${this.#directory}${path.sep}`)) throw new Error(`the key ${key} leads out of the volume`);
    return file;
  }

  async #guarded<Result>(key: string, work: () => Promise<Result>): Promise<Result> {
    try {
      return await work();
    } catch (error) {
      const code = errno(error);
      if (code === undefined) throw error;
      const message = `the volume ${this.name}: ${key}: ${messageOf(error)}`;
      throw checkpointError(codeOf(code), message, { context: { copy: this.name, key, errno: code }, cause: error });
    }
  }
}

const codesByErrno: Readonly<Record<string, CheckpointErrorCode>> = {
  EROFS: "COPY_READ_ONLY",
  EACCES: "COPY_READ_ONLY",
  EPERM: "COPY_READ_ONLY",
  ENOSPC: "COPY_FULL",
  EDQUOT: "COPY_FULL",
};

/** Everything else that a disk says (not mounted, input/output error, stale handle) means that it is not there to be used. */
function codeOf(errno: string): CheckpointErrorCode {
  return codesByErrno[errno] ?? "COPY_UNREACHABLE";
}

function errno(error: unknown): string | undefined {
  const code = error instanceof Error && "syscall" in error && "code" in error ? error.code : undefined;
  return typeof code === "string" ? code : undefined;
}

function tooLarge(name: string, key: string, bytes: number): Error {
  return checkpointError("OBJECT_TOO_LARGE", `${key} on ${name} has ${bytes} bytes`, { context: { copy: name, key, bytes } });
}

async function writeSynced(file: string, bytes: Buffer): Promise<void> {
  const handle = await open(file, "wx", 0o600);
  try {
    await handle.writeFile(bytes);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** A second name for a finished file: unlike a rename, it fails where something stands. */
async function linked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if (errno(error) === "EEXIST") return false;
    throw error;
  }
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
