import type { Clock } from "@bellwether/service-kit/clock";
import type { Cluster } from "../cluster/cluster.ts";
import type { ExitCode } from "../errors.ts";
import type { Style } from "../render/style.ts";
import type { OpenRisk } from "../risk/risk-api.ts";

/** What every command works with. */
export interface World {
  readonly cluster: Cluster;
  readonly openRisk: OpenRisk;
  readonly clock: Clock;
}

/** What a command has to say: `document` for programs, `lines` for people. */
export interface Outcome {
  readonly exitCode: ExitCode;
  readonly document: unknown;
  lines(style: Style): readonly string[];
}
