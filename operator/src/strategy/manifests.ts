/** The children of a Strategy: the agent's pod, its ServiceAccount and its ConfigMap. Pure. */
import { type EffectiveStrategySpec, OWNER_LABEL, type Strategy, effectiveDataset } from "@bellwether/crds";
import { agentName, answersName } from "../child-name.ts";
import {
  CONFIG_HASH,
  HEALTH_PORT,
  MODE_LABEL,
  type Manifest,
  type Mounted,
  claimVolume,
  configMap,
  configVolume,
  containerSecurityContext,
  imageFields,
  keyVolume,
  metadataOf,
  podSecurityContext,
  scratchVolume,
  serviceAccount,
  serviceProbes,
  tokenVolume,
} from "../child-objects.ts";
import type { OperatorConfig } from "../config.ts";
import { digestOf } from "../digest.ts";
import { DATASET_DIRECTORY } from "../rendered-config.ts";
import { ownClaim, pinnableResources, volumeClaim } from "../service-objects.ts";
import { AGENT_TOKEN_AUDIENCE, ANSWERS_DIRECTORY, GATEWAY_TOKEN_AUDIENCE, PROGRAM_DIRECTORY } from "./agent-config.ts";

export interface AgentFields {
  readonly strategy: Strategy;
  readonly spec: EffectiveStrategySpec;
  readonly config: OperatorConfig;
  /** Digest of everything that decides what the agent does: its config.json and the files it mounts. */
  readonly specHash: string;
  /** Text of config.json. */
  readonly configText: string;
}

/** What must be there before the pod is made. */
export function agentChildren({ strategy, spec, config, configText }: AgentFields): Manifest[] {
  const fields = { owner: strategy, component: "agent", name: agentName(strategy.metadata.name) } as const;
  const answers = keepsAnswers(spec)
    ? volumeClaim({ ...fields, name: answersName(strategy.metadata.name) }, config.answersVolume)
    : [];
  return [serviceAccount(fields), configMap(fields, { "config.json": configText }), ...answers];
}

/** A backtest that asks models: what they answer the first time is kept and replayed. */
const keepsAnswers = ({ mode, llmRouteRef }: EffectiveStrategySpec): boolean => mode === "Backtest" && llmRouteRef !== undefined;

/**
 * The agent: a bare pod, never restarted in place. The operator recreates it with back-off, because a controller would recreate a pod that the
 * CPU manager rejects for ever (kubernetes 108152), and because a failure has to be read before it is swept away.
 */
export function agentPod(fields: AgentFields): Manifest {
  const { strategy, spec, config, specHash } = fields;
  const name = agentName(strategy.metadata.name);
  const podSpec = agentPodSpec(fields, name);
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: metadataOf({
      owner: strategy,
      component: "agent",
      name,
      labels: {
        [MODE_LABEL]: spec.mode,
        [OWNER_LABEL.RiskPolicy]: spec.riskPolicyRef.name,
        ...(spec.llmRouteRef && { [OWNER_LABEL.LlmRoute]: spec.llmRouteRef.name }),
      },
      annotations: { [CONFIG_HASH]: podHashOf(specHash, podSpec, config) },
    }),
    spec: podSpec,
  };
}

/** What a running pod was made from. A change of any of it is rolled out by replacing the pod. */
function podHashOf(specHash: string, podSpec: object, config: OperatorConfig): string {
  return digestOf({ specHash, podSpec, pullPolicy: config.imagePullPolicy });
}

function agentPodSpec({ strategy, spec, config }: AgentFields, name: string): object {
  const isBacktest = spec.mode === "Backtest";
  const answers = { name: "answers", mountPath: ANSWERS_DIRECTORY };
  const mounted = [
    configVolume(name),
    scratchVolume,
    ...inputVolumes(spec),
    ...(isBacktest ? [] : [tokenVolume(AGENT_TOKEN_AUDIENCE)]),
    ...(spec.llmRouteRef ? [tokenVolume(GATEWAY_TOKEN_AUDIENCE)] : []),
    ...(keepsAnswers(spec) ? [ownClaim(answersName(strategy.metadata.name), config.answersVolume, answers)] : []),
  ];
  return {
    serviceAccountName: name,
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    restartPolicy: "Never",
    terminationGracePeriodSeconds: 10,
    securityContext: podSecurityContext,
    ...imageFields(config),
    containers: [
      {
        name: "agent",
        image: config.images.agent,
        imagePullPolicy: config.imagePullPolicy,
        // The result of a backtest and the first line of a failure come back this way; the end of the log would be noise.
        terminationMessagePath: "/dev/termination-log",
        terminationMessagePolicy: "File",
        ports: [{ name: "health", containerPort: HEALTH_PORT, protocol: "TCP" }],
        resources: pinnableResources(spec.resources, config.agent),
        securityContext: containerSecurityContext,
        volumeMounts: mounted.map(({ mount }) => mount),
        // A backtest computes flat out and answers nobody; its end is its sign of life.
        ...(!isBacktest && serviceProbes),
      },
    ],
    volumes: mounted.map(({ volume }) => volume),
  };
}

function inputVolumes(spec: EffectiveStrategySpec): Mounted[] {
  const mounted: Mounted[] = [];
  const program = spec.program.source?.configMapRef;
  if (program) mounted.push(keyVolume("program", program, PROGRAM_DIRECTORY));
  if (spec.mode === "Backtest" && spec.backtest) {
    const { source } = effectiveDataset(spec.backtest.dataset);
    if (source.kind === "configMap") mounted.push(keyVolume("dataset", source, DATASET_DIRECTORY));
    if (source.kind === "volume") mounted.push(claimVolume("dataset", source.claimName, DATASET_DIRECTORY));
  }
  return mounted;
}
