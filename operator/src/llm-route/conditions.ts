/** What a route's gateway, its models' keepers, the ledger and the kubelet say, as conditions. Pure. */
import type { EffectiveOllama, LlmRouteSpec } from "@bellwether/crds";
import type { KeeperStatus, RouteStatus } from "@bellwether/gateway/config";
import type { Draft } from "../condition.ts";
import { type Admission, admissionMessage } from "../ledger/cpu-ledger.ts";
import { type Assignment, pinned } from "../ledger/pinned.ts";
import type { ObservedPod } from "../observed-pod.ts";
import type { KeyState } from "../platform/config-map-digests.ts";
import type { Word } from "../platform/status-link.ts";

export interface ObservedModel {
  readonly name: string;
  readonly ollama: EffectiveOllama;
  readonly admission: Admission;
  readonly pod: ObservedPod | undefined;
  readonly keeper: Word<KeeperStatus>;
  /** What the kubelet says of the pod's cores. */
  readonly assignment: Assignment;
  /** The key of a ConfigMap that it is made of; undefined where it comes from elsewhere. */
  readonly file: KeyState | undefined;
}

const progressSteps = 10;
/** Of a condition, by the CRD. */
const longestMessage = 1_000;

/** A pod in which the model is loaded and has answered. */
export function isLoaded({ pod, keeper }: ObservedModel): boolean {
  return pod?.readySinceMs !== undefined && keeper.heard && keeper.view.phase === "Ready";
}

/** Whether the ledger has given every local model its cores; nothing where there is none. */
export function admitted(models: readonly ObservedModel[]): Draft | undefined {
  const draft = (status: Draft["status"], reason: string, message: string): Draft => ({
    type: "Admitted",
    status,
    reason,
    message,
  });
  if (models.length === 0) return undefined;
  for (const { name, admission } of models) {
    if (!admission.granted) return draft("False", admission.reason, `model ${name}: ${admissionMessage(admission)}`);
  }
  return draft("True", "Admitted", "every local model has its place");
}

/** Whether every local model is loaded, and what the first that is not waits for. */
export function modelsLoaded(models: readonly ObservedModel[]): Draft | undefined {
  const draft = (status: Draft["status"], reason: string, message: string): Draft => ({
    type: "ModelsLoaded",
    status,
    reason,
    message,
  });
  if (models.length === 0) return undefined;
  for (const model of models) {
    if (isLoaded(model)) continue;
    const { name, admission, pod, keeper } = model;
    const missing = missingFile(model);
    if (missing !== undefined) return draft("False", "ModelSourceMissing", `model ${name}: ${missing}`);
    if (!admission.granted) return draft("False", "Queued", `model ${name} waits for cores`);
    if (pod?.waiting) return draft("False", "PodNotStarting", `${pod.name}: ${pod.waiting.reason}: ${pod.waiting.message}`);
    if (!keeper.heard) return draft("False", "ModelStarting", `model ${name}: ${keeper.message}`);
    if (keeper.view.phase === "Failed") return draft("False", "ModelFailed", `model ${name}: ${keeper.view.message}`);
    return draft("False", "ModelLoading", `model ${name}: ${keeper.view.message}${percent(keeper.view.progress)}`);
  }
  return draft("True", "Loaded", "every local model is loaded and answers");
}

/** Why its file cannot be had. */
export function missingFile({ file, ollama: { source } }: Pick<ObservedModel, "file" | "ollama">): string | undefined {
  if (file === undefined || file.found || source.kind !== "configMap") return undefined;
  const { name, key } = source;
  return file.missing === "Key" ? `ConfigMap "${name}" has no key "${key}"` : `there is no ConfigMap "${name}" in this namespace`;
}

/** In steps: each is a write. */
function percent(progress: number | undefined): string {
  return progress === undefined ? "" : `, ${Math.floor(progress * progressSteps) * (100 / progressSteps)} %`;
}

/** Whether each local model that asks for cores of its own computes on them, and with as many threads. Nothing while none runs. */
export function modelsPinned(models: readonly ObservedModel[]): Draft | undefined {
  const exclusive = models.filter((model) => model.ollama.pinning === "Exclusive" && isLoaded(model));
  const drafts = exclusive.map(pinnedModel);
  return drafts.find(({ status }) => status === "False") ?? drafts.find(({ status }) => status === "Unknown") ?? drafts[0];
}

