#!/usr/bin/env bash
# Shows what has happened: outcomes, chains, groups, held actions, circuits, and what is in the queues.
. "$(dirname "$0")/common.sh"
need curl "$acteon"

section() {
  printf '\n== %s\n' "$1"
  shift
  "$@"
}

outcomes() {
  "$acteon" tail outcomes --from-beginning --no-follow --json |
    sed -n 's/.*"outcome": *"\([a-z_]*\)".*/\1/p' | sort | uniq -c | sort -rn
}

# messages QUEUE: how many messages are in it.
messages() {
  local answer
  answer=$(json sqs AmazonSQS.GetQueueAttributes \
    "{\"QueueUrl\": \"$(queue_url "$1")\", \"AttributeNames\": [\"ApproximateNumberOfMessages\"]}")
  sed -n 's/.*"ApproximateNumberOfMessages": *"\([0-9]*\)".*/\1/p' <<<"$answer"
}

queues() {
  answers || { echo "nothing answers at $AWS_ENDPOINT_URL"; return; }
  for queue in telemetry-metrics telemetry-dlq alerts-inbox events-inbox; do
    printf '%-18s %s messages\n' "$queue" "$(messages "$queue")"
  done
}

section "outcomes" outcomes
section "chains" "$acteon" chains list
section "groups" "$acteon" groups list
section "scheduled actions" "$acteon" scheduled list
section "events" "$acteon" events list
section "providers" "$acteon" providers list
section "dead letters" "$acteon" dlq list
section "quotas" "$acteon" quotas list
section "recurring actions" "$acteon" recurring list
section "retention" "$acteon" retention show
section "queues" queues
