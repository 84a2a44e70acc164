{{/* Names are fixed: the CRDs exist once a cluster, so the operator does, too. */}}
{{- define "quorum-operator.selector" -}}
app.kubernetes.io/name: quorum-operator
app.kubernetes.io/component: operator
{{- end }}

{{- define "quorum-operator.labels" -}}
app.kubernetes.io/name: quorum-operator
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | quote }}
{{- end }}

{{/* The user name under which the API server knows the operator. */}}
{{- define "quorum-operator.username" -}}
system:serviceaccount:{{ .Release.Namespace }}:quorum-operator
{{- end }}

{{/* A list of strings as a CEL list literal. The schema keeps quotes out of what comes here. */}}
{{- define "quorum-operator.celList" -}}
[{{ range $i, $item := . }}{{ if $i }}, {{ end }}{{ $item | quote }}{{ end }}]
{{- end }}
