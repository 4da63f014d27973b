#!/usr/bin/env bash
# Sets the tenant's quota and retention, and the heartbeat. It can be run again at any time.
. "$(dirname "$0")/common.sh"
need "$acteon"

"$acteon" quotas set --id smartbuilding-hourly --max-actions 500 --window hourly --overage block >/dev/null
echo "quota      500 actions an hour"
"$acteon" retention set --audit 604800 --events 172800 >/dev/null
echo "retention  audit 7 days, events 2 days"
case $("$acteon" recurring list --json) in
  *device-heartbeat*) ;;
  *) "$acteon" recurring create "$example/actions/heartbeat.json" >/dev/null ;;
esac
echo "recurring  device-heartbeat, every 5 minutes"
