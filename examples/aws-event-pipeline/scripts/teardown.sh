#!/usr/bin/env bash
# Removes what setup-api.sh made; it can be run again at any time. What setup.sh made goes when LocalStack or moto stops.
. "$(dirname "$0")/common.sh"
need_gateway

forget_quota smartbuilding-hourly
if ask /v1/recurring | jq -e '.recurring_actions | any(.id == "device-heartbeat")' >/dev/null; then
  call DELETE "/v1/recurring/device-heartbeat?$(scope)" >/dev/null
fi
forget_retention
echo "removed the quota, the heartbeat and the retention"
