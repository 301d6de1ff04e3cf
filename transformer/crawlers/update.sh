#!/usr/bin/env bash
# Makes patterns.txt anew from the package crawler-user-agents: update.sh 1.67.0
set -euo pipefail
cd "$(dirname "$0")"
version=$1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip download --quiet --no-deps --dest "$folder" "crawler-user-agents==$version"
python3 - "$folder" "$version" <<'PYTHON'
import json, pathlib, sys, zipfile
folder, version = pathlib.Path(sys.argv[1]), sys.argv[2]
package = zipfile.ZipFile(next(folder.glob("*.whl")))
names = package.namelist()
entries = json.loads(package.read("crawleruseragents/crawler-user-agents.json"))
licence = next(name for name in names if name.endswith("LICENSE"))
pathlib.Path("LICENSE").write_bytes(package.read(licence))
head = f"# crawler-user-agents {version}, MIT, see LICENSE; made by update.sh\n"
pathlib.Path("patterns.txt").write_text(head + "".join(e["pattern"] + "\n" for e in entries))
PYTHON
