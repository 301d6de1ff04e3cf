"""The published states of tables, each counted by what its list of objects holds, which no engine's
way of reading a table takes part in.

    states.py CATALOG TABLE…

CATALOG is the address of the REST catalog. Each line on standard input asks for what was published
since the one before; the answer is a line of JSON: a list of states. A state whose objects are gone
has no rows.
"""

import json
import sys
import time

import duckdb
from pyiceberg.catalog import load_catalog
from pyiceberg.exceptions import NoSuchTableError

from tables import connected, in_order, measures

# How long it waits between two looks.
LOOK_SECONDS = 0.1


def counted(shop, name, files):
    listed = "[" + ", ".join(f"'{file}'" for file in files) + "]"
    try:
        return in_order(shop.execute(measures(name, f"read_parquet({listed})")).fetchall())
    except duckdb.IOException:
        return None


def new_states(catalog, shop, name, seen):
    """The states of a table that were not seen yet, the oldest first."""
    try:
        table = catalog.load_table(("clickweir", name))
    except NoSuchTableError:
        return
    for state in table.metadata.snapshots:
        if state.snapshot_id in seen:
            continue
        try:
            entries = [e for m in state.manifests(table.io) for e in m.fetch_manifest_entry(table.io)]
        except FileNotFoundError:
            entries = None
        files = [entry.data_file.file_path for entry in entries or []]
        seen.add(state.snapshot_id)
        yield {
            "table": name,
            "state": state.snapshot_id,
            "told": int(state.summary["total-records"]),
            "swaps": int(state.summary["clickweir.swaps"]),
            "files": files,
            "rows": counted(shop, name, files) if files else None,
        }


address, *names = sys.argv[1:]
catalog = load_catalog("shop", type="rest", uri=address)
shop = connected("httpfs")
seen = {name: set() for name in names}
for line in sys.stdin:
    time.sleep(LOOK_SECONDS)
    states = [state for name in names for state in new_states(catalog, shop, name, seen[name])]
    print(json.dumps(states), flush=True)
