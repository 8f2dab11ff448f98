{{/* Name of every object. 40 characters leave room for what KubeRay (at most 47) and Strimzi append. */}}
{{- define "hermes.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "hermes.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{/* What selects our pods. Not app.kubernetes.io/name: KubeRay gives that label a value of its own. */}}
{{- define "hermes.selector" -}}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/part-of: {{ include "hermes.fullname" . }}
{{- end -}}

{{- define "hermes.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "hermes.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* Image of a variant: dict "root" $ "variant" "cpu". */}}
{{- define "hermes.image" -}}
{{- $image := .root.Values.image -}}
{{- with $image.registry }}{{ . }}/{{ end -}}
{{- printf "%s:%s-%s" $image.repository (default .root.Chart.AppVersion $image.tag) .variant -}}
{{- with index $image.digests .variant }}@{{ . }}{{ end -}}
{{- end -}}

{{- define "hermes.kafkaName" -}}{{ include "hermes.fullname" . }}-kafka{{- end -}}
{{- define "hermes.kafkaUser" -}}{{ include "hermes.fullname" . }}-system{{- end -}}

{{/* Secrets that Kafka's client needs, with Strimzi's own as defaults: YAML with password, ca and certificate. */}}
{{- define "hermes.kafkaSecrets" -}}
{{- $secrets := deepCopy .Values.secrets -}}
{{- if .Values.strimzi.enabled -}}
{{- if not $secrets.kafkaPassword.name -}}
{{- $_ := set $secrets "kafkaPassword" (dict "name" (include "hermes.kafkaUser" .) "key" "password") -}}
{{- end -}}
{{- if not $secrets.kafkaCa.name -}}
{{- $_ := set $secrets "kafkaCa" (dict "name" (printf "%s-cluster-ca-cert" (include "hermes.kafkaName" .)) "key" "ca.crt") -}}
{{- end -}}
{{- end -}}
{{- pick $secrets "kafkaPassword" "kafkaCa" "kafkaClientCertificate" | toYaml -}}
{{- end -}}

{{/* What selects the pods that publish cameras. They are none of Ray's, so what is meant for those must not reach them. */}}
{{- define "hermes.camerasSelector" -}}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/part-of: {{ include "hermes.fullname" . }}-cameras
{{- end -}}

{{- define "hermes.cameraUser" -}}{{ include "hermes.fullname" . }}-camera{{- end -}}

{{/* The same for pods that publish cameras: of Strimzi's users the one that may only write frames. */}}
{{- define "hermes.camerasSecrets" -}}
{{- $secrets := include "hermes.kafkaSecrets" . | fromYaml -}}
{{- if and .Values.strimzi.enabled .Values.strimzi.cameraUser (not .Values.secrets.kafkaPassword.name) -}}
{{- $_ := set $secrets "kafkaPassword" (dict "name" (include "hermes.cameraUser" .) "key" "password") -}}
{{- end -}}
{{- toYaml $secrets -}}
{{- end -}}

{{/* Settings of the pods that publish cameras. */}}
{{- define "hermes.camerasConfig" -}}
{{- $config := pick (deepCopy .Values.config) "kafka" "video" "log" -}}
{{- $secrets := include "hermes.camerasSecrets" . | fromYaml -}}
{{- $user := include (ternary "hermes.cameraUser" "hermes.kafkaUser" .Values.strimzi.cameraUser) . -}}
{{- include "hermes.setKafka" (dict "root" . "config" $config "secrets" $secrets "user" $user) -}}
{{- toYaml $config -}}
{{- end -}}

{{/* Puts what follows for Kafka into a settings tree: dict "root" $ "config" $config "secrets" $secrets "user" NAME. */}}
{{- define "hermes.setKafka" -}}
{{- $kafka := default dict .config.kafka -}}
{{- if .root.Values.strimzi.enabled -}}
{{- if not $kafka.bootstrap_servers -}}
{{- $_ := set $kafka "bootstrap_servers" (printf "%s-kafka-bootstrap:9093" (include "hermes.kafkaName" .root)) -}}
{{- end -}}
{{- $own := dict "security_protocol" "SASL_SSL" "sasl_mechanism" "SCRAM-SHA-512" "sasl_username" .user -}}
{{- $kafka = merge $kafka $own -}}
{{- end -}}
{{- if .secrets.kafkaPassword.name }}{{ $_ := set $kafka "sasl_password_file" "/etc/hermes/kafka-password/password" }}{{ end -}}
{{- if .secrets.kafkaCa.name }}{{ $_ := set $kafka "ssl_ca_file" "/etc/hermes/kafka-ca/ca.crt" }}{{ end -}}
{{- if .secrets.kafkaClientCertificate.name -}}
{{- $_ := set $kafka "ssl_cert_file" "/etc/hermes/kafka-client/client.crt" -}}
{{- $_ := set $kafka "ssl_key_file" "/etc/hermes/kafka-client/client.key" -}}
{{- end -}}
{{- $_ := set .config "kafka" $kafka -}}
{{- end -}}

{{/* The settings tree: .Values.config and what follows from the rest of the values, but for hermes.changeable. */}}
{{- define "hermes.config" -}}
{{- $config := deepCopy .Values.config -}}
{{- $secrets := include "hermes.kafkaSecrets" . | fromYaml -}}
{{- include "hermes.setKafka" (dict "root" . "config" $config "secrets" $secrets "user" (include "hermes.kafkaUser" .)) -}}
{{- if .Values.head.eventsClaim -}}
{{- $_ := set $config "events" (merge (default dict $config.events) (dict "database" "sqlite:////var/lib/hermes/events.sqlite")) -}}
{{- end -}}
{{- $model := default dict $config.model -}}
{{- $cluster := default dict $config.cluster -}}
{{- $ingest := int .Values.ingest.replicas -}}
{{- $_ := set $cluster "address" "auto" -}}
{{- $_ := set $cluster "ingest_workers" $ingest -}}
{{- if .Values.memory.enabled -}}
{{- $_ := set $model "device" "cuda" -}}
{{- $_ := set $cluster "memory_worker_cpus" 0 -}}
{{- else -}}
{{- $_ := set $model "device" "cpu" -}}
{{- $_ := set $cluster "memory_worker_cpus" 1 -}}
{{- end -}}
{{- $_ := set $config "model" $model -}}
{{- $_ := set $config "cluster" $cluster -}}
{{- $api := merge (dict "host" "0.0.0.0" "port" 8000 "replicas" $ingest) (default dict $config.api) -}}
{{- $access := default dict $api.access -}}
{{- if .Values.secrets.apiKeys.name -}}
{{- $_ := set $access "keys_file" "/etc/hermes/api-keys/keys.json" -}}
{{- else -}}
{{- /* Whom the network policy lets in is served. */}}
{{- $_ := set $access "open_without_keys" true -}}
{{- end -}}
{{- $_ := set $api "access" $access -}}
{{- $_ := set $config "api" $api -}}
{{- $_ := set $config "metrics" (merge (dict "host" "0.0.0.0" "port" 9464) (default dict $config.metrics)) -}}
{{- if $config.log }}{{ $_ := set $config "log" (omit $config.log "level") }}{{ end -}}
{{- toYaml $config -}}
{{- end -}}

{{- define "hermes.memoryWorkers" -}}
{{- ternary (mul .Values.memory.replicas .Values.memory.gpusPerPod) 1 .Values.memory.enabled -}}
{{- end -}}

{{/* Settings that a running cluster takes: arguments of the Serve application, which KubeRay does not hash. */}}
{{- define "hermes.changeable" -}}
{{- $settings := dict "cluster" (dict "memory_workers" (int (include "hermes.memoryWorkers" .))) -}}
{{- with (.Values.config.log).level }}{{ $_ := set $settings "log" (dict "level" .) }}{{ end -}}
{{- toYaml $settings -}}
{{- end -}}

{{/* Name of the ConfigMap. Another content is another name, so pods of the cluster before go on with theirs. */}}
{{- define "hermes.configName" -}}
{{- printf "%s-%s" (include "hermes.fullname" .) (include "hermes.config" . | sha256sum | trunc 10) -}}
{{- end -}}

{{/* What cannot work is refused here, by name, where the schema cannot see it. */}}
{{- define "hermes.validate" -}}
{{- $servers := dig "kafka" "bootstrap_servers" "" .Values.config -}}
{{- if and (not $servers) (not .Values.strimzi.enabled) -}}
{{- fail "config.kafka.bootstrap_servers: name the brokers, or set strimzi.enabled" -}}
{{- end -}}
{{- if and .Values.gcsFaultTolerance.enabled (not .Values.gcsFaultTolerance.redisAddress) -}}
{{- fail "gcsFaultTolerance.redisAddress: needed with gcsFaultTolerance.enabled" -}}
{{- end -}}
{{- if and .Values.head.eventsClaim (ne .Values.rayService.upgradeStrategy "None") -}}
{{- fail "head.eventsClaim: two clusters would write one file during an upgrade; set rayService.upgradeStrategy to None, or name a PostgreSQL in config.events.database" -}}
{{- end -}}
{{- if and .Values.ingress.enabled (not .Values.ingress.host) -}}
{{- fail "ingress.host: needed with ingress.enabled" -}}
{{- end -}}
{{- $protocol := dig "kafka" "security_protocol" "PLAINTEXT" .Values.config -}}
{{- if and (hasPrefix "SASL" $protocol) (not .Values.secrets.kafkaPassword.name) (not .Values.strimzi.enabled) -}}
{{- fail "secrets.kafkaPassword.name: needed with config.kafka.security_protocol SASL_*" -}}
{{- end -}}
{{- $store := default "auto" (.Values.config.snapshots).url -}}
{{- if and (eq $store "auto") (gt (int (include "hermes.memoryWorkers" .)) 1) (not .Values.memory.acceptLoss) -}}
{{- fail "config.snapshots.url: several memory workers need a store that all of them reach, such as s3://bucket/prefix. Without one a pod that goes takes its streams' memories with it; memory.acceptLoss: true accepts that" -}}
{{- end -}}
{{- if hasPrefix "/" $store -}}
{{- $mounts := list -}}
{{- if .Values.modelCache.existingClaim }}{{ $mounts = append $mounts "/var/cache/hermes" }}{{ end -}}
{{- range .Values.extraVolumeMounts }}{{ $mounts = append $mounts (trimSuffix "/" .mountPath) }}{{ end -}}
{{- $found := false -}}
{{- range $mounts }}{{ if or (eq $store .) (hasPrefix (printf "%s/" .) $store) }}{{ $found = true }}{{ end }}{{ end -}}
{{- if not $found -}}
{{- fail (printf "config.snapshots.url: no volume is mounted at %s; add one with extraVolumes and extraVolumeMounts" $store) -}}
{{- end -}}
{{- end -}}
{{- if and (not .Values.memory.enabled) (gt (int .Values.ingest.replicas) 1) -}}
{{- fail "ingest.replicas: only 1 without memory.enabled, or Ray could spread the workers so that one finds no room" -}}
{{- end -}}
{{- with .Values.cameras -}}
{{- $files := 0 -}}
{{- range list .file .existingConfigMap .existingSecret }}{{ if . }}{{ $files = add1 $files }}{{ end }}{{ end -}}
{{- if and .enabled (ne (int $files) 1) -}}
{{- fail "cameras.file: with cameras.enabled give the file once: as cameras.file, cameras.existingConfigMap or cameras.existingSecret" -}}
{{- end -}}
{{- if and .enabled (not .standingQuestions) (not (dig "api" "" .file)) -}}
{{- range $name, $camera := merge (dict "" (dig "defaults" (dict) .file)) (dig "cameras" (dict) .file) -}}
{{- if $camera.standing -}}
{{- fail "cameras.standingQuestions: cameras.file has standing questions; set it to true, or name another system as cameras.file.api.url" -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $reserved := addf 0.1 (dig "cluster" "ingest_worker_cpus" 0.5 .Values.config) (ternary 0 1 .Values.memory.enabled) -}}
{{- if gt $reserved (float64 .Values.ingest.rayCpus) -}}
{{- fail (printf "ingest.rayCpus: a pod's workers reserve %g CPUs" $reserved) -}}
{{- end -}}
{{- end -}}
