#!/usr/bin/env bash
# Sets the tenant's quota and retention, and the heartbeat. It can be run again at any time.
. "$(dirname "$0")/common.sh"
need_gateway

quota smartbuilding-hourly 500 "What the sensors of the building may send in an hour"
retention 7 2 "A week of audit, two days of events"

if ! ask /v1/recurring | jq -e '.recurring_actions | any(.id == "device-heartbeat")' >/dev/null; then
  call POST /v1/recurring "$(jq --arg namespace "$namespace" --arg tenant "$tenant" '{$namespace, $tenant} +
    {id, cron_expression, description} + .action' "$example/actions/heartbeat.json")" >/dev/null
fi
echo "recurring  device-heartbeat, every 5 minutes"
