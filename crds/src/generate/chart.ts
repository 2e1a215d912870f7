import path from "node:path";
import { pathToFileURL } from "node:url";
import { stringify } from "yaml";
import { GENERATED_NOTICE, customResourceDefinition } from "./crd.ts";
import { KINDS, type KindDefinition } from "../kinds.ts";

/** A rule of a Role, as operator/src/policy-rule.ts has it. Written anew here: this package knows nothing of the operator's. */
export interface RoleRule {
  readonly apiGroups?: readonly string[];
  readonly resources?: readonly string[];
  readonly resourceNames?: readonly string[];
  readonly nonResourceURLs?: readonly string[];
  readonly verbs: readonly string[];
}

export interface OperatorPermission {
  readonly clusterRules: readonly RoleRule[];
  readonly ownNamespaceRules: readonly RoleRule[];
}

const chart = "charts/bellwether/templates";
/** A comment that Helm drops from what it renders and a reader of the file sees first. */
const notice = `{{- /* ${GENERATED_NOTICE} */}}\n`;

/** The CRD as a template: switched off by `crds.enabled`, kept by an uninstall (the objects would go with it). */
export function crdTemplate(kind: KindDefinition): string {
  const definition = customResourceDefinition(kind);
  const kept = { ...definition.metadata, annotations: { "helm.sh/resource-policy": "keep" } };
  const yaml = stringify({ ...definition, metadata: kept }, { lineWidth: 0, aliasDuplicateObjects: false });
  // Helm would take braces in a pattern or a description for its own.
  const escaped = yaml.replaceAll(/\{\{|\}\}/g, (braces) => `{{ "${braces}" }}`);
  return `${notice}{{- if .Values.crds.enabled }}\n${escaped}{{- end }}\n`;
}

/**
 * Refuses what no role of ours may hold: a wildcard, a Secret, a subresource that runs commands in pods.
 * @throws Error naming the rule
 */
export function refuseWideRule(rule: RoleRule): void {
  const words = [...(rule.apiGroups ?? []), ...(rule.resources ?? []), ...(rule.nonResourceURLs ?? []), ...rule.verbs];
  if (words.some((word) => word.includes("*"))) throw new Error(`a wildcard in a role: ${JSON.stringify(rule)}`);
  const forbidden = ["secrets", "pods/exec", "pods/attach", "serviceaccounts/token"];
  const found = (rule.resources ?? []).find((resource) => forbidden.includes(resource));
  if (found) throw new Error(`no role may hold ${found}: ${JSON.stringify(rule)}`);
  if (rule.verbs.length === 0) throw new Error(`a rule without verbs: ${JSON.stringify(rule)}`);
}

/** The operator's ClusterRole and Role. */
export function rbacTemplate(permission: OperatorPermission): string {
  const labels = '{{- include "bellwether.labels" (dict "root" $ "component" "operator") | nindent 4 }}';
  const role = (kind: "ClusterRole" | "Role", rules: readonly RoleRule[]): string => {
    rules.forEach(refuseWideRule);
    const namespace = kind === "Role" ? "\n  namespace: {{ .Release.Namespace }}" : "";
    return (
      `apiVersion: rbac.authorization.k8s.io/v1\nkind: ${kind}\nmetadata:\n  name: bellwether-operator${namespace}\n  labels: ${labels}\n` +
      stringify({ rules }, { lineWidth: 0, aliasDuplicateObjects: false })
    );
  };
  const from = "{{- /* From operator/src/rbac.ts: every rule stands beside the controller that needs it. */}}\n";
  return `${notice}${from}${role("ClusterRole", permission.clusterRules)}---\n${role("Role", permission.ownNamespaceRules)}`;
}

/**
 * Reads the permission from the operator's source. By path: a static import would point against the direction of imports
 * (operator → crds), which only this generator, no part of any image, may do.
 */
export async function operatorPermission(repository: string): Promise<OperatorPermission> {
  const file = path.join(repository, "operator/src/rbac.ts");
  const module = (await import(pathToFileURL(file).href)) as {
    clusterRules(): readonly RoleRule[];
    ownNamespaceRules: readonly RoleRule[];
  };
  return { clusterRules: module.clusterRules(), ownNamespaceRules: module.ownNamespaceRules };
}

/** Every generated template: path → content. */
export async function chartTemplates(repository: string): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  for (const kind of KINDS) files.set(`${chart}/crds/${kind.names.plural}.yaml`, crdTemplate(kind));
  files.set(`${chart}/operator/rbac.yaml`, rbacTemplate(await operatorPermission(repository)));
  return files;
}
