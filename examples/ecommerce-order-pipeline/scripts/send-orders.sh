#!/usr/bin/env bash
# Sends the 15 orders and shows what becomes of each; with --json as one JSON object each.
. "$(dirname "$0")/common.sh"
need_gateway

send "$example/actions/orders.ndjson" order_id "$@"
