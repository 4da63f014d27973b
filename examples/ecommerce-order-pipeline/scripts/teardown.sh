#!/usr/bin/env bash
# Removes what setup.sh made; it can be run again at any time.
. "$(dirname "$0")/common.sh"
need_gateway

if ask /v1/quotas | jq -e '.quotas | any(.id == "acme-store-hourly")' >/dev/null; then
  call DELETE "/v1/quotas/acme-store-hourly?$(scope)" >/dev/null
fi
if [ "$(ask /v1/retention | jq .count)" != 0 ]; then
  call DELETE "/v1/retention/$namespace:$tenant" >/dev/null
fi
echo "removed the quota and the retention"
