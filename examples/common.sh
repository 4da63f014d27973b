# What the examples' scripts share: asking a gateway over HTTP, and showing its answers. It is sourced by theirs, with
# `namespace` and `tenant` set, and needs bash, curl and jq.
set -euo pipefail
shopt -s inherit_errexit

# The configuration is written for the repository's root.
cd "$(dirname "${BASH_SOURCE[0]}")/.."
endpoint=${ACTEON_ENDPOINT:-http://127.0.0.1:8080}

fail() {
  echo "$(basename "$0"): $*" >&2
  exit 1
}

need() {
  local program
  for program in "$@"; do
    command -v "$program" >/dev/null || fail "$program is not in PATH"
  done
}

# Ends the script unless a gateway answers and has caught up; waits a while for one that starts.
need_gateway() {
  need curl jq
  local answer
  for _ in $(seq 120); do
    answer=$(curl -sS --max-time 10 "$endpoint/ready" 2>&1) ||
      fail "nothing answers at $endpoint: start acteon (see README.md), or set ACTEON_ENDPOINT"
    ! jq -e '.ready == true' >/dev/null 2>&1 <<<"$answer" || return 0
    sleep 0.5
  done
  fail "the gateway at $endpoint is not ready: $answer"
}

# call METHOD PATH [BODY]: prints the answer; a refusal ends the script with its reason.
call() {
  local method=$1 path=$2 answer status
  local options=(-sS --max-time 110 -X "$method" -H 'Content-Type: application/json' -w '\n%{http_code}')
  [ $# -lt 3 ] || options+=(--data-binary "$3")
  answer=$(curl "${options[@]}" "$endpoint$path") || fail "$endpoint does not answer"
  status=${answer##*$'\n'}
  answer=${answer%$'\n'*}
  case $status in
    2*) printf '%s\n' "$answer" ;;
    *) fail "$method $path: $(jq -r '.message // .error' 2>/dev/null <<<"$answer" || echo "HTTP $status")" ;;
  esac
}

# Whose state is asked, as the query of an address.
scope() {
  jq -rn --arg namespace "$namespace" --arg tenant "$tenant" '@uri "namespace=\($namespace)&tenant=\($tenant)"'
}

# ask PATH [QUERY]: what the API says of the tenant.
ask() {
  call GET "$1?$(scope)${2:+&$2}"
}

# quota ID ACTIONS DESCRIPTION: lets the tenant send so many actions an hour.
quota() {
  call POST /v1/quotas "$(jq -n --arg namespace "$namespace" --arg tenant "$tenant" --arg id "$1" --argjson max_actions "$2" \
    --arg description "$3" '{$namespace, $tenant, $id, $max_actions, window: "hourly", overage_behavior: "block",
      enabled: true, $description}')" >/dev/null
  echo "quota      $2 actions an hour"
}

# retention AUDIT-DAYS EVENT-DAYS DESCRIPTION: how long what is known of the tenant is kept.
retention() {
  local policy
  policy=$(jq -n --arg namespace "$namespace" --arg tenant "$tenant" --argjson audit "$1" --argjson events "$2" \
    --arg description "$3" '{$namespace, $tenant, enabled: true, audit_ttl_seconds: ($audit * 86400),
      event_ttl_seconds: ($events * 86400), compliance_hold: false, $description}')
  if [ "$(ask /v1/retention | jq .count)" = 0 ]; then
    call POST /v1/retention "$policy" >/dev/null
  else
    call PUT "/v1/retention/$namespace:$tenant" "$policy" >/dev/null
  fi
  echo "retention  audit $1 days, events $2 days"
}

# forget_quota ID: removes a quota, where there is one.
forget_quota() {
  if ask /v1/quotas | jq -e --arg id "$1" '.quotas | any(.id == $id)' >/dev/null; then
    call DELETE "/v1/quotas/$1?$(scope)" >/dev/null
  fi
}

