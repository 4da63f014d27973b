#!/usr/bin/env bash
# Shows what happens as it happens: listens, sends three orders, and ends when all three have been told of.
. "$(dirname "$0")/common.sh"
need_gateway

events=$(mktemp)
curl -sSN --max-time 120 "$endpoint/v1/stream?namespace=$namespace" >"$events" &
listener=$!
trap 'kill "$listener" 2>/dev/null; rm -f "$events"' EXIT
for _ in $(seq 100); do
  kill -0 "$listener" 2>/dev/null || fail "the stream ended: $(cat "$events")"
  # Its first line is there once it listens.
  [ ! -s "$events" ] || break
  sleep 0.1
done

send "$example/actions/streamed.ndjson" order_id
for _ in $(seq 300); do
  [ "$(grep -c '^event: action_dispatched' "$events" || true)" -lt 3 ] || break
  sleep 0.1
done

section "what the stream told" sed -n 's/^data: //p' "$events" |
  jq -Rr 'fromjson? // . | if type == "object" then [.timestamp[11:19], .type, .action_type // "-", .outcome // "-" | tostring] | @tsv else . end'
