{{- define "names.operator" -}}{{ .Values.fullnameOverride | default .Release.Name | trunc 40 | trimSuffix "-" }}{{- end -}}
{{- define "names.webhook" -}}{{ include "names.operator" . }}-webhook{{- end -}}
{{- define "names.image" -}}
{{- if .Values.image.digest -}}{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}{{ .Values.image.repository }}:{{ .Values.image.tag | default (.Chart.AppVersion | replace "+" "_") }}{{- end -}}
{{- end -}}
{{- define "names.label" -}}{{ regexReplaceAll "[^A-Za-z0-9]+$" (. | replace "+" "_" | trunc 63) "" }}{{- end -}}
{{- define "names.labels" -}}
app.kubernetes.io/name: cloudsql-iam-operator
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ include "names.label" .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ include "names.label" (printf "%s-%s" .Chart.Name .Chart.Version) }}
{{- end -}}
{{- define "names.selector" -}}
app.kubernetes.io/name: cloudsql-iam-operator
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}
{{- define "names.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
seccompProfile: {type: RuntimeDefault}
{{- end -}}
{{- define "names.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}
{{- define "names.endpoints" -}}
{{- range $name, $value := dict "SQLADMIN_ENDPOINT" .Values.endpoints.sqlAdmin "RESOURCE_MANAGER_ENDPOINT" .Values.endpoints.resourceManager "IAM_ENDPOINT" .Values.endpoints.iam "IAM_CREDENTIALS_ENDPOINT" .Values.endpoints.iamCredentials "OAUTH_TOKEN_ENDPOINT" .Values.endpoints.oauthToken "STS_TOKEN_ENDPOINT" .Values.endpoints.stsToken "GOOGLE_CLOUD_QUOTA_PROJECT" .Values.operator.quotaProject "GOOGLE_CLOUD_UNIVERSE_DOMAIN" .Values.operator.universeDomain }}
{{- if $value }}
- {name: {{ $name }}, value: {{ $value | quote }}}
{{- end }}
{{- end }}
{{- end -}}

{{- define "names.admission" -}}
failurePolicy: Ignore
timeoutSeconds: {{ .Values.webhook.timeoutSeconds }}
sideEffects: None
admissionReviewVersions: [v1]
matchPolicy: Equivalent
namespaceSelector:
  matchExpressions:
  - {key: kubernetes.io/metadata.name, operator: NotIn, values: [kube-system, kube-node-lease, kube-public, {{ .Release.Namespace }}]}
  - {key: iam.cloudsql.dev/admission, operator: NotIn, values: [disabled]}
{{- end -}}

{{- define "names.webhookSecret" -}}
{{ include "names.webhook" . }}-{{ ternary "cert" "tls" .Values.webhook.certManager.enabled }}
{{- end -}}
