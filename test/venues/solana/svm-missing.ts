import { createRequire } from "node:module";

/** Why nothing can run on the SVM here, or undefined when it can: LiteSVM is native and has no package for every platform. */
export function svmMissing(): string | undefined {
  try {
    createRequire(import.meta.url)("litesvm");
    return undefined;
  } catch (error) {
    return `LiteSVM has no package for ${process.platform} ${process.arch}: ${String(error).split("\n", 1)[0]}`;
  }
}
