import { parseArgs } from "node:util";
import { ClusterError } from "./errors.ts";

export const clusterChoices = ["auto", "current", "k3s", "kind", "source"] as const;
export type ClusterChoice = (typeof clusterChoices)[number];

export interface UpOptions {
  readonly cluster: ClusterChoice;
  /** Where `current` pushes images and its nodes pull them from. */
  readonly registry: string | undefined;
  readonly samples: boolean;
  /** Stop once the cluster itself is up: no platform images, no chart. */
  readonly onlyCluster: boolean;
  readonly help: boolean;
}

export interface DownOptions {
  readonly quietWhenAbsent: boolean;
  readonly help: boolean;
}

export const upHelp = `npm run up [-- OPTIONS]

Brings up a cluster on this machine, installs Bellwether and starts a paper-trading agent on a synthetic market.
Run it again to update in place, or to go on after an interruption; npm run down removes everything it made.

  --cluster auto      kind where Docker and kind work, else source (default)
  --cluster source    upstream Kubernetes built from source on this machine: Linux, root, Go
  --cluster kind      a kind cluster named bellwether in Docker; no root needed
  --cluster k3s       installs k3s on this machine: for a droplet; root
  --cluster current   the cluster of the current kubectl context; needs --registry
  --registry HOST     registry (with path) that this machine can push to and the cluster can pull from
  --no-samples        do not apply manifests/samples/quickstart
  --only-cluster      stop when the node is ready: no platform images, no chart
  --help              this text

Afterwards:
  export KUBECONFIG=$PWD/.bellwether/kubeconfig
  kubectl get bellwether

Examples:
  npm run up
  npm run up -- --cluster source --no-samples
  npm run up -- --cluster current --registry registry.example.com/team

Exit codes: 0 healthy, 1 failed (the message says what to do), 2 wrong usage, 3 the machine lacks something.
`;

export const downHelp = `npm run down [-- OPTIONS]

Removes what npm run up made on this machine, also after a crash or a half-finished start. Reverts recorded changes only: a
cluster that was there before (--cluster current) keeps everything but Bellwether.

  --quiet-when-absent   say nothing when there is nothing to remove
  --help                this text

Exit codes: 0 nothing of ours is left, 1 failed, 2 wrong usage.
`;

/** Node's own message names the option; only the kind of error is changed. */
function orUsage<T>(parse: () => T): T {
  try {
    return parse();
  } catch (cause) {
    throw new ClusterError("USAGE", (cause as Error).message, { cause });
  }
}

/** @throws ClusterError USAGE on an unknown option, an unknown cluster, or `current` without a registry */
export function parseUpOptions(args: readonly string[]): UpOptions {
  const { values } = orUsage(() =>
    parseArgs({
      args: [...args],
      options: {
        cluster: { type: "string", default: "auto" },
        registry: { type: "string" },
        "no-samples": { type: "boolean", default: false },
        "only-cluster": { type: "boolean", default: false },
        help: { type: "boolean", short: "h", default: false },
      },
    }),
  );
  const cluster = clusterChoices.find((choice) => choice === values.cluster);
  if (!cluster) throw new ClusterError("USAGE", `--cluster ${values.cluster}: choose one of ${clusterChoices.join(", ")}`);
  if (cluster === "current" && !values.registry && !values.help) {
    throw new ClusterError("USAGE", "--cluster current needs --registry: the images have to reach your cluster's nodes somehow");
  }
  if (cluster !== "current" && values.registry)
    throw new ClusterError("USAGE", `--registry is for --cluster current; ${cluster} gets the images directly`);
  return {
    cluster,
    registry: values.registry,
    samples: !values["no-samples"],
    onlyCluster: values["only-cluster"],
    help: values.help,
  };
}

/** @throws ClusterError USAGE on an unknown option */
export function parseDownOptions(args: readonly string[]): DownOptions {
  const { values } = orUsage(() =>
    parseArgs({
      args: [...args],
      options: {
        "quiet-when-absent": { type: "boolean", default: false },
        help: { type: "boolean", short: "h", default: false },
      },
    }),
  );
  return { quietWhenAbsent: values["quiet-when-absent"], help: values.help };
}
