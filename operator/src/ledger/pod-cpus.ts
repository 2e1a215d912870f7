import type { PodCpus } from "./cpu-ledger.ts";

/** The part of a Pod (core/v1) that says what CPU it asks for. */
export interface PodLike {
  readonly spec?: {
    readonly nodeName?: string;
    readonly overhead?: Readonly<Record<string, string>>;
    readonly containers?: readonly ContainerLike[];
    readonly initContainers?: readonly ContainerLike[];
  };
  readonly status?: { readonly phase?: string };
}

export interface ContainerLike {
  /** `Always` on an init container makes it a sidecar: it keeps its CPUs. */
  readonly restartPolicy?: string;
  readonly resources?: {
    readonly requests?: Readonly<Record<string, string>>;
    readonly limits?: Readonly<Record<string, string>>;
  };
}

/**
 * What a pod takes from its node, or undefined when it takes nothing (unbound, or ended).
 *
 * The request is the scheduler's: the larger of the sum of all containers and the largest init container (sidecars beside it), plus overhead.
 * Exclusive cores are the static policy's: whole CPUs of containers in a pod whose every container has limits equal to requests.
 */
export function podCpus(pod: PodLike): PodCpus | undefined {
  const node = pod.spec?.nodeName;
  if (node === undefined || pod.status?.phase === "Succeeded" || pod.status?.phase === "Failed") return undefined;
  const containers = pod.spec?.containers ?? [];
  const initial = pod.spec?.initContainers ?? [];
  const lasting = [...containers, ...initial.filter(isSidecar)];
  const overheadMilli = milliCores(pod.spec?.overhead?.["cpu"]) ?? 0;
  const lastingMilli = lasting.reduce((total, container) => total + cpuRequestMilli(container), 0);
  const exclusiveCores = isGuaranteed([...containers, ...initial])
    ? lasting.reduce((total, container) => total + exclusiveCoresOf(container), 0)
    : 0;
  return { node, requestMilli: Math.max(lastingMilli, initPeakMilli(initial)) + overheadMilli, exclusiveCores };
}

/** Init containers run one after another, each beside the sidecars started before it. */
function initPeakMilli(initial: readonly ContainerLike[]): number {
  let sidecarsMilli = 0;
  let peakMilli = 0;
  for (const container of initial) {
    if (isSidecar(container)) sidecarsMilli += cpuRequestMilli(container);
    else peakMilli = Math.max(peakMilli, sidecarsMilli + cpuRequestMilli(container));
  }
  return peakMilli;
}

const isSidecar = (container: ContainerLike): boolean => container.restartPolicy === "Always";

function cpuRequestMilli(container: ContainerLike): number {
  return milliCores(container.resources?.requests?.["cpu"]) ?? milliCores(container.resources?.limits?.["cpu"]) ?? 0;
}

function exclusiveCoresOf(container: ContainerLike): number {
  const milli = cpuRequestMilli(container);
  return milli % 1000 === 0 ? milli / 1000 : 0;
}

function isGuaranteed(containers: readonly ContainerLike[]): boolean {
  return containers.every((container) =>
    ["cpu", "memory"].every((resource) => {
      const limit = container.resources?.limits?.[resource];
      // A request that is left out is the limit.
      const request = container.resources?.requests?.[resource] ?? limit;
      return limit !== undefined && request !== undefined && sameQuantity(request, limit);
    }),
  );
}

const sameQuantity = (a: string, b: string): boolean => a === b || quantity(a) === quantity(b);

const factors: Readonly<Record<string, number>> = {
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  "": 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
};

/** The value of a Kubernetes quantity in its base unit; undefined when it is none. */
export function quantity(text: string): number | undefined {
  const match = /^([+-]?\d+(?:\.\d*)?|[+-]?\.\d+)(?:([eE][+-]?\d+)|([a-zA-Z]*))$/.exec(text);
  if (!match) return undefined;
  const [, mantissa = "", exponent = "", suffix = ""] = match;
  const factor = factors[suffix];
  return factor === undefined ? undefined : Number(`${mantissa}${exponent}`) * factor;
}

/** A CPU quantity in thousandths of a core, rounded up as the scheduler does; undefined when absent or no quantity. */
export function milliCores(text: string | undefined): number | undefined {
  const cores = text === undefined ? undefined : quantity(text);
  // The product of a decimal fraction and 1000 carries float dust (0.29 × 1000 = 290.00000000000006…) that must not round up.
  return cores === undefined ? undefined : Math.ceil(Number((cores * 1000).toFixed(6)));
}
