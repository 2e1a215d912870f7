import { readFile, stat } from "node:fs/promises";
import type { RiskPolicy } from "@bellwether/crds";
import { type Check, type Clock, Dependency, messageOf } from "@bellwether/service-kit";
import type { EffectivePolicy } from "./effective-policy.ts";
import { type PolicySource, policyOf } from "./policy-source.ts";

const lookEveryMs = 200;

/** The RiskPolicy from a JSON file, for running without a cluster; a file that is gone or broken leaves the last state in force. */
export class FilePolicySource implements PolicySource {
  readonly #file: string;
  readonly #uid: string;
  readonly #clock: Clock;
  readonly #dependency: Dependency;
  #stamp = "";
  #stop: () => void = () => undefined;
  #closed = false;

  constructor({ file, uid, clock }: { file: string; uid: string; clock: Clock }) {
    this.#file = file;
    this.#uid = uid;
    this.#clock = clock;
    this.#dependency = new Dependency("policy-file", () => clock.nowMs());
  }

  watch(onChange: (policy: EffectivePolicy | undefined) => void): void {
    const look = async (): Promise<void> => {
      try {
        const { mtimeMs, size, ino } = await stat(this.#file);
        const stamp = `${mtimeMs}/${size}/${ino}`;
        if (stamp !== this.#stamp) {
          onChange(policyOf(JSON.parse(await readFile(this.#file, "utf8")) as RiskPolicy, this.#uid));
          this.#stamp = stamp;
        }
        this.#dependency.up("read");
      } catch (error) {
        this.#dependency.down(messageOf(error));
      }
      if (!this.#closed) this.#stop = this.#clock.setTimeout(() => void look(), lookEveryMs);
    };
    void look();
  }

  check(): Check {
    return this.#dependency.check();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#stop();
  }
}
