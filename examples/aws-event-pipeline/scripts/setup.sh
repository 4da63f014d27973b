#!/usr/bin/env bash
# Creates what the example needs in LocalStack or moto. It can be run again at any time.
. "$(dirname "$0")/common.sh"
need curl python3 base64
need_endpoint

# moto runs functions in containers unless it is told to answer with their events.
if curl -sf -o /dev/null --max-time 10 "$AWS_ENDPOINT_URL/moto-api/"; then
  curl -sf -o /dev/null --max-time 10 -H 'Content-Type: application/json' \
    -d '{"lambda": {"use_docker": false}}' "$AWS_ENDPOINT_URL/moto-api/config"
fi

topic=arn:aws:sns:$region:$account:building-alerts
case $(query sns 2010-03-31 Action=CreateTopic Name=building-alerts) in
  *"$topic"*) ;;
  *) fail "the account is not $account: start moto with MOTO_ACCOUNT_ID=$account" ;;
esac
echo "topic    building-alerts"

# The two inboxes show what topic and bus tell their subscribers.
for queue in telemetry-metrics telemetry-dlq alerts-inbox events-inbox; do
  json sqs AmazonSQS.CreateQueue "{\"QueueName\": \"$queue\"}" >/dev/null
  echo "queue    $queue"
done
query sns 2010-03-31 Action=Subscribe TopicArn="$topic" Protocol=sqs \
  Endpoint="arn:aws:sqs:$region:$account:alerts-inbox" >/dev/null

json events AWSEvents.CreateEventBus '{"Name": "building-events"}' >/dev/null
json events AWSEvents.PutRule '{"Name": "to-inbox", "EventBusName": "building-events",
  "EventPattern": "{\"source\": [\"acteon\", \"acteon.iot\"]}"}' >/dev/null
json events AWSEvents.PutTargets "{\"Rule\": \"to-inbox\", \"EventBusName\": \"building-events\",
  \"Targets\": [{\"Id\": \"inbox\", \"Arn\": \"arn:aws:sqs:$region:$account:events-inbox\"}]}" >/dev/null
echo "bus      building-events"

request s3 /building-telemetry -X PUT >/dev/null
echo "bucket   building-telemetry"

query iam 2010-05-08 Action=CreateRole RoleName=acteon-functions \
  AssumeRolePolicyDocument='{"Version": "2012-10-17", "Statement": []}' >/dev/null
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for function in telemetry-normalizer anomaly-detector; do
  module=${function//-/_}
  python3 -m zipfile -c "$work/$module.zip" "$example/functions/$module.py"
  code=$(base64 <"$work/$module.zip" | tr -d '\n')
  request lambda /2015-03-31/functions -H 'Content-Type: application/json' -d "{\"FunctionName\": \"$function\",
    \"Runtime\": \"python3.12\", \"Handler\": \"$module.handler\", \"Code\": {\"ZipFile\": \"$code\"},
    \"Role\": \"arn:aws:iam::$account:role/acteon-functions\"}" >/dev/null
  echo "function $function"
done
