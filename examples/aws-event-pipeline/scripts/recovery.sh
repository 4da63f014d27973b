#!/usr/bin/env bash
# Shows how the circuits close again: start LocalStack or moto first.
. "$(dirname "$0")/common.sh"
need_gateway
need_endpoint

# The stand-in has forgotten everything.
"$example/scripts/setup.sh"
wait_for half_open alert-fanout anomaly-detector

echo "== one alert tries SNS again"
send "$example/actions/half-open.ndjson" device_id
wait_for closed alert-fanout

echo "== one reading tries the detector again"
send "$example/actions/closed.ndjson" device_id
wait_for closed anomaly-detector
section "circuit breakers" report_circuits
