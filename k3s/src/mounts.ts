import { existsSync, readFileSync } from "node:fs";
import { run } from "./shell.ts";

const mountInfoFile = "/proc/self/mountinfo";

/** Mount points below `root` from a mountinfo text, deepest first: the order in which they can be unmounted. */
export function mountsBelow(mountInfo: string, root: string): string[] {
  const decode = (text: string): string =>
    text.replaceAll(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
  return mountInfo
    .split("\n")
    .map((line) => decode(line.split(" ")[4] ?? ""))
    .filter((mountPoint) => mountPoint === root || mountPoint.startsWith(`${root}/`))
    .toReversed();
}

/** Unmounts everything below `root`, and `root` itself; what is busy goes as soon as nobody uses it. Nothing to do where there is no /proc. */
export async function unmountBelow(root: string): Promise<void> {
  if (!existsSync(mountInfoFile)) return;
  for (const mountPoint of mountsBelow(readFileSync(mountInfoFile, "utf8"), root)) {
    const { code } = await run("umount", [mountPoint], { accept: [0, 1, 32] });
    if (code !== 0) await run("umount", ["--lazy", mountPoint], { accept: [0, 1, 32] });
  }
}
