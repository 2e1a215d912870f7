// Against the direction of imports, which this generator, part of no image, may do: the rules stand beside the controllers that need them.
import { type PolicyRule, clusterRules, ownNamespaceRules } from "../../../operator/src/rbac.ts";
import { KINDS, type KindDefinition } from "../kinds.ts";
import { customResourceDefinition } from "./crd.ts";
import { GENERATED_NOTICE, toYaml } from "./crd-yaml.ts";

export interface OperatorPermission {
  readonly clusterRules: readonly PolicyRule[];
  readonly ownNamespaceRules: readonly PolicyRule[];
}

const chart = "charts/bellwether/templates";
/** A comment that Helm drops from what it renders and a reader of the file sees first. */
const notice = `{{- /* ${GENERATED_NOTICE} */}}\n`;

/** The CRD as a template: switched off by `crds.enabled`, kept by an uninstall (the objects would go with it). */
export function crdTemplate(kind: KindDefinition): string {
  const definition = customResourceDefinition(kind);
  const kept = { ...definition.metadata, annotations: { "helm.sh/resource-policy": "keep" } };
  const yaml = toYaml({ ...definition, metadata: kept });
  // Helm would take braces in a pattern or a description for its own.
  const escaped = yaml.replaceAll(/\{\{|\}\}/g, (braces) => `{{ "${braces}" }}`);
  return `${notice}{{- if .Values.crds.enabled }}\n${escaped}{{- end }}\n`;
}

/**
 * Refuses what no role of ours may hold: a wildcard, a Secret, a subresource that runs commands in pods.
 * @throws Error naming the rule
 */
export function refuseWideRule(rule: PolicyRule): void {
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
  const role = (kind: "ClusterRole" | "Role", rules: readonly PolicyRule[]): string => {
    rules.forEach(refuseWideRule);
    const namespace = kind === "Role" ? "\n  namespace: {{ .Release.Namespace }}" : "";
    return (
      `apiVersion: rbac.authorization.k8s.io/v1\nkind: ${kind}\nmetadata:\n  name: bellwether-operator${namespace}\n  labels: ${labels}\n` +
      toYaml({ rules })
    );
  };
  const from = "{{- /* From operator/src/rbac.ts: every rule stands beside the controller that needs it. */}}\n";
  return `${notice}${from}${role("ClusterRole", permission.clusterRules)}---\n${role("Role", permission.ownNamespaceRules)}`;
}

/** Every generated template: path → content. */
export function chartTemplates(): Map<string, string> {
  const files = new Map<string, string>();
  for (const kind of KINDS) files.set(`${chart}/crds/${kind.names.plural}.yaml`, crdTemplate(kind));
  files.set(`${chart}/operator/rbac.yaml`, rbacTemplate({ clusterRules: clusterRules(), ownNamespaceRules }));
  return files;
}
