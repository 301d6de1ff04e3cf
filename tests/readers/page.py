"""Runs a block of a page, which is on standard input, as it is printed.

    page.py duckdb|flink|python

Prints as JSON how many rows each statement of SQL found; of Python how many its last line found.
"""

import json
import sys

import tables

language, block = sys.argv[1], sys.stdin.read()
if language == "python":
    *lines, last = block.strip().splitlines()
    names = {}
    exec("\n".join(lines), names)
    found = [len(eval(last, names))]
else:
    # A comment may hold a semicolon.
    bare = "\n".join(line.split("--")[0] for line in block.splitlines())
    statements = [text for text in bare.split(";") if text.strip()]
    if language == "duckdb":
        shop = tables.connected("avro", "httpfs", "ducklake", "iceberg")
        found = [shop.execute(statement).fetch_arrow_table().num_rows for statement in statements]
    else:
        run = tables.flink_session()
        found = [len(run(statement)) for statement in statements]
print(json.dumps(found))
