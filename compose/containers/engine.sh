#!/usr/bin/env bash
# A container engine for a Debian 12 that has none, and the images that compose.yaml names, made
# of packages instead of pulled. A second run makes only what is missing.
#
#   engine.sh install     Podman, Compose and the images (as root; 10 GB of disk)
#   engine.sh start       runs the engine's API in the background; stop ends it
#   engine.sh compose …   Compose on that API, with compose.yaml and compose.packages.yaml
set -euo pipefail
cd "$(dirname "$0")/../.."

state=$PWD/vendor/containers
socket=/run/clickweir/engine.sock
# Podman reads this file instead of the machine's own, which stays as it is.
export CONTAINERS_CONF=$state/containers.conf

install() {
  [ "$(id -u)" -eq 0 ] || { echo "containers: installing an engine needs root" >&2; exit 1; }
  grep -qs '^VERSION_CODENAME=bookworm' /etc/os-release ||
    { echo "containers: there is no engine here (docker info does not answer), and this is no Debian 12, for which one could be installed" >&2; exit 1; }
  mkdir -p "$state"
  packages podman runc netavark aardvark-dns iptables debootstrap ca-certificates
  settings
  compose_program
  tools
  podman image exists localhost/debian:bookworm-slim || debian
  local rust
  rust=$(awk '$1 == "FROM" && $2 ~ /^rust:/ { print $2 }' compose/Dockerfile)
  image rust "localhost/$rust"
  image minio localhost/clickweir-minio
  image kafka localhost/clickweir-kafka
}

# Installs the Debian packages that are missing.
packages() {
  local package missing=()
  for package in "$@"; do
    dpkg-query --show --showformat '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
  done
  [ "${#missing[@]}" -gt 0 ] || return 0
  echo "containers: installing ${missing[*]}"
  local get=(env DEBIAN_FRONTEND=noninteractive apt-get -qq)
  { "${get[@]}" update && "${get[@]}" install --no-install-recommends "${missing[@]}"; } >"$state/apt.log" 2>&1 ||
    { tail -n 5 "$state/apt.log"; exit 1; }
}

# runc, because Debian 12's crun stops where control groups are version 1 or mixed. Limits that
# this machine may set, because Podman's defaults can be above its hard ones. And `clickweir`
# means an image of this machine.
settings() {
  local files
  files=$(ulimit -Hn)
  cat >"$CONTAINERS_CONF" <<CONF
[containers]
default_ulimits = ["nofile=$files:$files", "nproc=8192:8192"]
[engine]
runtime = "runc"
compat_api_enforce_docker_hub = false
[network]
network_backend = "netavark"
CONF
}

# Debian 12's own Compose is too old for compose.yaml. The next Debian's is one program that
# needs nothing of that Debian, so it is taken out of its package.
compose_program() {
  [ ! -x "$state/docker-compose" ] || return 0
  local apt=$state/apt suite=trixie
  echo "containers: fetching Compose from Debian's $suite"
  rm -rf "$apt"
  mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial"
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $(mirror) $suite main" >"$apt/sources.list"
  local get=(apt-get -qq -o Dir::Etc::sourcelist="$apt/sources.list" -o Dir::Etc::sourceparts=-
    -o Dir::State::lists="$apt/lists" -o Dir::Cache="$apt/cache" -o APT::Sandbox::User=root)
  "${get[@]}" update
  (cd "$apt" && "${get[@]}" download docker-compose)
  dpkg-deb --extract "$apt"/docker-compose_*.deb "$apt/tree"
  mv "$apt/tree/usr/libexec/docker/cli-plugins/docker-compose" "$state/docker-compose"
  rm -rf "$apt"
}

# Where this machine gets its Debian packages.
mirror() {
  cat /etc/apt/sources.list /etc/apt/sources.list.d/*.sources /etc/apt/sources.list.d/*.list 2>/dev/null |
    grep -v '^#' | grep -oE 'https?://[^ ]+/debian/?( |$)' | head -n 1 | tr -d ' '
}

# What the images are made of: the tests' MinIO and Kafka.
tools() {
  local part
  for part in minio kafka; do compose/setup.sh part "$part"; done
  [ -x vendor/minio/minio ] || { echo "containers: without Go there is no MinIO to run" >&2; exit 1; }
}

# A Debian as small as the official slim image, with the certificate authorities of this machine.
debian() {
  echo "containers: making the image debian:bookworm-slim, about a minute"
  local root=$state/debian
  rm -rf "$root"
  debootstrap --variant=minbase bookworm "$root" "$(mirror)" >"$state/debootstrap.log" 2>&1 ||
    { tail -n 5 "$state/debootstrap.log"; exit 1; }
  cp -r /usr/local/share/ca-certificates "$root/usr/local/share/"
  rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/usr/share/{doc,locale,man}/*
  # Java's package puts links into it.
  mkdir -p "$root/usr/share/man/man1"
  tar --directory="$root" --create . | podman import --quiet --change CMD=bash - localhost/debian:bookworm-slim
  rm -rf "$root"
}

# image TARGET NAME: builds a target of the Dockerfile beside this script.
image() {
  podman image exists "$2" && return
  echo "containers: making the image ${2#*/}"
  podman build --quiet --network=host --target "$1" --tag "$2" --file compose/containers/Dockerfile \
    --build-context toolchain="$(rustc --print sysroot)" --build-context vendor=vendor compose/containers
}

start() {
  if podman --url "unix://$socket" version >/dev/null 2>&1; then return; fi
  mkdir -p "${socket%/*}"
  setsid "$0" serve </dev/null >"$state/engine.log" 2>&1 &
  echo $! >"$state/engine.pid"
  for _ in $(seq 100); do
    if podman --url "unix://$socket" version >/dev/null 2>&1; then return; fi
    sleep 0.1
  done
  tail -n 5 "$state/engine.log"
  return 1
}

stop() {
  [ -e "$state/engine.pid" ] || return 0
  # The session that start made: the API and the health checks.
  kill -- "-$(cat "$state/engine.pid")" 2>/dev/null || true
  rm -f "$state/engine.pid"
}

# The API, and the health checks, which Podman leaves to systemd's timers.
serve() {
  podman system service --time=0 "unix://$socket" &
  local id
  while sleep 5; do
    [ ! -e /run/systemd/private ] || continue
    for id in $(podman ps --quiet --filter health=starting --filter health=healthy --filter health=unhealthy); do
      podman healthcheck run "$id" >/dev/null 2>&1 || true
    done
  done
}

case "${1:-}" in
  install | start | stop | serve) "$1" ;;
  compose)
    shift
    # Podman has no BuildKit.
    export DOCKER_HOST=unix://$socket DOCKER_BUILDKIT=0
    exec "$state/docker-compose" -f compose/compose.yaml -f compose/containers/compose.packages.yaml "$@"
    ;;
  *)
    echo "usage: $0 install|start|stop|compose" >&2
    exit 2
    ;;
esac
