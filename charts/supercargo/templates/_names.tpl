{{- /* The first part of every name. What is appended has at most 14 characters, and names of Services at most 63. */ -}}
{{- define "supercargo.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains "supercargo" .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-supercargo" .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- /* The same for what belongs to no namespace: two releases of one name must not meet. */ -}}
{{- define "supercargo.clusterName" -}}
{{- printf "%s-%s" .Release.Namespace (include "supercargo.fullname" .) -}}
{{- end -}}

{{- /* What a Deployment finds its pods by; never changes. Takes {root, component}. */ -}}
{{- define "supercargo.selector" -}}
app.kubernetes.io/name: supercargo
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- /* Takes {root, component}. */ -}}
{{- define "supercargo.labels" -}}
{{ include "supercargo.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
app.kubernetes.io/part-of: supercargo
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end -}}

{{- define "supercargo.image" -}}
{{- printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) -}}
{{- end -}}

{{- define "supercargo.shopNamespace" -}}
{{- .Values.shopNamespace | default (first .Values.namespaces) | default .Release.Namespace -}}
{{- end -}}

{{- /* The user name of a role towards the API server. Takes {root, role}. */ -}}
{{- define "supercargo.user" -}}
{{- printf "system:serviceaccount:%s:%s-%s" .root.Release.Namespace (include "supercargo.fullname" .root) .role -}}
{{- end -}}

{{- /*
Every enabled role with its facts (files/roles.yaml) and its row (values), as {roles: [{name, facts, row}]} in YAML, for fromYaml:
a template can only give back text.
*/ -}}
{{- define "supercargo.roles" -}}
{{- $facts := .Files.Get "files/roles.yaml" | fromYaml -}}
{{- $roles := list -}}
{{- range $name := keys $facts | sortAlpha -}}
{{- $row := mustMergeOverwrite (deepCopy $.Values.defaults) (deepCopy (get $.Values.roles $name | default dict)) -}}
{{- if $row.enabled -}}
{{- $roles = append $roles (dict "name" $name "facts" (get $facts $name) "row" $row) -}}
{{- end -}}
{{- end -}}
{{- dict "roles" $roles | toYaml -}}
{{- end -}}
