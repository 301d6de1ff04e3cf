"""What one engine reads in a lake: of each partition path the rows, the sum of price times
quantity in hundredths, the sum of the offsets and the distinct ids. JSON on standard output.

    lake.py pyarrow|polars|duckdb FOLDER      the objects of a folder, by their hive paths
    lake.py published FILE-OR-URL             the published catalog; a bucket's keys come from
                                              CLICKWEIR_S3_ENDPOINT, _ACCESS_KEY, _SECRET_KEY
"""

import json
import os
import sys
from importlib import resources
from urllib.parse import urlsplit

PATH = ["year", "month", "day", "hour"]


def pyarrow(lake):
    import pyarrow.compute as pc
    import pyarrow.dataset

    rows = pyarrow.dataset.dataset(f"{lake}/clicks", format="parquet", partitioning="hive").to_table()
    worth = pc.multiply(pc.fill_null(rows["price"], 0), pc.cast(pc.fill_null(rows["quantity"], 0), "double"))
    rows = rows.select([*PATH, "offset", "event_id"])
    rows = rows.append_column("worth", pc.cast(pc.round(pc.multiply(worth, 100)), "int64"))
    measures = [("offset", "count"), ("worth", "sum"), ("offset", "sum"), ("event_id", "count_distinct")]
    found = rows.group_by(PATH).aggregate(measures).to_pylist()
    names = ["offset_count", "worth_sum", "offset_sum", "event_id_count_distinct"]
    return [([row[part] for part in PATH], [row[name] for name in names]) for row in found]


def polars(lake):
    import polars

    worth = (polars.col("price") * polars.col("quantity") * 100).round().fill_null(0)
    rows = polars.scan_parquet(f"{lake}/clicks/**/*.parquet", hive_partitioning=True)
    found = rows.group_by(PATH).agg(
        polars.len().alias("rows"),
        worth.cast(polars.Int64).sum().alias("worth"),
        polars.col("offset").sum().alias("offsets"),
        polars.col("event_id").n_unique().alias("ids"),
    )
    return [(list(row[:4]), list(row[4:])) for row in found.collect().iter_rows()]


MEASURES = """count(*), sum(round(coalesce(price * quantity, 0) * 100)::BIGINT)::BIGINT,
    sum("offset")::BIGINT, count(DISTINCT event_id)"""


def duckdb(lake):
    import duckdb

    objects = f"read_parquet('{lake}/clicks/**/*.parquet', hive_partitioning = true)"
    found = duckdb.sql(f"SELECT year, month, day, hour, {MEASURES} FROM {objects} GROUP BY ALL")
    return [(list(row[:4]), list(row[4:])) for row in found.fetchall()]


def published(catalog):
    import duckdb

    shop = duckdb.connect()
    shop.execute("SET TimeZone = 'UTC'")
    if catalog.startswith("s3://"):
        package = resources.files("duckdb_extension_httpfs")
        extension = package / "extensions" / f"v{duckdb.__version__}" / "httpfs.duckdb_extension"
        shop.execute(f"LOAD '{extension}'")
        endpoint = urlsplit(os.environ["CLICKWEIR_S3_ENDPOINT"])
        key, secret = (os.environ[f"CLICKWEIR_S3_{name}_KEY"] for name in ("ACCESS", "SECRET"))
        shop.execute(
            f"""CREATE SECRET lake (TYPE s3, KEY_ID '{key}', SECRET '{secret}', URL_STYLE 'path',
            ENDPOINT '{endpoint.netloc}', USE_SSL {endpoint.scheme == "https"})"""
        )
    shop.execute(f"ATTACH '{catalog}' AS shop (READ_ONLY)")
    # The path is the hour of the append.
    path = ", ".join(f"{part}(appended_at)" for part in PATH)
    found = shop.execute(f"SELECT {path}, {MEASURES} FROM shop.clicks GROUP BY ALL")
    return [(list(row[:4]), list(row[4:])) for row in found.fetchall()]


engine, lake = sys.argv[1:]
found = {"pyarrow": pyarrow, "polars": polars, "duckdb": duckdb, "published": published}[engine](lake)
print(json.dumps({"/".join(f"{int(part):02}" for part in path): counts for path, counts in found}))
