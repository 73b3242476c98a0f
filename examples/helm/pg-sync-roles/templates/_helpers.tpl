{{- define "pg-sync-roles.name" -}}
{{- if contains "pg-sync-roles" .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-pg-sync-roles" .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "pg-sync-roles.selector" -}}
app.kubernetes.io/name: pg-sync-roles
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "pg-sync-roles.labels" -}}
{{ include "pg-sync-roles.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "pg-sync-roles.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end -}}
{{- end -}}
{{- end -}}

{{- /* The secret with the connection string: without it, nothing is installed. */ -}}
{{- define "pg-sync-roles.secret" -}}
{{- if and .Values.existingSecret .Values.databaseUrl -}}
{{- fail "existingSecret and databaseUrl are both set: keep one of them, as only one can say which database it is." -}}
{{- else if .Values.existingSecret -}}
{{- .Values.existingSecret -}}
{{- else if .Values.databaseUrl -}}
{{- if ne (len .Values.databaseUrlKeys) 1 -}}
{{- fail "databaseUrl is one connection string, and databaseUrlKeys names several: put them all into a secret, and name that in existingSecret." -}}
{{- end -}}
{{- include "pg-sync-roles.name" . -}}
{{- else -}}
{{- fail (printf "No database is named: make a secret with the connection string under the key %s, and give its name, as in --set existingSecret=pg-sync-roles." (first .Values.databaseUrlKeys)) -}}
{{- end -}}
{{- end -}}
