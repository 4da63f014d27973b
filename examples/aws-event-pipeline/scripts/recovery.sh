#!/usr/bin/env bash
# Shows how the circuits close again: start LocalStack or moto first.
. "$(dirname "$0")/common.sh"
need curl "$acteon"
need_endpoint

# The stand-in has forgotten everything.
"$example/scripts/setup.sh"
wait_for half_open alert-fanout anomaly-detector

echo "== one alert tries SNS again"
"$acteon" produce "$example/actions/half-open.ndjson" --wait --timeout 60s
wait_for closed alert-fanout

echo "== one reading tries the detector again"
"$acteon" produce "$example/actions/closed.ndjson" --wait --timeout 60s
wait_for closed anomaly-detector
"$acteon" providers list