# Removes the tenant's retention, where there is one.
forget_retention() {
  if [ "$(ask /v1/retention | jq .count)" != 0 ]; then
    call DELETE "/v1/retention/$namespace:$tenant" >/dev/null
  fi
}

# About outcomes: `told` gives the tag and what is said of it, `brief` what is worth a line.
outcomes='
def snake: gsub("(?<letter>[A-Z])"; "_" + (.letter | ascii_downcase)) | ltrimstr("_");
def told:
  if type == "string" then {outcome: snake, detail: {}}
  elif .status == "accepted" then {outcome: "accepted", detail: .}
  else to_entries[0] | {outcome: (.key | snake), detail: .value} end;
def brief:
  .detail as $of |
  if .outcome == "executed" then $of.status
  elif .outcome == "rerouted" then "\($of.original_provider) → \($of.new_provider)"
  elif .outcome == "suppressed" then $of.rule
  elif .outcome == "chain_started" then $of.chain_name
  elif .outcome == "grouped" then "\($of.group_size) in the group, told of at \($of.notify_at)"
  elif .outcome == "scheduled" then "until \($of.scheduled_for)"
  elif .outcome == "pending_approval" then "until \($of.expires_at)"
  elif .outcome == "throttled" then "for \($of.retry_after.secs) s"
  elif .outcome == "failed" then "\($of.code): \($of.message)"
  else "" end;'

# dispatch ACTION: sends an action and prints its outcome.
dispatch() {
  call POST /v1/dispatch "$1"
}

# send FILE NAME [--json]: sends a file's actions one behind the other, and shows what becomes of each. NAME is the field
# of the payload by which people know it.
send() {
  local file=$1 name=$2 action answer line=0 sent
  sent=$(mktemp)
  trap 'rm -f "$sent"' RETURN
  while IFS= read -r action <&3; do
    line=$((line + 1))
    answer=$(dispatch "$action")
    jq -c --argjson line "$line" --argjson action "$action" --arg name "$name" "$outcomes"'
      told + {line: $line, name: $action.payload[$name], action_type: $action.action_type}' <<<"$answer" >>"$sent"
    if [ "${3:-}" = --json ]; then
      tail -n 1 "$sent"
    else
      tail -n 1 "$sent" | jq -r "$outcomes"'[.name, .outcome, brief] | @tsv' |
        awk -F '\t' '{ printf "%-22s %-18s %s\n", $1, $2, $3 }'
    fi
  done 3<"$file"
  [ "${3:-}" = --json ] || printf '\n%s actions sent: %s\n' "$line" "$(jq -rs '
    group_by(.outcome) | map("\(length) \(.[0].outcome)") | join(", ")' "$sent")"
}

# section TITLE COMMAND…: a part of a report.
section() {
  printf '\n== %s\n' "$1"
  shift
  "$@"
}

# table HEADER…: lines of cells with tabs between them as columns, or `none`.
table() {
  local IFS=$'\t'
  local header="$*"
  awk -F '\t' -v header="$header" '
    function take(row, text,   n, i, cells) {
      n = split(text, cells, "\t"); if (n > columns) columns = n
      for (i = 1; i <= n; i++) { cell[row, i] = cells[i]; if (length(cells[i]) > width[i]) width[i] = length(cells[i]) }
    }
    BEGIN { take(0, header) }
    { take(NR, $0) }
    END {
      if (NR == 0) { print "none"; exit }
      for (row = 0; row <= NR; row++) {
        line = ""
        for (i = 1; i <= columns; i++) line = line sprintf("%-" width[i] "s  ", cell[row, i])
        sub(/ +$/, "", line); print line
      }
    }'
}

# Whether the gateway has a path; says so where it has not.
tells() {
  [ "$(curl -s -o /dev/null --max-time 60 -w '%{http_code}' "$endpoint$1")" != 404 ] || {
    echo "this gateway does not tell"
    return 1
  }
}

