#!/usr/bin/env bash
# compose.yaml in a container engine, from the image to the audit, with the time that each step
# takes; then the tests of this repository on its broker and its object store.
#
#   test.sh [FILTER…]   the filters choose among the tests; `none` runs none of them
#
# It uses the engine that is here, or installs one (engine.sh). The containers and volumes are
# of a project of their own, `clickweir-test`, and are removed at the end. The ports are those of
# compose.yaml, so `make down` first.
set -euo pipefail
cd "$(dirname "$0")/../.."

edge=http://127.0.0.1:8080 dashboard=http://127.0.0.1:8081
token=${CLICKWEIR_TOKEN:-above-and-under-the-weir}
export COMPOSE_PROJECT_NAME=clickweir-test

say() { printf '%-56s %s\n' "$1" "$2"; }

# step TEXT COMMAND…: runs the command and prints how long it took.
step() {
  local text=$1 since=${EPOCHREALTIME/./}
  shift
  "$@"
  local took=$((${EPOCHREALTIME/./} - since))
  say "$text" "$((took / 1000000)).$((took / 100000 % 10)) s"
}

fail() {
  echo "containers: $1" >&2
  exit 1
}

# until TIMEOUT COMMAND…: repeats the command until it succeeds, for so many seconds.
until_true() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@"; do
    [ "$SECONDS" -lt "$deadline" ] || fail "this did not come true in time: $*"
    sleep 0.2
  done
}

# The one value that a statement answers; empty if it is refused.
sql() {
  curl -fsS -u "any:$token" --get --data format=csv --data-urlencode "sql=$1" "$dashboard/api/query" 2>/dev/null |
    tail -n 1 | tr -d '\r'
}

shows() { [ "$(sql "$1")" = "$2" ]; }

# clicks NAME COUNT: sends so many clicks on one product, in one body, until they are acknowledged.
clicks() {
  local body
  body=$(seq "$2" | awk -v name="$1" '{
    printf "%s{\"id\":\"%s-%d\",\"action\":\"buy\",\"product_id\":\"%s\",\"visitor_id\":\"v%d\"}", (NR > 1 ? "," : "["), name, $1, name, $1 % 20
  } END { print "]" }')
  until_true 60 curl -fsS -o /dev/null "$edge/v1/events" --data "$body"
}

# arrived TABLE NAME COUNT: waits until a table has them all.
arrived() { until_true 90 shows "SELECT count(*) FROM $1 WHERE product_id = '$2'" "$3"; }

# Fails unless the audit in the dashboard's container finds the lake clean.
audit() {
  local said
  said=$("${compose[@]}" exec -T dashboard clickweir audit 2>&1) || fail "the audit found: $said"
  tail -n 1 <<<"$said"
}

# The process of a worker's container; 0 while there is none.
pid_of() { "$engine" inspect --format '{{.State.Pid}}' "$1"; }

# runs_again ID PID: returns true if the container runs as another process, which is well.
runs_again() {
  local pid
  pid=$(pid_of "$1")
  [ "$pid" -gt 0 ] && [ "$pid" != "$2" ] && "$engine" exec "$1" clickweir health transformer >/dev/null 2>&1
}

up() { "${compose[@]}" up --detach --wait >"$log" 2>&1 || { tail -n 20 "$log"; fail "not all services are healthy"; }; }

down() { "${compose[@]}" down "$@" >"$log" 2>&1 || { tail -n 20 "$log"; fail "the services did not stop"; }; }

log=$(mktemp)
if docker info >/dev/null 2>&1; then
  engine=docker compose=(docker compose -f compose/compose.yaml)
else
  engine=podman compose=(compose/containers/engine.sh compose)
  step "an engine and its images" compose/containers/engine.sh install
  compose/containers/engine.sh start
  export CONTAINERS_CONF=$PWD/vendor/containers/containers.conf
  trap 'down --volumes; compose/containers/engine.sh stop; rm -f "$log"' EXIT
fi
[ "$engine" = podman ] || trap 'down --volumes; rm -f "$log"' EXIT

echo "containers: building the image, about 20 minutes on two cores the first time"
step "the image, by compose/Dockerfile" "${compose[@]}" build --quiet
step "all services are healthy" up

run=containers-$$
step "200 clicks are acknowledged, twice" eval 'clicks "$run" 200; clicks "$run" 200'
step "all are in clicks_live" arrived clicks_live "$run" 200
step "all are in clicks, from the lake" arrived clicks "$run" 200
step "the audit is clean" audit
# The process is killed, as in a crash, and not the container, which its engine starts again.
worker=$("${compose[@]}" ps --quiet transformer | head -n 1)
pid=$(pid_of "$worker")
kill -9 "$pid" || fail "killing a process of a container needs root"
clicks "$run-killed" 200
step "a worker that was killed is well again" until_true 90 runs_again "$worker" "$pid"
step "200 clicks that came meanwhile are in clicks" arrived clicks "$run-killed" 200

everything="SELECT count(*) || ' rows, ' || bit_xor(hash(event_id, \"offset\")) FROM clicks"
before=$(sql "$everything")
step "all services are down" down
step "all services are up and healthy again" up
until_true 60 shows "$everything" "$before"
say "the lake and the catalog hold what they held" "$before"
clicks "$run-again" 200
step "200 more clicks are in clicks" arrived clicks "$run-again" 200
step "the audit is clean" audit

[ "${1:-}" != none ] || exit 0
CLICKWEIR_TEST_KAFKA=127.0.0.1:19092 CLICKWEIR_TEST_S3=http://127.0.0.1:9000 \
  CLICKWEIR_TEST_S3_ACCESS_KEY=${CLICKWEIR_ACCESS_KEY:-clickweir} \
  CLICKWEIR_TEST_S3_SECRET_KEY=${CLICKWEIR_SECRET_KEY:-under-the-weir} \
  CLICKWEIR_TEST_TOKEN=$token CLICKWEIR_TEST_EDGE=$edge CLICKWEIR_TEST_DASHBOARD=$dashboard \
  cargo test --locked --workspace --test all -- "$@"
