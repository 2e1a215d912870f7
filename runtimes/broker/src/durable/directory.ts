import { open, rename } from "node:fs/promises";
import { dirname } from "node:path";

/** Makes the creation, renaming or removal of `path` itself durable: its directory entry is data of the directory. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(dirname(path), "r");
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

/** Replaces a file so that, whatever crashes, either the old or the new content is there, whole. */
export async function replaceFile(path: string, content: string | Buffer): Promise<void> {
  const temporary = `${path}.new`;
  const file = await open(temporary, "w", 0o600);
  try {
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, path);
  await syncDirectory(path);
}
