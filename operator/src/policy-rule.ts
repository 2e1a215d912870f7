/** One rule of a Role or ClusterRole, as `rbac.ts` beside each controller states it and the chart's generator writes it out. */
export interface PolicyRule {
  readonly apiGroups?: readonly string[];
  readonly resources?: readonly string[];
  readonly resourceNames?: readonly string[];
  readonly nonResourceURLs?: readonly string[];
  readonly verbs: readonly string[];
}
