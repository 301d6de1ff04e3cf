#!/usr/bin/env bash
# The README's two commands as a stranger types them: in a new Debian that holds the Rust
# toolchain, npm and python3, and nothing else of this machine; from a clone of HEAD.
#
#   fresh.sh [COMMAND…]   by default: make demo ONCE=1, then make test
#
# Needs root, debootstrap, and some 12 GB under TMPDIR. Everything it mounts is mounted in a
# namespace of its own, so nothing stays mounted when it ends, however it ends.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ "${1:-}" != inside ]; then
  [ "$(id -u)" -eq 0 ] || { echo "make fresh makes a system in a folder, which needs root: sudo make fresh" >&2; exit 1; }
  command -v debootstrap >/dev/null || { echo "missing: debootstrap; get it with: apt-get install debootstrap" >&2; exit 1; }
  folder=$(mktemp -d "${TMPDIR:-/var/tmp}/clickweir-fresh.XXXXXX")
  # --one-file-system: should a mount have stayed, what it shows is spared.
  trap 'rm -rf --one-file-system "$folder"' EXIT
  unshare --mount --pid --fork --kill-child --propagation private "$PWD/compose/fresh.sh" inside "$folder" "$@"
  exit
fi

folder=$2
shift 2
[ "$#" -gt 0 ] || set -- "make demo ONCE=1" "make test"
# What a stranger has: the two tools to get here (git, make), and python3.
had=ca-certificates,git,libatomic1,libstdc++6,make,python3

echo "fresh: a new Debian in $folder, a minute or two"
debootstrap --variant=minbase --include=$had bookworm "$folder" >"$folder.log" 2>&1 || { tail "$folder.log"; exit 1; }
rm -f "$folder.log"
mount --rbind /dev "$folder/dev"
mount -t proc proc "$folder/proc"
mount -t sysfs -o ro sysfs "$folder/sys"

# The Rust toolchain and node, read-only, where a stranger's installers would leave them.
toolchain=$(rustc --print sysroot)
mkdir -p "$folder/opt/rust" "$folder/opt/npm"
mount --rbind "$toolchain" "$folder/opt/rust"
mount -o remount,bind,ro "$folder/opt/rust"
cp "$(node -p process.execPath)" "$folder/usr/local/bin/node"
mount --rbind "$(npm root --global 2>/dev/null)/npm" "$folder/opt/npm"
mount -o remount,bind,ro "$folder/opt/npm"
ln -s /opt/npm/bin/npm-cli.js "$folder/usr/local/bin/npm"

# The way to the network is the machine's, not the project's.
for file in /etc/resolv.conf /etc/hosts /etc/ssl/certs/ca-certificates.crt /etc/apt/sources.list \
  /etc/apt/sources.list.d /etc/apt/apt.conf.d /etc/pip.conf /root/.config/pip/pip.conf /root/.npmrc \
  /usr/local/share/ca-certificates /root/.cargo/config.toml /root/.m2/settings.xml; do
  [ -e "$file" ] || continue
  mkdir -p "$folder$(dirname "$file")"
  rm -rf "${folder:?}$file"
  cp -rL "$file" "$folder$file"
done

chroot "$folder" update-ca-certificates >/dev/null 2>&1
# Where its programs look for certificates and proxies, as name=value.
mapfile -t way < <(env | grep -E '^[A-Za-z_]*(CERT|_CA_BUNDLE|CAINFO|CA_CERTS|_proxy|_PROXY)[A-Z_]*=' || true)

git clone --quiet --no-hardlinks . "$folder/root/clickweir"
for command in "$@"; do
  echo "fresh: $command"
  SECONDS=0
  chroot "$folder" /usr/bin/env -i HOME=/root LANG=C.UTF-8 CI=true TERM=dumb "${way[@]}" \
    PATH=/opt/rust/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    bash -c "cd /root/clickweir && $command" </dev/null
  echo "fresh: $command: $SECONDS s"
done
echo "fresh: what the commands have left in the clone, beside what is ignored:"
git -C "$folder/root/clickweir" status --short
