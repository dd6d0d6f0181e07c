{{- /* Restricted Pod Security, for every container of ours. */ -}}
{{- define "supercargo.containerSecurity" -}}
allowPrivilegeEscalation: false
capabilities: {drop: [ALL]}
privileged: false
readOnlyRootFilesystem: true
runAsNonRoot: true
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- /* Takes a user id, which is the group's too. */ -}}
{{- define "supercargo.podSecurity" -}}
fsGroup: {{ int . }}
fsGroupChangePolicy: OnRootMismatch
runAsGroup: {{ int . }}
runAsNonRoot: true
runAsUser: {{ int . }}
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- /* Replicas apart from each other, where the cluster has room for it. Takes {root, component}. */ -}}
{{- define "supercargo.spread" -}}
{{- range $where := list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
- maxSkew: 1
  topologyKey: {{ $where }}
  whenUnsatisfiable: ScheduleAnyway
  # Of one version: else the old replicas would push the new ones to where room is.
  matchLabelKeys: [pod-template-hash]
  labelSelector:
    matchLabels: {{- include "supercargo.selector" $ | nindent 6 }}
{{- end }}
{{- end -}}

{{- /* A claim of a trial's StatefulSet. Takes {name, storage}. */ -}}
{{- define "supercargo.claim" -}}
- metadata:
    name: {{ .name }}
  spec:
    accessModes: [ReadWriteOnce]
    {{- with .storage.className }}
    storageClassName: {{ . }}
    {{- end }}
    resources:
      requests: {storage: {{ .storage.size }}}
{{- end -}}

{{- define "supercargo.mounts" -}}
{{- if or .Values.certificates.configMap .Values.certificates.secret -}}
volumeMounts:
  - {name: certificates, mountPath: /etc/supercargo/certificates, readOnly: true}
{{- end -}}
{{- end -}}

{{- define "supercargo.volumes" -}}
{{- if .Values.certificates.secret -}}
volumes:
  - name: certificates
    secret: {secretName: {{ .Values.certificates.secret }}}
{{- else if .Values.certificates.configMap -}}
volumes:
  - name: certificates
    configMap: {name: {{ .Values.certificates.configMap }}}
{{- end -}}
{{- end -}}

{{- /* What the container of a role runs. Takes {root, role}. */ -}}
{{- define "supercargo.command" -}}
{{- $command := .role.facts.command | default (list "run" .role.name) -}}
{{- if and (eq .role.name "audit") .root.Values.namespaces -}}
{{- if gt (len .root.Values.namespaces) 1 -}}
{{- fail "roles.audit is enabled, but an audit looks at one namespace or at all of them, not at several: run one release for each, or disable it" -}}
{{- end -}}
{{- $command = concat $command (list "--namespace" (first .root.Values.namespaces)) -}}
{{- end -}}
{{- toJson $command -}}
{{- end -}}
