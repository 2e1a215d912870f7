/** The children of a RiskPolicy: one risk, one broker for each account, and the ways between them. Pure. */
import { type RiskAccount, type RiskPolicy, marketDataOf } from "@bellwether/crds";
import { brokerName, riskName } from "../child-name.ts";
import {
  ACCOUNT_LABEL,
  API_PORT,
  CONFIG_HASH,
  type ChildFields,
  HEALTH_PORT,
  type Manifest,
  type Mounted,
  claimVolume,
  configMap,
  configVolume,
  containerSecurityContext,
  credentialsVolume,
  imageFields,
  keyVolume,
  labelsOf,
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
import { ALERTS_DIRECTORY, CREDENTIALS_DIRECTORY, DATA_DIRECTORY, POSTGRES_DIRECTORY } from "./service-configs.ts";

export interface ServiceFields {
  readonly policy: RiskPolicy;
  readonly config: OperatorConfig;
  readonly configText: string;
  /** The cluster's signing keys (RFC 7517). They rotate: a change is no reason to restart anything. */
  readonly jwks: string;
}

/** Risk: judges every order of the policy. Watches its own RiskPolicy, so that a halt needs no operator. */
export function riskChildren(fields: ServiceFields): Manifest[] {
  const { policy, config, configText, jwks } = fields;
  const child = { owner: policy, component: "risk", name: riskName(policy.metadata.name) } as const;
  const volumes = [
    configVolume(child.name),
    scratchVolume,
    tokenVolume("broker.bellwether.dev"),
    postgresVolume(config, config.postgres.riskDsnKey),
    ...webhookVolumes(policy),
  ];
  return [
    serviceAccount(child),
    ownPolicyRole(child),
    ownPolicyBinding(child),
    configMap(child, { "config.json": configText, "jwks.json": jwks }),
    service(child),
    statefulSet({
      child,
      config,
      configText,
      image: config.images.risk,
      resources: config.risk,
      volumes,
      claims: [],
      // The one runtime beside the operator with a way to the API server: get and watch of one object.
      automountServiceAccountToken: true,
    }),
  ];
}

/** The broker of one account: the only holder of its keys and the only way to its venue. */
export function brokerChildren(fields: ServiceFields, account: RiskAccount): Manifest[] {
  const { policy, config, configText, jwks } = fields;
  const child = {
    owner: policy,
    component: "broker",
    name: brokerName(policy.metadata.name, account.name),
    labels: { [ACCOUNT_LABEL]: account.name },
  } as const;
  const data = dataVolume(config);
  const volumes = [
    configVolume(child.name),
    scratchVolume,
    postgresVolume(config, config.postgres.brokerDsnKey),
    ...datasetVolumes(account),
    ...credentialVolumes(account),
    ...data.volumes,
  ];
  return [
    serviceAccount(child),
    configMap(child, { "config.json": configText, "jwks.json": jwks }),
    service(child),
    statefulSet({
      child,
      config,
      configText,
      image: config.images.broker,
      resources: config.broker,
      volumes,
      claims: data.claims,
      automountServiceAccountToken: false,
    }),
  ];
}

interface StatefulSetFields {
  readonly child: ChildFields;
  readonly config: OperatorConfig;
  readonly configText: string;
  readonly image: string;
  readonly resources: OperatorConfig["risk"];
  readonly volumes: readonly Mounted[];
  readonly claims: readonly { readonly template: object; readonly mount: object }[];
  readonly automountServiceAccountToken: boolean;
}

/**
 * One replica: a StatefulSet never runs two of a name at once, and should two run all the same, the journal's writer epoch lets one write.
 * `Parallel`, because an ordered one does not replace a pod that never became ready, not even by the version that would mend it.
 */
function statefulSet(fields: StatefulSetFields): Manifest {
  const { child, claims } = fields;
  const labels = { ...labelsOf(child.owner, child.component), ...child.labels };
  return {
    apiVersion: "apps/v1",
    kind: "StatefulSet",
    metadata: metadataOf(child),
    spec: {
      replicas: 1,
      serviceName: child.name,
      podManagementPolicy: "Parallel",
      revisionHistoryLimit: 2,
      selector: { matchLabels: labels },
      persistentVolumeClaimRetentionPolicy: { whenDeleted: "Delete", whenScaled: "Retain" },
      template: {
        metadata: { labels, annotations: { [CONFIG_HASH]: digestOf(fields.configText) } },
        spec: servicePodSpec(fields),
      },
      ...(claims.length > 0 && { volumeClaimTemplates: claims.map(({ template }) => template) }),
    },
  };
}

function servicePodSpec({
  child,
  config,
  image,
  resources,
  volumes,
  claims,
  automountServiceAccountToken,
}: StatefulSetFields): object {
  return {
    serviceAccountName: child.name,
    automountServiceAccountToken,
    enableServiceLinks: false,
    terminationGracePeriodSeconds: 15,
    securityContext: podSecurityContext,
    ...imageFields(config),
    containers: [
      {
        name: child.component,
        image,
        imagePullPolicy: config.imagePullPolicy,
        ports: [
          { name: "api", containerPort: API_PORT, protocol: "TCP" },
          { name: "health", containerPort: HEALTH_PORT, protocol: "TCP" },
        ],
        resources: {
          requests: { cpu: resources.cpuRequest, memory: resources.memoryRequest },
          limits: { memory: resources.memoryLimit },
        },
        securityContext: containerSecurityContext,
        volumeMounts: [...volumes.map(({ mount }) => mount), ...claims.map(({ mount }) => mount)],
        ...serviceProbes,
      },
    ],
    volumes: volumes.map(({ volume }) => volume),
  };
}

function service(child: ChildFields): Manifest {
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: metadataOf(child),
    spec: {
      selector: { ...labelsOf(child.owner, child.component), ...child.labels },
      ports: [{ name: "api", port: API_PORT, targetPort: "api", protocol: "TCP" }],
    },
  };
}

