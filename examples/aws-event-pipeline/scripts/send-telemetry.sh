#!/usr/bin/env bash
# Sends the 21 events and shows what becomes of each; with --json as one JSON object each.
. "$(dirname "$0")/common.sh"
need_gateway

send "$example/actions/telemetry.ndjson" device_id "$@"
