{{- define "careloop.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "careloop.selector" -}}
app.kubernetes.io/name: careloop
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .process }}
{{- end }}

{{- define "careloop.labels" -}}
{{ include "careloop.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end }}

{{- define "careloop.image" -}}
{{- with .Values.image }}
{{- if .digest }}{{ printf "%s@%s" .repository .digest }}
{{- else }}{{ printf "%s:%s" .repository (default $.Chart.AppVersion .tag) }}{{ end }}
{{- end }}
{{- end }}

{{- /* One setting from the operator's Secret. */ -}}
{{- define "careloop.secret" -}}
- name: {{ .variable }}
  valueFrom:
    secretKeyRef:
      name: {{ .root.Values.secretName }}
      key: {{ .key }}
      {{- if .optional }}
      optional: true
      {{- end }}
{{- end }}

{{- /* The pod of one process: called with root, process, args, values and what differs. */ -}}
{{- define "careloop.pod" -}}
metadata:
  labels:
    {{- include "careloop.labels" . | nindent 4 }}
  {{- if or .config .root.Values.podAnnotations }}
  annotations:
    {{- if .config }}
    # a changed setting restarts the process
    careloop/settings: {{ include (print .root.Template.BasePath "/configmap.yaml") .root | sha256sum }}
    {{- end }}
    {{- with .root.Values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- end }}
spec:
  automountServiceAccountToken: false
  enableServiceLinks: false
  {{- with .root.Values.image.pullSecrets }}
  imagePullSecrets:
    {{- range . }}
    - name: {{ . }}
    {{- end }}
  {{- end }}
  {{- if .values.terminationGracePeriodSeconds }}
  terminationGracePeriodSeconds: {{ .values.terminationGracePeriodSeconds }}
  {{- end }}
  {{- with .restartPolicy }}
  restartPolicy: {{ . }}
  {{- end }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 10001
    runAsGroup: 10001
    fsGroup: 10001
    fsGroupChangePolicy: OnRootMismatch
    seccompProfile:
      type: RuntimeDefault
  {{- if .spread }}
  topologySpreadConstraints:
    - maxSkew: 1
      topologyKey: kubernetes.io/hostname
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "careloop.selector" . | nindent 10 }}
  {{- end }}
  {{- with .root.Values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .root.Values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: {{ .process }}
      image: {{ include "careloop.image" .root }}
      imagePullPolicy: {{ .root.Values.image.pullPolicy }}
      args: {{ toJson .args }}
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities:
          drop: [ALL]
      {{- if .config }}
      envFrom:
        - configMapRef:
            name: {{ include "careloop.name" .root }}
      {{- end }}
      env:
        {{- include "careloop.secret" (dict "root" .root "variable" "CARELOOP_DATABASE_URL" "key" "database-url") | nindent 8 }}
        {{- if .owner }}
        {{- include "careloop.secret" (dict "root" .root "variable" "CARELOOP_OWNER_DATABASE_URL" "key" "owner-database-url") | nindent 8 }}
        {{- else }}
        {{- include "careloop.secret" (dict "root" .root "variable" "CARELOOP_MASTER_KEY" "key" "master-key") | nindent 8 }}
        {{- include "careloop.secret" (dict "root" .root "variable" "CARELOOP_BROKER_URL" "key" "broker-url" "optional" true) | nindent 8 }}
        {{- include "careloop.secret" (dict "root" .root "variable" "CARELOOP_STRIPE_API_KEY" "key" "stripe-api-key" "optional" true) | nindent 8 }}
        {{- include "careloop.secret" (dict "root" .root "variable" "CARELOOP_STRIPE_WEBHOOK_SECRET" "key" "stripe-webhook-secret" "optional" true) | nindent 8 }}
        {{- include "careloop.secret" (dict "root" .root "variable" "CARELOOP_SMTP_URL" "key" "smtp-url" "optional" true) | nindent 8 }}
        {{- include "careloop.secret" (dict "root" .root "variable" "CARELOOP_SMS_URL" "key" "sms-url" "optional" true) | nindent 8 }}
        {{- include "careloop.secret" (dict "root" .root "variable" "CARELOOP_SMS_TOKEN" "key" "sms-token" "optional" true) | nindent 8 }}
        {{- end }}
      {{- with .extra }}
      {{- . | nindent 6 }}
      {{- end }}
      resources:
        {{- toYaml .values.resources | nindent 8 }}
      volumeMounts:
        - name: files
          mountPath: /var/lib/careloop
        - name: scratch
          mountPath: /tmp
  volumes:
    - name: files
      {{- if and .config .root.Values.files.existingClaim }}
      persistentVolumeClaim:
        claimName: {{ .root.Values.files.existingClaim }}
      {{- else }}
      emptyDir: {}
      {{- end }}
    - name: scratch
      emptyDir: {}
{{- end }}
