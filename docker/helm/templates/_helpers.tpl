{{/* The prefix of every object's name. `data-platform policies` writes trust for {prefix}-{account}. */}}
{{- define "dp.name" -}}
{{- .Values.settings.PROJECT -}}
{{- end -}}

{{- define "dp.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}{{ .repository }}@{{ .digest }}{{- else -}}{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}{{- end -}}
{{- end -}}
{{- end -}}

{{- define "dp.onSpark" -}}
{{- if hasPrefix "k8s://" (.Values.settings.SPARK | default "") }}true{{ end -}}
{{- end -}}

{{/* What selects the pods of a component: (dict "root" $ "component" "daemon"). */}}
{{- define "dp.selector" -}}
app.kubernetes.io/name: data-platform
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "dp.labels" -}}
{{ include "dp.selector" . }}
app.kubernetes.io/part-of: {{ include "dp.name" .root }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
{{- end -}}

{{- define "dp.metadata" -}}
name: {{ include "dp.name" .root }}-{{ .component }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "dp.labels" . | nindent 2 }}
{{- end -}}

{{/* Where Dagster's processes listen and keep their state; the image's user and home. */}}
{{- define "dp.home" -}}/var/lib/data-platform{{- end -}}
{{- define "dp.configuration" -}}/etc/data-platform{{- end -}}

{{- define "dp.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{/* On which nodes a pod is, and how its images are pulled: (dict "root" $ "on" .Values.placement). */}}
{{- define "dp.placement" -}}
{{- $fields := dict "imagePullSecrets" .root.Values.image.pullSecrets "nodeSelector" .on.nodeSelector "tolerations" .on.tolerations }}
{{- range $name, $value := $fields }}
{{- with $value }}{{ $name }}: {{ toJson . }}
{{ end }}
{{- end }}
{{- end -}}

{{- define "dp.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
runAsUser: 10001
capabilities: {drop: [ALL]}
{{- end -}}

{{/* The settings, as variables; the secrets by reference. Runs log in batches, as those do that the
     platform's own commands start. */}}
{{- define "dp.env" -}}
- {name: DATA_PLATFORM_HOME, value: {{ include "dp.home" . }}}
- {name: DAGSTER_EVENT_BATCH_SIZE, value: "1000"}
{{- range $name, $value := .Values.settings }}
- {name: DATA_PLATFORM_{{ $name }}, value: {{ $value | quote }}}
{{- end }}
{{- range .Values.secrets }}
- {name: {{ .variable }}, valueFrom: {secretKeyRef: {name: {{ .secret }}, key: {{ .key }}}}}
{{- end }}
{{- end -}}

{{/* What every container of the platform has, whether the chart or Dagster makes its pod; `env` is
     last, for those that have more. */}}
{{- define "dp.container" -}}
securityContext:
  {{- include "dp.containerSecurity" . | nindent 2 }}
volumeMounts:
  - {name: home, mountPath: {{ include "dp.home" . }}}
  - {name: tmp, mountPath: /tmp}
  - {name: configuration, mountPath: {{ include "dp.configuration" . }}, readOnly: true}
env:
  {{- include "dp.env" . | nindent 2 }}
  - {name: DATA_PLATFORM_DAGSTER_CONFIG, value: {{ include "dp.configuration" . }}/instance.yaml}
  {{- if .Values.alerts }}
  - {name: DATA_PLATFORM_ALERTS, value: {{ include "dp.configuration" . }}/alerts.toml}
  {{- end }}
  {{- range $name, $value := .Values.telemetry }}
  - {name: {{ $name }}, value: {{ $value | quote }}}
  {{- end }}
  {{- with .Values.environment }}
  - {name: DATA_PLATFORM_VIRTUAL_ENVIRONMENT, value: {{ . | quote }}}
  {{- end }}
  {{- if include "dp.onSpark" . }}
  - {name: SPARK_CONF_DIR, value: {{ include "dp.configuration" . }}}
  - {name: PYSPARK_PYTHON, value: python3}
  - {name: POD_NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
  - {name: SPARK_LOCAL_IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
  {{- end }}
{{- end -}}

{{- define "dp.volumes" -}}
- {name: home, emptyDir: {}}
- {name: tmp, emptyDir: {}}
- {name: configuration, configMap: {name: {{ include "dp.name" . }}-configuration}}
{{- end -}}

{{/* A Deployment's pod template without its containers. Service links are variables that look like
     settings: DATA_PLATFORM_CODE_PORT. */}}
{{- define "dp.pod" -}}
metadata:
  labels:
    {{- include "dp.labels" . | nindent 4 }}
  annotations:
    checksum/configuration: {{ include (print .root.Template.BasePath "/configuration.yaml") .root | sha256sum }}
spec:
  serviceAccountName: {{ include "dp.name" .root }}-{{ .component }}
  automountServiceAccountToken: {{ .launches | default false }}
  enableServiceLinks: false
  securityContext:
    {{- include "dp.podSecurity" .root | nindent 4 }}
  {{- with include "dp.placement" (dict "root" .root "on" .root.Values.placement) }}{{ . | nindent 2 }}{{ end }}
  volumes:
    {{- include "dp.volumes" .root | nindent 4 }}
{{- end -}}

{{- define "dp.imageOf" -}}
image: {{ include "dp.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
{{- end -}}
