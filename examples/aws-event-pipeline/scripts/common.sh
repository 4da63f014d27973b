# What the scripts share; it is sourced by them.
namespace=iot tenant=smartbuilding-hq
. "$(dirname "${BASH_SOURCE[0]}")/../../common.sh"

example=examples/aws-event-pipeline
export AWS_ENDPOINT_URL=${AWS_ENDPOINT_URL:-http://localhost:4566}
region=us-east-1
# That of LocalStack, and of moto with MOTO_ACCOUNT_ID.
account=000000000000

answers() {
  curl -s -o /dev/null --max-time 10 "$AWS_ENDPOINT_URL/"
}

# Ends the script unless a stand-in for AWS answers.
need_endpoint() {
  case $AWS_ENDPOINT_URL in
    *amazonaws.com*) fail "AWS_ENDPOINT_URL is AWS itself; these scripts are for LocalStack and moto" ;;
  esac
  answers || fail "nothing answers at $AWS_ENDPOINT_URL: start LocalStack or moto, or set AWS_ENDPOINT_URL (see README.md)"
}

# request SERVICE PATH CURL-OPTION…: asks a service and prints its answer. That something is there already is no error.
request() {
  local service=$1 path=$2 answer status
  shift 2
  answer=$(curl -sS --max-time 60 -w '\n%{http_code}' --aws-sigv4 "aws:amz:$region:$service" \
    --user "${AWS_ACCESS_KEY_ID:-test}:${AWS_SECRET_ACCESS_KEY:-test}" "$@" "$AWS_ENDPOINT_URL$path") ||
    fail "$AWS_ENDPOINT_URL does not answer any more"
  status=${answer##*$'\n'}
  answer=${answer%$'\n'*}
  case $status in
    2*) ;;
    *) grep -qE 'AlreadyExists|AlreadyOwned|ResourceConflict' <<<"$answer" ||
      fail "$service answered $status: $answer" ;;
  esac
  printf '%s\n' "$answer"
}

# json SERVICE TARGET BODY: an action of a service that speaks JSON.
json() {
  local version=1.0
  [ "$1" = sqs ] || version=1.1
  request "$1" / -H "Content-Type: application/x-amz-json-$version" -H "X-Amz-Target: $2" -d "$3"
}

# query SERVICE VERSION KEY=VALUE…: an action of a service that speaks forms and XML.
query() {
  local service=$1 fields=(--data-urlencode "Version=$2")
  shift 2
  for field in "$@"; do
    fields+=(--data-urlencode "$field")
  done
  request "$service" / "${fields[@]}"
}

queue_url() {
  echo "$AWS_ENDPOINT_URL/$account/$1"
}

# state PROVIDER: how its circuit stands.
state() {
  call GET /v1/circuit-breakers | jq -r --arg provider "$1" '.circuit_breakers[] | select(.provider == $provider).state'
}

# wait_for STATE PROVIDER…: waits until all their circuits stand so.
wait_for() {
  local wanted=$1 provider
  shift
  for provider in "$@"; do
    printf 'waiting until the circuit of %s is %s\n' "$provider" "$wanted"
    for _ in $(seq 240); do
      [ "$(state "$provider")" != "$wanted" ] || continue 2
      sleep 0.5
    done
    fail "the circuit of $provider is $(state "$provider"), and not $wanted"
  done
}
