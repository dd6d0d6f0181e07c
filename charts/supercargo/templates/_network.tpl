{{- /* A component of this release, as a peer. Takes {root, component}. */ -}}
{{- define "supercargo.peer" -}}
podSelector:
  matchLabels: {{- include "supercargo.selector" . | nindent 4 }}
{{- end -}}

{{- /* One rule each. Take {peers, ports} and {to, ports}; without peers anybody, as in a NetworkPolicy. */ -}}
{{- define "supercargo.from" -}}
- ports:
    {{- range .ports }}
    - {protocol: TCP, port: {{ . }}}
    {{- end }}
  {{- with .peers }}
  from: {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}

{{- define "supercargo.to" -}}
- ports:
    {{- range .ports }}
    - {protocol: TCP, port: {{ . }}}
    {{- end }}
  {{- with .to }}
  to: {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}

{{- /* Names are asked for by UDP, and by TCP where the answer is long. */ -}}
{{- define "supercargo.names" -}}
{{- $dns := .Values.networkPolicy.dns -}}
- ports:
    {{- range $dns.ports }}
    - {protocol: UDP, port: {{ . }}}
    - {protocol: TCP, port: {{ . }}}
    {{- end }}
  {{- with $dns.to }}
  to: {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}

{{- /* Whom a role reaches: a trial part where there is one, else what the values say, else another role. Takes {root, whom}. */ -}}
{{- define "supercargo.reach" -}}
{{- $values := .root.Values -}}
{{- $stands := dict "payments" 12111 "carrier" 12112 "mail" 12525 -}}
{{- $own := "" -}}
{{- $port := 8080 -}}
{{- if and (eq .whom "nats") $values.nats.enabled -}}
{{- $own = "nats" -}}{{- $port = 4222 -}}
{{- else if and (eq .whom "postgres") $values.postgres.enabled -}}
{{- $own = "postgres" -}}{{- $port = 5432 -}}
{{- else if and (hasKey $stands .whom) $values.sandbox.enabled -}}
{{- $own = "sandbox" -}}{{- $port = get $stands .whom -}}
{{- else if not (hasKey $values.networkPolicy .whom) -}}
{{- $own = .whom -}}
{{- end -}}
{{- if $own -}}
{{- $peer := include "supercargo.peer" (dict "root" .root "component" $own) | fromYaml -}}
{{- include "supercargo.to" (dict "to" (list $peer) "ports" (list $port)) -}}
{{- else -}}
{{- include "supercargo.to" (get $values.networkPolicy .whom) -}}
{{- end -}}
{{- end -}}
