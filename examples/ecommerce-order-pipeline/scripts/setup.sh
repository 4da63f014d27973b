#!/usr/bin/env bash
# Sets the shop's quota and retention. It can be run again at any time.
. "$(dirname "$0")/common.sh"
need_gateway

call POST /v1/quotas "$(jq -n --arg namespace "$namespace" --arg tenant "$tenant" '{$namespace, $tenant,
  id: "acme-store-hourly", max_actions: 200, window: "hourly", overage_behavior: "block", enabled: true,
  description: "What the shop may send in an hour"}')" >/dev/null
echo "quota      200 actions an hour"

policy=$(jq -n --arg namespace "$namespace" --arg tenant "$tenant" '{$namespace, $tenant, enabled: true,
  audit_ttl_seconds: 1209600, event_ttl_seconds: 259200, compliance_hold: false,
  description: "Two weeks of audit, three days of orders"}')
if [ "$(ask /v1/retention | jq .count)" = 0 ]; then
  call POST /v1/retention "$policy" >/dev/null
else
  call PUT "/v1/retention/$namespace:$tenant" "$policy" >/dev/null
fi
echo "retention  audit 14 days, events 3 days"
