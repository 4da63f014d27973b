#!/usr/bin/env bash
# Removes what setup-api.sh made; it can be run again at any time. What setup.sh made goes when LocalStack or moto stops.
. "$(dirname "$0")/common.sh"
need "$acteon"

case $("$acteon" quotas list --json) in
  *smartbuilding-hourly*) "$acteon" quotas delete smartbuilding-hourly >/dev/null ;;
esac
case $("$acteon" recurring list --json) in
  *device-heartbeat*) "$acteon" recurring delete device-heartbeat >/dev/null ;;
esac
case $("$acteon" retention show --json) in
  *audit_ttl_seconds*) "$acteon" retention delete >/dev/null ;;
esac
echo "removed the quota, the heartbeat and the retention"
