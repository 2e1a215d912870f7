/** The children of a RiskPolicy: one risk, one broker for each account, and the ways between them. Pure. */
import { type RiskAccount, type RiskPolicy, marketDataOf } from "@bellwether/crds";
import { brokerName, riskName } from "../child-name.ts";
import {
  ACCOUNT_LABEL,
  type ChildFields,
  type Manifest,
  type Mounted,
  claimVolume,
  configMap,
  configVolume,
  credentialsVolume,
  keyVolume,
  metadataOf,
  scratchVolume,
  serviceAccount,
  tokenVolume,
} from "../child-objects.ts";
import type { OperatorConfig } from "../config.ts";
import { DATASET_DIRECTORY } from "../rendered-config.ts";
import { ownVolume, postgresVolume, service, sharedResources, statefulSet, valkeyVolumes } from "../service-objects.ts";
import { ALERTS_DIRECTORY, CREDENTIALS_DIRECTORY, DATA_DIRECTORY } from "./service-configs.ts";

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
    ...valkeyVolumes(config),
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
      resources: sharedResources(config.risk),
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
  // Send log and the paper venue's log: they must outlive the pod.
  const data = ownVolume(config.brokerVolume, { name: "data", mountPath: DATA_DIRECTORY });
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
      resources: sharedResources(config.broker),
      volumes,
      claims: data.claims,
    }),
  ];
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
