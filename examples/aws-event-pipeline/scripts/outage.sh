#!/usr/bin/env bash
# Shows what happens while AWS is away: stop LocalStack or moto first.
. "$(dirname "$0")/common.sh"
need_gateway
need "$acteon"
! answers || fail "$AWS_ENDPOINT_URL answers: stop LocalStack or moto first"

echo "== two readings and two alerts: none of them arrives"
send "$example/actions/outage.ndjson" device_id
wait_for open anomaly-detector alert-fanout
"$acteon" providers list

echo "== an alert and a call of the detector: their providers are not called, their fallbacks are"
send "$example/actions/tripped.ndjson" device_id
"$acteon" dlq list
