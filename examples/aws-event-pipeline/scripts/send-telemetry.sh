#!/usr/bin/env bash
# Sends the 21 events and shows what becomes of each. Options are those of `acteon produce`, as --json.
. "$(dirname "$0")/common.sh"
need "$acteon"

"$acteon" produce "$example/actions/telemetry.ndjson" --wait "$@"
