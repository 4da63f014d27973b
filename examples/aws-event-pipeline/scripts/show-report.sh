#!/usr/bin/env bash
# Shows what has happened: outcomes, audit records, chains, events, groups, held actions, providers and their circuits, what
# setup-api.sh has set, and what is in the queues.
. "$(dirname "$0")/common.sh"
need_gateway

# messages QUEUE: how many messages are in it.
messages() {
  local answer
  answer=$(json sqs AmazonSQS.GetQueueAttributes \
    "{\"QueueUrl\": \"$(queue_url "$1")\", \"AttributeNames\": [\"ApproximateNumberOfMessages\"]}")
  jq -r '.Attributes.ApproximateNumberOfMessages' <<<"$answer"
}

queues() {
  answers || { echo "nothing answers at $AWS_ENDPOINT_URL"; return; }
  for queue in telemetry-metrics telemetry-dlq alerts-inbox events-inbox; do
    printf '%-18s %s messages\n' "$queue" "$(messages "$queue")"
  done
}

section "outcomes" report_outcomes
section "audit trail" report_audit
section "chains" report_chains
section "events" report_events
section "groups" report_groups
section "scheduled actions" report_scheduled
section "providers" report_providers
section "circuit breakers" report_circuits
section "quotas" report_quotas
section "recurring actions" report_recurring
section "retention" report_retention
section "queues" queues
