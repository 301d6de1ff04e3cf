#!/usr/bin/env bash
# Makes regexes.json anew from the package ua-parser-builtins: update.sh 202610
set -euo pipefail
cd "$(dirname "$0")"
version=$1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip download --quiet --no-deps --dest "$folder" "ua-parser-builtins==$version"
npm pack --silent --pack-destination "$folder" uap-core >/dev/null
tar --extract --gzip --to-stdout --file "$folder"/uap-core-*.tgz package/LICENSE >LICENSE
python3 - "$folder" "$version" <<'PYTHON'
import json, pathlib, sys, types, zipfile
folder, version = pathlib.Path(sys.argv[1]), sys.argv[2]
package = zipfile.ZipFile(next(folder.glob("*.whl")))

# The package makes objects of its lists; here they are the lists.
parsers = types.ModuleType("ua_parser.user_agent_parser")
parsers.UserAgentParser = parsers.OSParser = parsers.DeviceParser = lambda *given: given
sys.modules["ua_parser"] = types.ModuleType("ua_parser")
sys.modules["ua_parser.user_agent_parser"] = parsers
lists = {}
exec(package.read("ua_parser_builtins/regexes.py"), lists)

def named(given, *names):
    return [{n: v for n, v in zip(names, one) if v is not None} for one in given]

out = {
    "version": version,
    "user_agent_parsers": named(
        lists["USER_AGENT_PARSERS"],
        "regex", "family_replacement", "v1_replacement", "v2_replacement",
    ),
    "os_parsers": named(
        lists["OS_PARSERS"],
        "regex", "os_replacement", "os_v1_replacement", "os_v2_replacement", "os_v3_replacement",
    ),
    "device_parsers": named(
        lists["DEVICE_PARSERS"],
        "regex", "regex_flag", "device_replacement", "brand_replacement", "model_replacement",
    ),
}
pathlib.Path("regexes.json").write_text(json.dumps(out, indent=0) + "\n")
PYTHON
