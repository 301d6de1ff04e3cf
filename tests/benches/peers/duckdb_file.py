"""The peer without a broker: DuckDB turns a file of clicks, one a line, into Parquet.

    duckdb_file.py FILE FOLDER
"""

import sys

import duckdb

from told import Told

COLUMNS = {
    "id": "UUID",
    "occurred_at": "TIMESTAMPTZ",
    "visitor_id": "VARCHAR",
    "session_id": "VARCHAR",
    "product_id": "VARCHAR",
    "product_name": "VARCHAR",
    "category": "VARCHAR",
    "price": "DOUBLE",
    "currency": "VARCHAR",
    "action": "VARCHAR",
    "quantity": "BIGINT",
    "url": "VARCHAR",
    "referrer": "VARCHAR",
    "user_agent": "VARCHAR",
}

file, folder = sys.argv[1:]
out = f"{folder}/clicks.parquet"
told = Told()
connection = duckdb.connect(config={"threads": 1})
connection.execute(
    f"""COPY (SELECT * FROM read_json('{file}', format = 'newline_delimited', columns = {COLUMNS}))
    TO '{out}' (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 3)"""
)
(rows,) = connection.execute(f"SELECT count(*) FROM '{out}'").fetchone()
told.tell(rows, folder)
