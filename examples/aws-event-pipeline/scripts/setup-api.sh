#!/usr/bin/env bash
# Sets the tenant's quota and retention, and the heartbeat. It can be run again at any time.
. "$(dirname "$0")/common.sh"
need_gateway

call POST /v1/quotas "$(jq -n --arg namespace "$namespace" --arg tenant "$tenant" '{$namespace, $tenant,
  id: "smartbuilding-hourly", max_actions: 500, window: "hourly", overage_behavior: "block", enabled: true,
  description: "What the sensors of the building may send in an hour"}')" >/dev/null
echo "quota      500 actions an hour"

policy=$(jq -n --arg namespace "$namespace" --arg tenant "$tenant" '{$namespace, $tenant, enabled: true,
  audit_ttl_seconds: 604800, event_ttl_seconds: 172800, compliance_hold: false, description: "A week of audit, two days of events"}')
if [ "$(ask /v1/retention | jq .count)" = 0 ]; then
  call POST /v1/retention "$policy" >/dev/null
else
  call PUT "/v1/retention/$namespace:$tenant" "$policy" >/dev/null
fi
echo "retention  audit 7 days, events 2 days"

if ! ask /v1/recurring | jq -e '.recurring_actions | any(.id == "device-heartbeat")' >/dev/null; then
  call POST /v1/recurring "$(jq --arg namespace "$namespace" --arg tenant "$tenant" '{$namespace, $tenant} +
    {id, cron_expression, description} + .action' "$example/actions/heartbeat.json")" >/dev/null
fi
echo "recurring  device-heartbeat, every 5 minutes"
