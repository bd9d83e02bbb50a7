{{/* The configuration of dagster-k8s's launcher: the pod of a run. */}}
{{- define "dp.launcher" -}}
job_namespace: {{ .Release.Namespace }}
service_account_name: {{ include "dp.name" . }}-runs
instance_config_map: {{ include "dp.name" . }}-configuration
dagster_home: {{ include "dp.home" . }}/dagster
image_pull_policy: {{ .Values.image.pullPolicy }}
{{- with .Values.image.pullSecrets }}
image_pull_secrets: {{ toJson . }}
{{- end }}
fail_pod_on_run_failure: true
run_k8s_config:
  container_config:
    {{- include "dp.container" . | nindent 4 }}
    resources: {{ toJson .Values.runs.resources }}
  pod_spec_config:
    enableServiceLinks: false
    automountServiceAccountToken: {{ eq (include "dp.onSpark" .) "true" }}
    securityContext:
      {{- include "dp.podSecurity" . | nindent 6 }}
    {{- with .Values.runs.nodeSelector }}
    nodeSelector: {{ toJson . }}
    {{- end }}
    {{- with .Values.runs.tolerations }}
    tolerations: {{ toJson . }}
    {{- end }}
    volumes:
      {{- include "dp.volumes" . | nindent 6 }}
  pod_template_spec_metadata:
    labels:
      {{- include "dp.labels" (dict "root" . "component" "runs") | nindent 6 }}
    annotations:  # a node is not scaled away under a run
      cluster-autoscaler.kubernetes.io/safe-to-evict: "false"
      karpenter.sh/do-not-disrupt: "true"
  job_spec_config:
    backoffLimit: 0
    ttlSecondsAfterFinished: {{ .Values.runs.keepFor }}
{{- end -}}

{{/* Spark's own configuration: the run is the driver, its executors are pods, and nothing else is made:
     no ConfigMap, volume claim or service, which the run's role could not make or look for. */}}
{{- define "dp.spark" -}}
spark.kubernetes.namespace {{ .Release.Namespace }}
spark.kubernetes.container.image {{ include "dp.image" . }}
spark.kubernetes.container.image.pullPolicy {{ .Values.image.pullPolicy }}
spark.kubernetes.executor.podTemplateFile {{ include "dp.configuration" . }}/executor.yaml
spark.kubernetes.executor.podTemplateContainerName executor
spark.kubernetes.driver.pod.name ${env:POD_NAME}
spark.kubernetes.executor.disableConfigMap true
spark.kubernetes.driver.ownPersistentVolumeClaim false
spark.kubernetes.driver.reusePersistentVolumeClaim false
spark.kubernetes.driver.service.deleteOnTermination false
spark.driver.host ${env:SPARK_LOCAL_IP}
spark.executor.instances {{ .Values.spark.executors }}
spark.executor.cores {{ .Values.spark.cores }}
spark.kubernetes.executor.request.cores {{ .Values.spark.request }}
spark.executor.memory {{ .Values.spark.memory }}
{{- end -}}

{{/* An executor reaches the store, and never the database. */}}
{{- define "dp.executor" -}}
{{- $secrets := list }}
{{- range .Values.secrets }}
{{- if ne .variable "DATA_PLATFORM_DATABASE_PASSWORD" }}{{ $secrets = append $secrets . }}{{ end }}
{{- end -}}
apiVersion: v1
kind: Pod
metadata:
  labels:
    {{- include "dp.labels" (dict "root" . "component" "executors") | nindent 4 }}
spec:
  serviceAccountName: {{ include "dp.name" . }}-runs
  automountServiceAccountToken: false
  enableServiceLinks: false
  securityContext:
    {{- include "dp.podSecurity" . | nindent 4 }}
  {{- with include "dp.placement" (dict "root" . "on" .Values.runs) }}{{ . | nindent 2 }}{{ end }}
  volumes:
    - {name: home, emptyDir: {}}
    - {name: tmp, emptyDir: {}}
    - {name: configuration, configMap: {name: {{ include "dp.name" . }}-configuration}}
  containers:
    - name: executor
      command: [sh, {{ include "dp.configuration" . }}/executor.sh]
      {{- with $secrets }}
      env:
        {{- range . }}
        - {name: {{ .variable }}, valueFrom: {secretKeyRef: {name: {{ .secret }}, key: {{ .key }}}}}
        {{- end }}
      {{- end }}
      securityContext:
        {{- include "dp.containerSecurity" . | nindent 8 }}
      volumeMounts:
        - {name: home, mountPath: {{ include "dp.home" . }}}
        - {name: tmp, mountPath: /tmp}
        - {name: configuration, mountPath: {{ include "dp.configuration" . }}, readOnly: true}
{{- end -}}

{{/* How an executor starts, from the variables that Spark gives its pod; Spark's own images have the
     like. A file of arguments keeps each option whole. */}}
{{- define "dp.executorScript" -}}
set -eu
env | sed -n 's/^SPARK_JAVA_OPT_[0-9]*=\(.*\)/"\1"/p' >/tmp/options
spark=$(python3 -c 'import os, pyspark; print(os.path.dirname(pyspark.__file__))')
exec java @/tmp/options "-Xms$SPARK_EXECUTOR_MEMORY" "-Xmx$SPARK_EXECUTOR_MEMORY" \
  -cp "${SPARK_CLASSPATH:-}:$spark/jars/*" \
  org.apache.spark.scheduler.cluster.k8s.KubernetesExecutorBackend \
  --driver-url "$SPARK_DRIVER_URL" --executor-id "$SPARK_EXECUTOR_ID" \
  --cores "$SPARK_EXECUTOR_CORES" --app-id "$SPARK_APPLICATION_ID" \
  --hostname "$SPARK_EXECUTOR_POD_IP" --resourceProfileId "$SPARK_RESOURCE_PROFILE_ID" \
  --podName "$SPARK_EXECUTOR_POD_NAME"
{{- end -}}
