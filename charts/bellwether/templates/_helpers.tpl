{{/* Labels of every object. Call with (dict "root" $ "component" "operator"). */}}
{{- define "bellwether.labels" -}}
{{ include "bellwether.selector" . }}
app.kubernetes.io/part-of: bellwether
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version }}
{{- end }}

{{/* Labels that never change: what selectors may use. */}}
{{- define "bellwether.selector" -}}
app.kubernetes.io/name: bellwether
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{/* Pod security as design §5: not root, no way up, the runtime's seccomp profile. */}}
{{- define "bellwether.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile: { type: RuntimeDefault }
{{- end }}

{{- define "bellwether.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end }}

{{/* A ServiceAccount token for one audience, under /var/run/secrets/bellwether/<audience>/token. */}}
{{- define "bellwether.audienceToken" -}}
projected:
  sources:
    - serviceAccountToken: { audience: {{ .audience }}, expirationSeconds: 3600, path: token }
{{- end }}

{{/* The operator's config.json: schema in operator/src/config.ts. */}}
{{- define "bellwether.operatorConfig" -}}
{{- $config := dict
  "namespace" .Release.Namespace
  "serviceAccountName" "bellwether-operator"
  "watchNamespaces" .Values.operator.watchNamespaces
  "logLevel" .Values.operator.logLevel
  "images" (dict "agent" .Values.images.agent "risk" .Values.images.risk "broker" .Values.images.broker "gateway" .Values.images.gateway "ollama" .Values.images.ollama)
  "imagePullPolicy" .Values.imagePullPolicy
  "imagePullSecrets" .Values.imagePullSecrets
  "maxParallelAgents" .Values.operator.maxParallelAgents
  "sharedCores" .Values.operator.sharedCores
  "postgres" (dict "secretName" .Values.postgres.secretName "podLabels" (ternary (dict "app.kubernetes.io/component" "postgres") dict .Values.postgres.enabled))
  "valkey" (dict "enabled" .Values.valkey.enabled "secretName" .Values.valkey.secretName "namespace" .Release.Namespace)
  "nodeAgent" (dict "enabled" .Values.nodeAgent.enabled "namespace" .Values.nodeAgent.namespace)
  "networkPolicies" (dict "enabled" .Values.networkPolicies.enabled "apiServerCidrs" .Values.networkPolicies.apiServerCidrs "apiServerPorts" .Values.networkPolicies.apiServerPorts "webhookPorts" .Values.networkPolicies.webhookPorts)
-}}
{{- mergeOverwrite $config .Values.operator.config | toPrettyJson -}}
{{- end }}

{{/* The pod of a hook Job. Call with (dict "root" $ "hook" "create-secrets" "serviceAccount" "…" "timeoutSeconds" 120). */}}
{{- define "bellwether.hookPod" -}}
metadata:
  labels: {{- include "bellwether.labels" (dict "root" .root "component" "chart-hook") | nindent 4 }}
spec:
  restartPolicy: Never
  serviceAccountName: {{ .serviceAccount }}
  {{- with .root.Values.imagePullSecrets }}
  imagePullSecrets: {{- range . }}
    - name: {{ . }}
    {{- end }}
  {{- end }}
  securityContext: {{- include "bellwether.podSecurity" . | nindent 4 }}
  containers:
    - name: {{ .hook }}
      image: {{ .root.Values.images.operator }}
      imagePullPolicy: {{ .root.Values.imagePullPolicy }}
      # A second program in the operator's image: operator/src/chart-hooks/main.ts.
      command: [node, /app/chart-hook.mjs]
      env:
        - { name: BELLWETHER_CHART_HOOK, value: {{ .hook }} }
        - { name: BELLWETHER_NAMESPACE, value: {{ .root.Release.Namespace }} }
        - { name: BELLWETHER_POSTGRES_SECRET, value: {{ and .root.Values.postgres.enabled .root.Values.postgres.createSecret | ternary .root.Values.postgres.secretName "" | quote }} }
        - { name: BELLWETHER_VALKEY_SECRET, value: {{ and .root.Values.valkey.enabled .root.Values.valkey.createSecret | ternary .root.Values.valkey.secretName "" | quote }} }
        - { name: BELLWETHER_TIMEOUT_SECONDS, value: {{ .timeoutSeconds | quote }} }
        - { name: BELLWETHER_WATCH_NAMESPACES, value: {{ join "," .root.Values.operator.watchNamespaces | quote }} }
      resources: {{- toYaml .root.Values.hooks.resources | nindent 8 }}
      securityContext: {{- include "bellwether.containerSecurity" . | nindent 8 }}
{{- end }}

{{/* The node agent's config.json: schema in runtimes/node-agent/src/config.ts. */}}
{{- define "bellwether.nodeAgentConfig" -}}
{{- dict
  "logLevel" .Values.nodeAgent.logLevel
  "operatorSubject" (printf "system:serviceaccount:%s:bellwether-operator" .Release.Namespace)
| toPrettyJson -}}
{{- end }}

{{/* The named ways that several NetworkPolicies have. */}}
{{- define "bellwether.dnsWay" }}
- to:
    - namespaceSelector: { matchLabels: { kubernetes.io/metadata.name: kube-system } }
      podSelector: { matchLabels: { k8s-app: kube-dns } }
  ports:
    - { protocol: UDP, port: 53 }
    - { protocol: TCP, port: 53 }
    # Where a Service's port is not its pod's: what counts is the pod's.
    - { protocol: UDP, port: 1053 }
    - { protocol: TCP, port: 1053 }
{{- end }}
{{- define "bellwether.apiServerWay" }}
- to: {{- range .Values.networkPolicies.apiServerCidrs }}
    - ipBlock: { cidr: {{ . | quote }} }
    {{- end }}
  ports: {{- range .Values.networkPolicies.apiServerPorts }}
    - { protocol: TCP, port: {{ . }} }
    {{- end }}
{{- end }}