# What became of actions, counted by the audit view; what operators asked for is no action.
report_outcomes() {
  call GET "/v1/analytics?metric=outcome_breakdown&interval=daily&top_n=100&$(scope)" | jq -r '
    [.top_entries[]? | select(.label | startswith("command_") | not)] | (map(.count) | add) as $all
    | .[] | [.label, .count, "\(.count * 1000 / $all | round / 10) %"] | @tsv' | table OUTCOME ACTIONS SHARE
}

# The newest audit records, and in how many of them something is hidden.
report_audit() {
  local records
  records=$(ask /v1/audit limit=1000)
  jq -r '.records[:12][] | [.dispatched_at[11:19], .action_type, .outcome, (if .provider == "" then "-" else .provider end), .matched_rule // "-"] | @tsv' \
    <<<"$records" | table TIME "ACTION TYPE" OUTCOME PROVIDER RULE
  jq -r '"\(.records | length) records, \([.records[] | select(.action_payload // {} | tostring | contains("[REDACTED]"))]
    | length) with hidden fields"' <<<"$records"
}

report_chains() {
  local chains
  chains=$(ask /v1/chains limit=1000)
  jq -r '.chains | group_by([.chain_name, .status])[] | [.[0].chain_name, .[0].status, length] | @tsv' <<<"$chains" |
    table CHAIN STATUS COUNT
}

report_events() {
  ask /v1/events | jq -r '.events[] | [.fingerprint, .state, .action_type, .updated_at] | @tsv' |
    table EVENT STATE "ACTION TYPE" "UPDATED AT"
}

report_providers() {
  tells /v1/providers/health || return 0
  call GET /v1/providers/health | jq -r '.providers[] | [.provider, (if .healthy then "healthy" else "unhealthy" end),
    .circuit_breaker_state // "-", .total_requests, .failures, .p50_latency_ms // "-", .p99_latency_ms // "-"] | @tsv' |
    table PROVIDER HEALTH CIRCUIT CALLS FAILURES "P50 MS" "P99 MS"
}

report_circuits() {
  tells /v1/circuit-breakers || return 0
  call GET /v1/circuit-breakers | jq -r '.circuit_breakers[] | [.provider, .state, .failure_threshold,
    .recovery_timeout_seconds, .fallback_provider // "-"] | @tsv' |
    table PROVIDER STATE "OPENS AFTER" "TRIES AGAIN AFTER S" FALLBACK
}

# What could not be delivered, and nobody has dealt with.
report_dead_letters() {
  call GET "/v1/dlq?$(scope)" | jq -r '.entries[] | [.id, .timestamp[11:19], .holds, .code, .provider // "-", .action_id // "-"] | @tsv' |
    table "DEAD LETTER" TIME HOLDS CODE PROVIDER ACTION
}

report_quotas() {
  ask /v1/quotas | jq -r '.quotas[] | [.id, .used, .max_actions, .remaining, (.window | tostring), .resets_at // "-"] | @tsv' |
    table QUOTA USED LIMIT REMAINING WINDOW "RESETS AT"
}

report_groups() {
  ask /v1/groups | jq -r '.groups[] | [.group_key, .event_count, .state, .notify_at] | @tsv' |
    table GROUP EVENTS STATE "TOLD OF AT"
}

report_scheduled() {
  ask /v1/scheduled | jq -r '.scheduled[] | [.action_id, .action_type, .scheduled_for] | @tsv' |
    table ACTION "ACTION TYPE" UNTIL
}

report_recurring() {
  ask /v1/recurring | jq -r '.recurring_actions[] | [.id, .cron_expr, .enabled, .execution_count, .next_execution_at // "-"] | @tsv' |
    table "RECURRING ACTION" CRON ENABLED RUNS NEXT
}

report_retention() {
  ask /v1/retention | jq -r '.policies[] | [.id, .audit_ttl_seconds // "-", .event_ttl_seconds // "-", .compliance_hold] | @tsv' |
    table POLICY "AUDIT S" "EVENTS S" HOLD
}
