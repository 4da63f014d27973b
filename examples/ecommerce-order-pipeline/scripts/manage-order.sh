#!/usr/bin/env bash
# Places an order and takes it from placed to delivered: manage-order.sh [ORDER]
. "$(dirname "$0")/common.sh"
need_gateway
order=${1:-order-lifecycle-001}

# Prints the order's event, or nothing where there is none.
event() {
  ask /v1/events limit=1000 | jq -c --arg order "$order" '.events[] | select(.fingerprint == $order)'
}

# Each attempt is an order of its own to Acteon: one that was throttled leaves nothing behind but its audit record.
place() {
  dispatch "$(jq -n --arg namespace "$namespace" --arg tenant "$tenant" --arg order "$order" '{$namespace, $tenant,
    provider: "payment-gateway", action_type: "place_order",
    payload: {order_id: $order, total_cents: 7999, currency: "USD", shipping_country: "US",
      customer_email: "customer@example.com", card_last4: "4242", billing_zip: "10001",
      items: [{sku: "SKU-100", quantity: 1}]}}')"
}

[ -z "$(event)" ] || fail "$order is $(event | jq -r .state) already: name another order"
while :; do
  answer=$(place)
  outcome=$(jq -r "$outcomes"'told.outcome' <<<"$answer")
  echo "$order: $(jq -r "$outcomes"'told | "\(.outcome) \(brief)"' <<<"$answer")"
  [ "$outcome" = throttled ] || break
  sleep "$(jq '.Throttled.retry_after.secs + 1' <<<"$answer")"
done
case $outcome in
  executed) ;;
  scheduled) echo "it is placed when the schedule lets it go" ;;
  *) fail "the order was not placed" ;;
esac
for _ in $(seq 120); do
  [ -z "$(event)" ] || break
  sleep 0.5
done
[ -n "$(event)" ] || fail "there is no event $order after a minute"

section "placed" report_events
for state in confirmed shipped delivered; do
  call PUT "/v1/events/$order/transition" "$(jq -n --arg namespace "$namespace" --arg tenant "$tenant" --arg to "$state" \
    '{$namespace, $tenant, $to}')" | jq -r '"\n\(.fingerprint): \(.previous_state) → \(.new_state)"'
  section "$state" report_events
done
