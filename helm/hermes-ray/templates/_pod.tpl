{{/* Pod template of a group: dict "root" $ "group" "ingest" "values" .Values.ingest "variant" "cpu" "gpus" 0. */}}
{{- define "hermes.podTemplate" -}}
{{- $root := .root -}}
{{- $secrets := include "hermes.kafkaSecrets" $root | fromYaml -}}
metadata:
  labels:
    {{- include "hermes.selector" $root | nindent 4 }}
    app.kubernetes.io/component: {{ .group }}
    {{- with .values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with .values.podAnnotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  serviceAccountName: {{ include "hermes.serviceAccountName" $root }}
  automountServiceAccountToken: false
  # Variables of Services named hermes-* would look like settings.
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ add $root.Values.shutdown.drainSeconds $root.Values.shutdown.handOverSeconds $root.Values.shutdown.stopSeconds 15 }}
  {{- with .values.runtimeClassName }}
  runtimeClassName: {{ . }}
  {{- end }}
  {{- with .values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- with $root.Values.image.pullSecrets }}
  imagePullSecrets:
    {{- range . }}
    - name: {{ . }}
    {{- end }}
  {{- end }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 10001
    runAsGroup: 10001
    fsGroup: 10001
    fsGroupChangePolicy: OnRootMismatch
    seccompProfile:
      type: RuntimeDefault
  {{- with .values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .values.spreadOver }}
  topologySpreadConstraints:
    - maxSkew: 1
      topologyKey: {{ . }}
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "hermes.selector" $root | nindent 10 }}
          app.kubernetes.io/component: {{ $.group }}
  {{- end }}
  containers:
    - name: {{ ternary "ray-head" "ray-worker" (eq .group "head") }}
      image: {{ include "hermes.image" (dict "root" $root "variant" .variant) }}
      imagePullPolicy: {{ $root.Values.image.pullPolicy }}
      ports:
        {{- if eq .group "head" }}
        - {name: gcs-server, containerPort: 6379}
        - {name: dashboard, containerPort: 8265}
        - {name: hermes-metrics, containerPort: 9464}
        {{- end }}
        {{- if ne .group "memory" }}
        - {name: serve, containerPort: 8000}
        {{- end }}
        - {name: metrics, containerPort: 8080}
        - {name: agent, containerPort: 52365}
      env:
        - {name: HERMES_CONFIG, value: /etc/hermes/config/hermes.yaml}
        # The root file system is read-only: caches and home go where there is a volume.
        - {name: HOME, value: /tmp}
        - {name: HF_HOME, value: /var/cache/hermes/huggingface}
        - {name: RAY_USAGE_STATS_ENABLED, value: "0"}
        # Serve's proxy refuses in the API's words, and lets no caller switch its limits off.
        - {name: RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH, value: "hermes_ray.api.serve_proxy:middlewares"}
        - {name: RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S, value: {{ $root.Values.shutdown.stopSeconds | quote }}}
        {{- range $root.Values.secrets.environment }}
        - name: {{ .variable }}
          valueFrom:
            secretKeyRef: {name: {{ .name }}, key: {{ .key }}}
        {{- end }}
        {{- range $root.Values.environment }}
        - {name: {{ .name }}, value: {{ .value | quote }}}
        {{- end }}
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities:
          drop: [ALL]
      resources:
        {{- $resources := deepCopy .values.resources }}
        {{- if .gpus }}
        {{- $gpus := dict $root.Values.memory.gpuResource .gpus }}
        {{- $_ := set $resources "limits" (merge $gpus $resources.limits) }}
        {{- $_ := set $resources "requests" (merge $gpus $resources.requests) }}
        {{- end }}
        {{- toYaml $resources | nindent 8 }}
      {{- include "hermes.probes" . | nindent 6 }}
      lifecycle:
        # The Service forgets the pod, and its memory workers hand their streams over. Then SIGTERM reaches `ray start`,
        # which drains its node before it stops. A worker without a place for its streams writes snapshots of them then.
        preStop:
          exec:
            command:
              - sh
              - -c
              - sleep {{ $root.Values.shutdown.drainSeconds }}; hermes drain --here --timeout {{ $root.Values.shutdown.handOverSeconds }}
      volumeMounts:
        - {name: config, mountPath: /etc/hermes/config, readOnly: true}
        {{- include "hermes.kafkaMounts" $secrets | nindent 8 }}
        {{- if $root.Values.secrets.apiKeys.name }}
        - {name: api-keys, mountPath: /etc/hermes/api-keys, readOnly: true}
        {{- end }}
        - {name: tmp, mountPath: /tmp}
        - {name: shm, mountPath: /dev/shm}
        - {name: model-cache, mountPath: /var/cache/hermes}
        {{- if and (eq .group "head") $root.Values.head.eventsClaim }}
        - {name: events, mountPath: /var/lib/hermes}
        {{- end }}
        {{- with $root.Values.extraVolumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
  volumes:
    - name: config
      configMap:
        # Named by its content: another configuration is another cluster, which KubeRay starts beside this one.
        name: {{ include "hermes.configName" $root }}
    {{- include "hermes.kafkaVolumes" $secrets | nindent 4 }}
    {{- with $root.Values.secrets.apiKeys }}
    {{- if .name }}
    - name: api-keys
      secret:
        secretName: {{ .name }}
        items:
          - {key: {{ .key }}, path: keys.json}
    {{- end }}
    {{- end }}
    - name: tmp
      emptyDir:
        sizeLimit: {{ $root.Values.tmpSizeLimit }}
    - name: shm
      emptyDir:
        medium: Memory
        sizeLimit: {{ add .values.objectStoreMiB 64 }}Mi
    - name: model-cache
      {{- if $root.Values.modelCache.existingClaim }}
      persistentVolumeClaim:
        claimName: {{ $root.Values.modelCache.existingClaim }}
      {{- else }}
      emptyDir:
        sizeLimit: {{ $root.Values.modelCache.sizeLimit }}
      {{- end }}
    {{- if and (eq .group "head") $root.Values.head.eventsClaim }}
    - name: events
      persistentVolumeClaim:
        claimName: {{ $root.Values.head.eventsClaim }}
    {{- end }}
    {{- with $root.Values.extraVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end -}}

{{/* Probes of a group, all explicit: those that KubeRay adds wait for a Serve proxy, which the memory group never has.
The raylet's health needs no token. An ingest pod takes questions once the whole system was ready, and as long as its
router answers and no other cluster has taken over: so the pods of an upgrade's new cluster get none while models load,
and those of the old one none soon after the new one has the memories, which is why two failures suffice. */}}
{{- define "hermes.probes" -}}
{{- $probes := .root.Values.probes -}}
{{- $raylet := dict "path" "/api/local_raylet_healthz" "port" "agent" -}}
{{- $times := dict "periodSeconds" $probes.periodSeconds "timeoutSeconds" $probes.timeoutSeconds "failureThreshold" $probes.failureThreshold -}}
{{- $start := dict "periodSeconds" $probes.periodSeconds "timeoutSeconds" $probes.timeoutSeconds "failureThreshold" (div $probes.startupSeconds $probes.periodSeconds) -}}
{{- if eq .group "ingest" -}}
startupProbe:
  {{- merge (dict "httpGet" (dict "path" "/readyz" "port" "serve")) $start | toYaml | nindent 2 }}
readinessProbe:
  {{- merge (dict "httpGet" (dict "path" "/activez" "port" "serve") "failureThreshold" 2) $times | toYaml | nindent 2 }}
{{- else -}}
startupProbe:
  {{- merge (dict "httpGet" $raylet "failureThreshold" 30) $times | toYaml | nindent 2 }}
readinessProbe:
  {{- merge (dict "httpGet" (ternary (dict "path" "/api/gcs_healthz" "port" "dashboard") $raylet (eq .group "head"))) $times | toYaml | nindent 2 }}
{{- end }}
livenessProbe:
  {{- merge (dict "httpGet" $raylet) $times | toYaml | nindent 2 }}
{{- end -}}

{{/* Secrets of Kafka's client in a container, and in its pod; the argument is what hermes.kafkaSecrets returns. */}}
{{- define "hermes.kafkaMounts" -}}
{{- if .kafkaPassword.name }}
- {name: kafka-password, mountPath: /etc/hermes/kafka-password, readOnly: true}
{{- end }}
{{- if .kafkaCa.name }}
- {name: kafka-ca, mountPath: /etc/hermes/kafka-ca, readOnly: true}
{{- end }}
{{- if .kafkaClientCertificate.name }}
- {name: kafka-client, mountPath: /etc/hermes/kafka-client, readOnly: true}
{{- end }}
{{- end -}}

{{- define "hermes.kafkaVolumes" -}}
{{- with .kafkaPassword }}
{{- if .name }}
- name: kafka-password
  secret:
    secretName: {{ .name }}
    items:
      - {key: {{ .key }}, path: password}
{{- end }}
{{- end }}
{{- with .kafkaCa }}
{{- if .name }}
- name: kafka-ca
  secret:
    secretName: {{ .name }}
    items:
      - {key: {{ .key }}, path: ca.crt}
{{- end }}
{{- end }}
{{- with .kafkaClientCertificate }}
{{- if .name }}
- name: kafka-client
  secret:
    secretName: {{ .name }}
    items:
      - {key: {{ .certificateKey }}, path: client.crt}
      - {key: {{ .privateKeyKey }}, path: client.key}
{{- end }}
{{- end }}
{{- end -}}
