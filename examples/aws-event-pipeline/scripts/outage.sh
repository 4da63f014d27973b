#!/usr/bin/env bash
# Shows what happens while AWS is away: stop LocalStack or moto first.
. "$(dirname "$0")/common.sh"
need curl "$acteon"
! answers || fail "$AWS_ENDPOINT_URL answers: stop LocalStack or moto first"

echo "== two readings and two alerts: none of them arrives"
"$acteon" produce "$example/actions/outage.ndjson" --wait --timeout 60s
wait_for open anomaly-detector alert-fanout
"$acteon" providers list

echo "== an alert and a call of the detector: their providers are not called, their fallbacks are"
"$acteon" produce "$example/actions/tripped.ndjson" --wait --timeout 60s
"$acteon" dlq list