/** The kubelet's word, then what the runner itself says of its threads and what the kernel says of its cores. */
function pinnedModel({ name, ollama, assignment, keeper }: ObservedModel): Draft {
  const draft = (status: Draft["status"], reason: string, message: string): Draft => ({
    type: "Pinned",
    status,
    reason,
    message,
  });
  const word = pinned(`model ${name}`, ollama.cpus, assignment);
  if (word.status !== "True" || !assignment.known || !keeper.heard) return word;
  const { threads, cpus } = keeper.view;
  if (threads === undefined || cpus === undefined)
    return draft("Unknown", "RunnerNotSeen", `model ${name}: its keeper does not see the process that computes`);
  if (threads !== ollama.cpus)
    return draft("False", "ThreadsDiffer", `model ${name} computes with ${threads} threads on ${ollama.cpus} cores`);
  if (cpus !== assignment.cpus)
    return draft("False", "AffinityDiffers", `model ${name} runs on cores ${cpus}, the kubelet has given it ${assignment.cpus}`);
  return word;
}

/** Whether models that cost money may be asked; nothing where the route has no budget. */
export function budgetAvailable({ budget }: LlmRouteSpec, word: Word<RouteStatus>): Draft | undefined {
  const draft = (status: Draft["status"], reason: string, message: string): Draft => ({
    type: "BudgetAvailable",
    status,
    reason,
    message,
  });
  if (!budget) return undefined;
  if (!word.heard) return draft("Unknown", "GatewayNotReady", word.message);
  const { budget: state } = word.view;
  if (!state || state.fault !== undefined) {
    const why = state?.fault ?? "the gateway that answers keeps none";
    return draft("False", "BudgetUnavailable", `models that cost money are refused, because the budget cannot be kept: ${why}`);
  }
  if (state.state === "Exhausted") {
    const rest = budget.onExhausted === "Reject" ? "nothing is answered" : "only local models answer";
    return draft("False", "BudgetExhausted", `the month's budget is spent: ${rest} until ${state.periodEnd}`);
  }
  if (state.state === "Soft")
    return draft("True", "BudgetSoft", "most of the month's budget is spent: cheaper models come first");
  return draft("True", "BudgetAvailable", "there is money left in this month");
}

/** Whether providers take their keys. Names the Secret, never what is in it; nothing where no model needs one. */
export function keysAccepted({ models }: LlmRouteSpec, word: Word<RouteStatus>): Draft | undefined {
  const draft = (status: Draft["status"], reason: string, message: string): Draft => ({
    type: "KeysAccepted",
    status,
    reason,
    message,
  });
  const keys = new Map(
    models.flatMap(({ name, openai, gemini }) => {
      const ref = openai?.apiKeySecretRef ?? gemini?.apiKeySecretRef;
      return ref ? [[name, `Secret "${ref.name}", key "${ref.key}"`] as const] : [];
    }),
  );
  if (keys.size === 0) return undefined;
  if (!word.heard) return draft("Unknown", "GatewayNotReady", word.message);
  for (const { name, because } of word.view.models) {
    const secret = keys.get(name);
    if (secret === undefined) continue;
    if (because?.code === "MODEL_KEY_REFUSED")
      return draft("False", "KeyRefused", `model ${name}: its provider does not take what is in ${secret}`);
    if (because?.code === "MODEL_KEY_MISSING")
      return draft("False", "KeyMissing", `model ${name}: there is nothing in ${secret}`);
  }
  return draft("True", "NoneRefused", "no provider has refused a key");
}

/** Whether the gateway can use all that it was given; what it cannot, it leaves out and goes on. */
export function configAccepted(word: Word<RouteStatus>): Draft {
  const draft = (status: Draft["status"], reason: string, message: string): Draft => ({
    type: "ConfigAccepted",
    status,
    reason,
    message,
  });
  if (!word.heard) return draft("Unknown", "GatewayNotReady", word.message);
  const { faults } = word.view;
  const [first] = faults;
  if (!first) return draft("True", "AllInUse", "the gateway uses all that the route says");
  const message = faults
    .map((fault) => fault.message)
    .join("; ")
    .slice(0, longestMessage);
  return first.about === "template" ? draft("False", "TemplateNotUsed", message) : draft("False", "CallersNotRead", message);
}
