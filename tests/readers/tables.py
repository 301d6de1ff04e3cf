"""What one engine finds in published tables, one after the other: the rows, the sum of price times quantity in
hundredths, the sum of the offsets and the distinct ids; of dead letters the rows, nothing, the sum
of the offsets and the distinct ids. JSON on standard output.

    tables.py ENGINE LAKE CATALOG TABLE…

LAKE is the lake's folder or s3:// address, CATALOG the address of the REST catalog. The keys of a
bucket come from the catalog, or from CLICKWEIR_S3_ENDPOINT, _ACCESS_KEY and _SECRET_KEY.
"""

import json
import os
import sys
from importlib import resources
from urllib.parse import urlsplit

MEASURES = """count(*), {worth}, coalesce(sum("offset"), 0)::BIGINT, count(DISTINCT event_id)"""
WORTH = "coalesce(sum(round(coalesce(price * quantity, 0) * 100)::BIGINT), 0)::BIGINT"


def measures(table):
    worth = WORTH if table.startswith("clicks") else "0"
    return MEASURES.format(worth=worth)


def of_arrow(table, rows):
    import pyarrow.compute as pc

    worth = 0
    if table.startswith("clicks"):
        worth = pc.multiply(pc.fill_null(rows["price"], 0), pc.cast(pc.fill_null(rows["quantity"], 0), "double"))
        worth = pc.sum(pc.cast(pc.round(pc.multiply(worth, 100)), "int64")).as_py() or 0
    return [rows.num_rows, worth, pc.sum(rows["offset"]).as_py() or 0, len(pc.unique(rows["event_id"]))]


def scanned(name, table):
    """The rows of one state, which says itself how many they are; no offset is there twice."""
    rows = table.scan().to_arrow()
    state = table.metadata.current_snapshot()
    assert rows.num_rows == int(state.summary["total-records"]), (rows.num_rows, state)
    places = set(zip(rows["partition"].to_pylist(), rows["offset"].to_pylist()))
    assert len(places) == rows.num_rows, "a row is there twice"
    return of_arrow(name, rows)


def pyiceberg(name, lake, catalog):
    from pyiceberg.catalog import load_catalog

    return scanned(name, load_catalog("shop", type="rest", uri=catalog).load_table(("clickweir", name)))


def pyiceberg_file(name, lake, catalog):
    from pyiceberg.table import StaticTable

    folder = f"{lake}/published/iceberg/{name}/metadata"
    newest = open(f"{folder}/version-hint.text").read()
    return scanned(name, StaticTable.from_metadata(f"{folder}/v{newest}.metadata.json"))


def connected(*extensions):
    import duckdb

    shop = duckdb.connect()
    shop.execute("SET TimeZone = 'UTC'")
    for name in extensions:
        package = resources.files(f"duckdb_extension_{name}")
        extension = package / "extensions" / f"v{duckdb.__version__}" / f"{name}.duckdb_extension"
        shop.execute(f"LOAD '{extension}'")
    endpoint = os.environ.get("CLICKWEIR_S3_ENDPOINT")
    if endpoint:
        endpoint = urlsplit(endpoint)
        key, secret = (os.environ[f"CLICKWEIR_S3_{name}_KEY"] for name in ("ACCESS", "SECRET"))
        shop.execute(
            f"""CREATE SECRET lake (TYPE s3, KEY_ID '{key}', SECRET '{secret}', URL_STYLE 'path',
            ENDPOINT '{endpoint.netloc}', USE_SSL {endpoint.scheme == "https"})"""
        )
    return shop


def asked(shop, name, rows):
    return list(shop.execute(f"SELECT {measures(name)} FROM {rows}").fetchone())


def duckdb_iceberg(name, lake, catalog):
    shop = connected("avro", "httpfs", "iceberg")
    shop.execute(f"ATTACH 'shop' AS shop (TYPE iceberg, ENDPOINT '{catalog}', AUTHORIZATION_TYPE 'none')")
    return asked(shop, name, f"shop.clickweir.{name}")


def duckdb_iceberg_file(name, lake, catalog):
    shop = connected("avro", "httpfs", "iceberg")
    return asked(shop, name, f"iceberg_scan('{lake}/published/iceberg/{name}')")


def ducklake(name, lake, catalog):
    shop = connected("httpfs", "ducklake")
    shop.execute(f"ATTACH 'ducklake:{lake}/published/clickweir.duckdb' AS shop (READ_ONLY)")
    return asked(shop, name, f"shop.{name}")


engine, lake, catalog, *names = sys.argv[1:]
print(json.dumps([globals()[engine](name, lake, catalog) for name in names]))
