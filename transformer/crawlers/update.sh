#!/usr/bin/env bash
# Makes patterns.txt anew from the package crawler-user-agents: update.sh 1.67.0
set -euo pipefail
cd "$(dirname "$0")"
version=$1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip download --quiet --no-deps --dest "$folder" "crawler-user-agents==$version"
python3 - "$folder" "$version" <<'PYTHON'
import json, pathlib, re, sys, zipfile

# The class of each tag. Of an entry's several tags, the first of this table counts.
CLASSES = {
    "ai-crawler": "ai_crawler",
    "advertising": "ads",
    "search-engine": "search",
    "social-preview": "preview",
    "monitoring": "monitor",
    "scanner": "scanner",
    "archiver": "archive",
    "academic": "academic",
    "feed-reader": "feed",
    "http-library": "tool",
    "browser-automation": "tool",
    "seo": "seo",
}
# Programs that fetch a page because a person asked an assistant; the package has no tag for them.
ASSISTANTS = {
    "Amzn-User", "AmazonBuyForMe", "ChatGPT-User", "Claude-User", "Devin", "DuckAssistBot",
    "Gemini-Deep-Research", "Google-Agent", "Google-Gemini-CLI", "Google-NotebookLM",
    "GoogleAgent-Mariner", "IsonAI-User", "Manus-User", "MistralAI-User", "Perplexity-User",
    "PerplexityUser", "kagi-fetcher", "meta-externalfetcher",
}
# Names that the pattern does not give: it is only an address, or it allows several spellings.
NAMES = {
    r"Bark[rR]owler": "Barkrowler",
    r"S[eE][mM]rushBot": "SemrushBot",
    r"(sistrix|SISTRIX) [cC]rawler": "SISTRIX Crawler",
    r"developers\.google\.com\/\+\/web\/snippet": "Google Snippet",
    r"https:\/\/developers\.cloudflare\.com\/security-center\/": "Cloudflare Security Center",
    r"pinterest\.com\/bot": "Pinterestbot",
    r"sindresorhus\/got": "got",
    r"yandex\.com\/bots": "YandexBot",
}

def class_of(entry, name):
    if name in ASSISTANTS:
        return "ai_assistant"
    return next((CLASSES[tag] for tag in CLASSES if tag in entry.get("tags", [])), "other")

def name_of(pattern):
    """The pattern as plain text: of alternatives the first, of a letter's two cases the capital."""
    if pattern in NAMES:
        return NAMES[pattern]
    text = re.sub(r"\[\\s\\S\].*|\(\[\^.*|\(\^\| \)|\\/(\\d|\d).*", "", pattern)
    text = re.sub(r"\[([a-zA-Z])[a-zA-Z]\]", lambda letter: letter[1].upper(), text)
    text = re.sub(r"\(([^()|\\]*)\|[^()\\]*\)|\|.*|^\^|\$$", r"\1", text)
    text = re.sub(r"\\(\W)", r"\1", text)
    text = re.sub(r" \([^)]*$", "", text)
    name = text.strip(" /;:,-")
    name = name if "(" in name else name.rstrip(")")
    assert name and len(name) <= 60 and name.isprintable(), pattern
    assert not re.search(r"[][{}|^$?*+\\]", name), f"give {pattern} a name in NAMES"
    return name

folder, version = pathlib.Path(sys.argv[1]), sys.argv[2]
package = zipfile.ZipFile(next(folder.glob("*.whl")))
names = package.namelist()
entries = json.loads(package.read("crawleruseragents/crawler-user-agents.json"))
licence = next(name for name in names if name.endswith("LICENSE"))
pathlib.Path("LICENSE").write_bytes(package.read(licence))
lines = [f"# crawler-user-agents {version}, MIT, see LICENSE; made by update.sh"]
for entry in entries:
    name = name_of(entry["pattern"])
    lines.append("\t".join([class_of(entry, name), name, entry["pattern"]]))
missing = ASSISTANTS - {line.split("\t")[1] for line in lines[1:]}
missing |= NAMES.keys() - {entry["pattern"] for entry in entries}
assert not missing, f"the package no longer has {missing}"
pathlib.Path("patterns.txt").write_text("\n".join(lines) + "\n")
PYTHON
