#!/usr/bin/env bash
# Shows what happens while AWS is away: stop LocalStack or moto first.
. "$(dirname "$0")/common.sh"
need_gateway
! answers || fail "$AWS_ENDPOINT_URL answers: stop LocalStack or moto first"

echo "== two readings and two alerts: none of them arrives"
send "$example/actions/outage.ndjson" device_id
wait_for open anomaly-detector alert-fanout
section "circuit breakers" report_circuits

echo "== an alert and a call of the detector: their providers are not called, their fallbacks are"
send "$example/actions/tripped.ndjson" device_id
section "dead letters" report_dead_letters
