import { setFlagsFromString } from "node:v8";

/**
 * Keeps V8's young generation at its initial size: call it first in main.ts of a process that mostly waits.
 *
 * A burst of watch events makes V8 grow it to 64 MiB, and it stays there. Measured with 5,000 objects and as many children:
 * 144 MiB RSS instead of 239, at the same CPU per object. (`--max-semi-space-size` does the same, but only on the command line.)
 */
export function keepYoungGenerationSmall(): void {
  setFlagsFromString("--semi-space-growth-factor=1");
}
