#!/usr/bin/env bash
# The README's two commands as a stranger types them, in a new Debian that has the Rust toolchain,
# npm and python3, and nothing else of this machine. Then the lines of the Dockerfile, one after
# the other, in more new Debians. Everything comes from HEAD.
#
#   fresh.sh [COMMAND…]   by default: "make demo ONCE=1" "make test" image
#
# It needs root, debootstrap and some 15 GB under TMPDIR. It mounts in a namespace of its own, so
# nothing stays mounted after it, even if it is killed.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ "${1:-}" != inside ]; then
  [ "$(id -u)" -eq 0 ] || { echo "make fresh makes a system in a folder, which needs root: sudo make fresh" >&2; exit 1; }
  command -v debootstrap >/dev/null || { echo "missing: debootstrap; get it with: apt-get install debootstrap" >&2; exit 1; }
  folder=$(mktemp -d "${TMPDIR:-/var/tmp}/clickweir-fresh.XXXXXX")
  # --one-file-system: a mount that is still there keeps its files.
  trap 'rm -rf --one-file-system "$folder"' EXIT
  unshare --mount --pid --fork --kill-child --propagation private "$PWD/compose/fresh.sh" inside "$folder" "$@"
  exit
fi

folder=$2
shift 2
[ "$#" -gt 0 ] || set -- "make demo ONCE=1" "make test" image

# debian NAME PACKAGE…: makes one more new system, with this machine's settings for the network.
debian() {
  local name=$1 root=$folder/$1 file sources=''
  cp -a "$folder/bare" "$root"
  # The root is a mount, as on a machine. Otherwise no program in it can make a mount namespace.
  mount --bind "$root" "$root"
  mount --rbind /dev "$root/dev"
  mount -t proc proc "$root/proc"
  mount -t sysfs -o ro sysfs "$root/sys"
  for file in /etc/resolv.conf /etc/hosts /etc/ssl/certs/ca-certificates.crt /etc/apt/sources.list \
    /etc/apt/sources.list.d /etc/apt/apt.conf.d /etc/pip.conf /root/.config/pip/pip.conf /root/.npmrc \
    /usr/local/share/ca-certificates /root/.cargo/config.toml /root/.m2/settings.xml; do
    [ -e "$file" ] || continue
    # This machine's sources for apt, a file or a folder, replace those of the new system.
    case "$file" in /etc/apt/sources.list*) [ -n "$sources" ] || rm -rf "$root"/etc/apt/sources.list*; sources=here ;; esac
    rm -rf "${root:?}$file"
    mkdir -p "$root$(dirname "$file")"
    cp -rL "$file" "$root$file"
  done
  shift
  [ "$#" -eq 0 ] || within "$name" / root "apt-get update -qq && apt-get install -qq --no-install-recommends $*" >/dev/null
}

# The variables that name certificates and proxies, as NAME=VALUE.
mapfile -t way < <(env | grep -E '^[A-Za-z_]*(CERT|_CA_BUNDLE|CAINFO|CA_CERTS|_proxy|_PROXY)[A-Z_]*=' || true)

# within NAME FOLDER USER COMMAND: runs a shell command in one of the systems.
within() {
  local home
  home=$(awk -F: -v user="$3" '$1 == user { print $6 }' "$folder/$1/etc/passwd")
  chroot --userspec="$3" "$folder/$1" /usr/bin/env -i HOME="$home" LANG=C.UTF-8 CI=true TERM=dumb \
    DEBIAN_FRONTEND=noninteractive "${way[@]}" \
    PATH=/opt/rust/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    sh -c "cd '$2' && $4" </dev/null
}

# Gives a system the Rust toolchain, read-only.
rust() {
  mkdir -p "$folder/$1/opt/rust"
  mount --rbind "$(rustc --print sysroot)" "$folder/$1/opt/rust"
  mount -o remount,bind,ro "$folder/$1/opt/rust"
}

# The same for Node and npm.
npm_and_node() {
  local root=$folder/$1
  mkdir -p "$root/opt/npm"
  cp "$(node -p process.execPath)" "$root/usr/local/bin/node"
  mount --rbind "$(npm root --global 2>/dev/null)/npm" "$root/opt/npm"
  mount -o remount,bind,ro "$root/opt/npm"
  ln -s /opt/npm/bin/npm-cli.js "$root/usr/local/bin/npm"
}

# copy FROM TO: does what COPY does, which takes the content of a folder.
copy() {
  if [ -d "$1" ]; then
    mkdir -p "$2"
    cp -a "$1/." "$2/"
  else
    case "$2" in */) mkdir -p "$2" ;; *) mkdir -p "$(dirname "$2")" ;; esac
    cp -a "$1" "$2"
  fi
}

# Runs the lines of the Dockerfile. A Debian replaces each official image; for Rust's it gets what
# that image adds to Debian, as far as our build uses it.
image() {
  local context=$folder/context system='' workdir=/ user=root entry='' line word rest base name to
  mkdir "$context"
  git archive HEAD | tar --extract --directory="$context"
  (cd "$context" && grep -v '[*]' .dockerignore | xargs rm -rf)
  while read -r line; do
    word=${line%% *} rest=${line#* }
    case "$word" in '' | '#'*) continue ;; esac
    echo "fresh: $line"
    case "$word" in
      FROM)
        read -r base _ name <<<"$rest"
        system=image-${name:-last} workdir=/ user=root
        case "$base" in
          rust:*-bookworm)
            debian "$system" ca-certificates curl g++ gcc git libc6-dev libssl-dev make pkg-config
            rust "$system"
            ;;
          debian:bookworm-slim) debian "$system" ;;
          *) echo "fresh: nothing replaces the image $base" >&2; return 1 ;;
        esac
        ;;
      RUN) within "$system" "$workdir" "$user" "$rest" ;;
      WORKDIR) workdir=$rest; mkdir -p "$folder/$system$workdir" ;;
      USER) user=$rest ;;
      COPY)
        base=$context
        case "$rest" in --from=*) base=$folder/image-${rest#--from=} base=${base%% *} rest=${rest#* } ;; esac
        to=${rest##* }
        case "$to" in /*) to=$folder/$system$to ;; *) to=$folder/$system$workdir/$to ;; esac
        for name in ${rest% *}; do copy "$base/$name" "$to"; done
        ;;
      ENTRYPOINT) entry=$(tr -d '[]",' <<<"$rest") ;;
      CMD) within "$system" "$workdir" "$user" "$entry $(tr -d '[]",' <<<"$rest")" ;;
      *) echo "fresh: $word is not rehearsed" >&2; return 1 ;;
    esac
  done <"$context/compose/Dockerfile"
  echo "fresh: the image, as its user: everything in one process"
  within "$system" "$workdir" "$user" "$entry up --visitors 20 --once --set sink.max_age=1s --set catalog.every=1s"
}

echo "fresh: a new Debian, a minute or two"
debootstrap --variant=minbase bookworm "$folder/bare" >"$folder/log" 2>&1 || { tail "$folder/log"; exit 1; }

# A stranger has git and make, with which one gets here, python3, and the libraries of node.
debian stranger ca-certificates git libatomic1 libstdc++6 make python3
rust stranger
npm_and_node stranger
git clone --quiet --no-hardlinks . "$folder/stranger/root/clickweir"

for command in "$@"; do
  echo "fresh: $command"
  SECONDS=0
  case "$command" in
    image) image ;;
    *) within stranger /root/clickweir root "$command" ;;
  esac
  echo "fresh: $command: $SECONDS s"
done
echo "fresh: the files that the commands left in the clone, without the ignored ones:"
git -C "$folder/stranger/root/clickweir" status --short