/** Risk may read its own RiskPolicy, by name, and nothing else. */
function ownPolicyRole(child: ChildFields): Manifest {
  return {
    apiVersion: "rbac.authorization.k8s.io/v1",
    kind: "Role",
    metadata: metadataOf(child),
    rules: [
      {
        apiGroups: ["bellwether.dev"],
        resources: ["riskpolicies"],
        resourceNames: [child.owner.metadata.name],
        verbs: ["get", "list", "watch"],
      },
    ],
  };
}

function ownPolicyBinding(child: ChildFields): Manifest {
  return {
    apiVersion: "rbac.authorization.k8s.io/v1",
    kind: "RoleBinding",
    metadata: metadataOf(child),
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: child.name },
    subjects: [{ kind: "ServiceAccount", name: child.name, namespace: child.owner.metadata.namespace ?? "" }],
  };
}

/** The DSN as a file. The operator names the Secret and never reads it. */
function postgresVolume({ postgres }: OperatorConfig, key: string): Mounted {
  return {
    volume: { name: "postgres", secret: { secretName: postgres.secretName, items: [{ key, path: key }], defaultMode: 0o440 } },
    mount: { name: "postgres", mountPath: POSTGRES_DIRECTORY, readOnly: true },
  };
}

function datasetVolumes(account: RiskAccount): Mounted[] {
  const market = marketDataOf(account);
  if (market?.kind !== "replay") return [];
  const { source } = market.dataset;
  if (source.kind === "configMap") return [keyVolume("dataset", source, DATASET_DIRECTORY)];
  return source.kind === "volume" ? [claimVolume("dataset", source.claimName, DATASET_DIRECTORY)] : [];
}

/** The venue's keys: in this pod and nowhere else, and of the Secret only what is documented. */
function credentialVolumes({ ccxt, solana }: RiskAccount): Mounted[] {
  if (ccxt) return [credentialsVolume(ccxt.credentialsSecretRef.name, ["apiKey", "secret", "password"], CREDENTIALS_DIRECTORY)];
  return solana ? [credentialsVolume(solana.keypairSecretRef.name, ["keypair"], CREDENTIALS_DIRECTORY)] : [];
}

/** A missing Secret must not keep risk from starting: nobody being told is no reason not to judge. */
function webhookVolumes({ spec }: RiskPolicy): Mounted[] {
  const secret = spec.alerts?.webhookUrlSecretRef;
  return secret ? [credentialsVolume(secret.name, [secret.key], ALERTS_DIRECTORY)] : [];
}

/** Send log and the paper venue's log: they must outlive the pod. */
function dataVolume({ brokerVolume }: OperatorConfig): { volumes: Mounted[]; claims: { template: object; mount: object }[] } {
  const mount = { name: "data", mountPath: DATA_DIRECTORY };
  if (brokerVolume.kind === "EmptyDir") return { volumes: [{ volume: { name: "data", emptyDir: {} }, mount }], claims: [] };
  const template = {
    apiVersion: "v1",
    kind: "PersistentVolumeClaim",
    metadata: { name: "data" },
    spec: {
      accessModes: ["ReadWriteOnce"],
      resources: { requests: { storage: brokerVolume.size } },
      ...(brokerVolume.storageClassName !== undefined && { storageClassName: brokerVolume.storageClassName }),
    },
  };
  return { volumes: [], claims: [{ template, mount }] };
}
