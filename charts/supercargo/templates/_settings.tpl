{{- /* The text of a setting: numbers from YAML are floats, and 1e+06 is no number to the program. */ -}}
{{- define "supercargo.text" -}}
{{- if and (kindIs "float64" .) (eq (float64 (int64 .)) .) }}{{ int64 . }}{{ else }}{{ . }}{{ end -}}
{{- end -}}

{{- /* Whether the chart's own trial parts provide a secret setting. Takes {root, name}. */ -}}
{{- define "supercargo.fromTrial" -}}
{{- $values := .root.Values -}}
{{- if eq .name "NATS_URL" -}}{{ if $values.nats.enabled }}yes{{ end -}}
{{- else if eq .name "DATABASE_URL" -}}{{ if $values.postgres.enabled }}yes{{ end -}}
{{- else if $values.sandbox.enabled -}}yes
{{- end -}}
{{- end -}}

{{- /* One secret setting as an entry of `env`. Takes {root, name, settings}. */ -}}
{{- define "supercargo.secretSetting" -}}
{{- $values := .root.Values -}}
- name: {{ .name }}
{{- if hasKey .settings .name }}
  value: {{ include "supercargo.text" (get .settings .name) | quote }}
{{- else }}
  valueFrom:
    secretKeyRef:
      {{- if hasKey $values.secrets.from .name }}
      {{- toYaml (get $values.secrets.from .name) | nindent 6 }}
      {{- else if include "supercargo.fromTrial" . }}
      name: {{ include "supercargo.fullname" .root }}-trial
      key: {{ .name }}
      {{- else }}
      name: {{ $values.secrets.name | default (include "supercargo.fullname" .root) }}
      key: {{ .name }}
      {{- end }}
{{- end }}
{{- end -}}

{{- /* The environment of a role's containers. Takes {root, role}, role as in supercargo.roles. */ -}}
{{- define "supercargo.environment" -}}
{{- $root := .root -}}
{{- $role := .role -}}
{{- $values := .root.Values -}}
{{- $fullname := include "supercargo.fullname" .root -}}
{{- $own := dict -}}
{{- if eq $role.name "storefront" -}}
{{- $_ := set $own "SERVICE_URL" (printf "http://%s-{service}:8080" $fullname) -}}
{{- end -}}
{{- if eq $role.name "orders" -}}
{{- $_ := set $own "SHOP_NAMESPACE" (include "supercargo.shopNamespace" $root) -}}
{{- end -}}
{{- if $values.sandbox.enabled -}}
{{- $_ := set $own "STRIPE_URL" (printf "http://%s-sandbox:12111" $fullname) -}}
{{- end -}}
{{- $settings := mergeOverwrite $own (deepCopy $values.settings) (deepCopy $role.row.settings) -}}
- name: HTTP_ADDR
  value: 0.0.0.0:8080
{{- if eq $role.name "operator" }}
- name: LEASE_NAMESPACE
  valueFrom: {fieldRef: {fieldPath: metadata.namespace}}
# A container that starts again in its pod is the same replica, and leads on at once.
- name: LEASE_IDENTITY
  valueFrom: {fieldRef: {fieldPath: metadata.name}}
{{- end }}
{{- if has $role.name (list "operator" "orders") }}
{{- with $values.namespaces }}
- name: WATCH_NAMESPACES
  value: {{ join "," . | quote }}
{{- end }}
{{- end }}
{{- if $settings.OTEL_EXPORTER_OTLP_ENDPOINT }}
- name: POD_NAME
  valueFrom: {fieldRef: {fieldPath: metadata.name}}
- name: OTEL_RESOURCE_ATTRIBUTES
  value: service.namespace={{ $fullname }},k8s.namespace.name={{ $root.Release.Namespace }},k8s.pod.name=$(POD_NAME)
{{- end }}
{{- $common := list "DATABASE_CONNECTIONS" "HTTP_CONNECTIONS" "LOG_FORMAT" "LOG_LEVEL" "NATS_REPLICAS" "OTEL_EXPORTER_OTLP_ENDPOINT" "TRACED_SHARE" }}
{{- range $name := concat $common ($role.facts.settings | default list) }}
{{- if hasKey $settings $name }}
- name: {{ $name }}
  value: {{ include "supercargo.text" (get $settings $name) | quote }}
{{- end }}
{{- end }}
{{- if hasKey $values.secrets.from "NATS_CREDENTIALS" }}
{{ include "supercargo.secretSetting" (dict "root" $root "name" "NATS_CREDENTIALS" "settings" dict) }}
{{- end }}
{{- range $name := $role.facts.secrets }}
{{- $databases := list -}}
{{- if eq $name "DATABASE_URL" -}}
{{- range $key := keys $values.secrets.from | sortAlpha -}}
{{- if hasSuffix "_DATABASE_URL" $key -}}
{{- if or (eq $role.name "audit") (eq $key (printf "%s_DATABASE_URL" (upper $role.name))) -}}
{{- $databases = append $databases $key -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if or (not $databases) (eq $role.name "audit") }}
{{ include "supercargo.secretSetting" (dict "root" $root "name" $name "settings" $settings) }}
{{- end }}
{{- range $databases }}
{{ include "supercargo.secretSetting" (dict "root" $root "name" . "settings" dict) }}
{{- end }}
{{- end }}
{{- with $values.certificates }}
{{- if or .configMap .secret }}
# Ours besides the image's own.
- name: SSL_CERT_DIR
  value: /etc/ssl/certs:/etc/supercargo/certificates
{{- if and .postgres $role.facts.database }}
- name: PGSSLMODE
  value: verify-full
- name: PGSSLROOTCERT
  value: /etc/supercargo/certificates/{{ .postgres }}
{{- end }}
{{- end }}
{{- end }}
{{- with $role.row.env }}
{{ toYaml . }}
{{- end }}
{{- end -}}
