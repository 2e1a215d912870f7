import type { Metrics } from "@bellwether/service-kit";
import type { CheckpointConfig } from "./config.ts";

/** What can be seen of a job while it runs; what came of it stands in its result, which the operator turns into status and metrics that stay. */
export class CheckpointMetrics {
  readonly #progress;
  readonly #lag;
  readonly #checkpoint: { readonly namespace: string; readonly checkpoint: string };

  constructor(metrics: Metrics, { namespace, name }: CheckpointConfig["checkpoint"]) {
    this.#checkpoint = { namespace, checkpoint: name };
    this.#progress = metrics.gauge("bellwether_checkpoint_job_progress", {
      help: "How far the job under way is: bytes of state read, or chunks checked.",
      labels: ["namespace", "checkpoint", "figure"],
    });
    this.#lag = metrics.gauge("bellwether_checkpoint_shipping_lag_seconds", {
      help: "How much of the journal a copy lacks: what was acknowledged longer ago is shipped.",
      labels: ["namespace", "checkpoint", "copy"],
    });
  }

  /** Nothing was shipped yet: the lag is not known, and no number would be true. */
  lag(copy: string, lagMs: number | undefined): void {
    if (lagMs !== undefined) this.#lag.set({ ...this.#checkpoint, copy }, lagMs / 1_000);
  }

  progress(figure: "bytes" | "chunks", value: number): void {
    this.#progress.set({ ...this.#checkpoint, figure }, value);
  }
}
