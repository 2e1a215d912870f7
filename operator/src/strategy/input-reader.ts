/** Reads the keys of users' ConfigMaps that strategies name. */
import type { ConfigMapDigests, KeyState } from "../platform/config-map-digests.ts";
import type { InputRef, Inputs } from "./inputs.ts";

export class InputReader {
  readonly #digests: ConfigMapDigests;

  constructor(digests: ConfigMapDigests) {
    this.#digests = digests;
  }

  async read(namespace: string, refs: readonly InputRef[]): Promise<Inputs> {
    const inputs = new Map<InputRef["role"], KeyState>();
    for (const ref of refs) inputs.set(ref.role, await this.#digests.read(namespace, ref));
    return inputs;
  }
}
