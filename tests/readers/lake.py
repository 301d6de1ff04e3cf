"""What one engine reads in a lake: of each partition path the rows, the sum of price times
quantity in hundredths, the sum of the offsets, the distinct ids, and the least and the greatest
id. JSON on standard output.

    lake.py ENGINE FOLDER-OR-URL        the objects of a lake, by their hive paths
    lake.py published FILE-OR-URL       the published catalog

A bucket's endpoint and keys come from CLICKWEIR_S3_ENDPOINT, _ACCESS_KEY and _SECRET_KEY. Spark
finds what it needs for a bucket in CLICKWEIR_SPARK_JARS. No other option is set.
"""

import json
import os
import sys
import tempfile
from importlib import resources
from urllib.parse import urlsplit

PATH = ["year", "month", "day", "hour"]
MEASURES = """count(*), CAST(sum(CAST(round(coalesce(price * quantity, 0) * 100) AS BIGINT)) AS BIGINT),
    CAST(sum("offset") AS BIGINT), count(DISTINCT event_id), min(event_id), max(event_id)"""


def keyed(rows):
    """Rows of the path's parts and the six measures."""
    return [(list(row[:4]), list(row[4:])) for row in rows]


class Bucket:
    """Where the store is, and its keys; false for a lake in a folder."""

    def __init__(self, lake):
        self.is_there = lake.startswith("s3://")
        if self.is_there:
            self.endpoint = os.environ["CLICKWEIR_S3_ENDPOINT"]
            self.key, self.secret = (os.environ[f"CLICKWEIR_S3_{name}_KEY"] for name in ("ACCESS", "SECRET"))
            self.host = urlsplit(self.endpoint).netloc
            self.is_tls = self.endpoint.startswith("https:")

    def __bool__(self):
        return self.is_there

    def storage_options(self):
        """In the words of Rust's object_store."""
        return {
            "aws_endpoint_url": self.endpoint,
            "aws_access_key_id": self.key,
            "aws_secret_access_key": self.secret,
            "aws_region": "us-east-1",
            "aws_allow_http": "true",
        }

    def duckdb_secret(self):
        return f"""CREATE SECRET lake (TYPE s3, KEY_ID '{self.key}', SECRET '{self.secret}',
            URL_STYLE 'path', ENDPOINT '{self.host}', USE_SSL {self.is_tls})"""


def arrow_place(lake):
    """Arrow's file system, and the lake's path in it."""
    from pyarrow import fs

    bucket = Bucket(lake)
    if not bucket:
        return fs.LocalFileSystem(), lake
    store = fs.S3FileSystem(
        access_key=bucket.key,
        secret_key=bucket.secret,
        endpoint_override=bucket.host,
        scheme="https" if bucket.is_tls else "http",
        region="us-east-1",
    )
    return store, lake.removeprefix("s3://")


def objects(lake):
    """The URLs of all click objects."""
    from pyarrow import fs

    store, path = arrow_place(lake)
    files = store.get_file_info(fs.FileSelector(f"{path}/clicks", recursive=True))
    begin = "s3://" if lake.startswith("s3://") else ""
    return sorted(begin + file.path for file in files if file.path.endswith(".parquet"))


def by_path(table):
    """Groups an Arrow table that has the path's parts."""
    import pyarrow.compute as pc

    worth = pc.multiply(pc.fill_null(table["price"], 0), pc.cast(pc.fill_null(table["quantity"], 0), "double"))
    rows = table.select([*PATH, "offset", "event_id"])
    rows = rows.append_column("worth", pc.cast(pc.round(pc.multiply(worth, 100)), "int64"))
    measures = [
        ("offset", "count"),
        ("worth", "sum"),
        ("offset", "sum"),
        ("event_id", "count_distinct"),
        ("event_id", "min"),
        ("event_id", "max"),
    ]
    found = rows.group_by(PATH).aggregate(measures).to_pylist()
    return keyed([row[part] for part in PATH] + [row[f"{of}_{how}"] for of, how in measures] for row in found)


def pyarrow(lake):
    import pyarrow.dataset

    store, path = arrow_place(lake)
    clicks = pyarrow.dataset.dataset(f"{path}/clicks", format="parquet", partitioning="hive", filesystem=store)
    return by_path(clicks.to_table())


def pandas(lake):
    import pandas

    store, path = arrow_place(lake)
    rows = pandas.read_parquet(f"{path}/clicks", filesystem=store)
    rows["worth"] = (rows["price"] * rows["quantity"] * 100).fillna(0).round().astype("int64")
    groups = rows.groupby(PATH, observed=True)
    found = groups.agg(
        rows=("offset", "size"),
        worth=("worth", "sum"),
        offsets=("offset", "sum"),
        ids=("event_id", "nunique"),
        least=("event_id", "min"),
        greatest=("event_id", "max"),
    )
    return [(list(path), [*map(int, row[:4]), *row[4:]]) for path, row in zip(found.index, found.values.tolist())]


def polars(lake):
    import polars

    options = Bucket(lake) and Bucket(lake).storage_options()
    worth = (polars.col("price") * polars.col("quantity") * 100).round().fill_null(0)
    rows = polars.scan_parquet(
        f"{lake}/clicks/**/*.parquet", hive_partitioning=True, storage_options=options or None
    )
    found = rows.group_by(PATH).agg(
        polars.len().alias("rows"),
        worth.cast(polars.Int64).sum().alias("worth"),
        polars.col("offset").sum().alias("offsets"),
        polars.col("event_id").n_unique().alias("ids"),
        polars.col("event_id").min().alias("least"),
        polars.col("event_id").max().alias("greatest"),
    )
    return keyed(found.collect().iter_rows())


def duckdb_beside(place):
    """A DuckDB that reads the place."""
    import duckdb

    shop = duckdb.connect()
    shop.execute("SET TimeZone = 'UTC'")
    if bucket := Bucket(place):
        package = resources.files("duckdb_extension_httpfs")
        extension = package / "extensions" / f"v{duckdb.__version__}" / "httpfs.duckdb_extension"
        shop.execute(f"LOAD '{extension}'")
        shop.execute(bucket.duckdb_secret())
    return shop


def duckdb(lake):
    clicks = f"read_parquet('{lake}/clicks/**/*.parquet', hive_partitioning = true)"
    asked = f"SELECT year, month, day, hour, {MEASURES} FROM {clicks} GROUP BY ALL"
    return keyed(duckdb_beside(lake).execute(asked).fetchall())


def published(catalog):
    shop = duckdb_beside(catalog)
    shop.execute(f"ATTACH '{catalog}' AS shop (READ_ONLY)")
    # The path is the hour of the append.
    path = ", ".join(f"{part}(appended_at)" for part in PATH)
    return keyed(shop.execute(f"SELECT {path}, {MEASURES} FROM shop.clicks GROUP BY ALL").fetchall())


def datafusion(lake):
    from datafusion import SessionContext
    from datafusion.object_store import AmazonS3

    context = SessionContext()
    if bucket := Bucket(lake):
        name = urlsplit(lake).netloc
        store = AmazonS3(
            bucket_name=name,
            region="us-east-1",
            access_key_id=bucket.key,
            secret_access_key=bucket.secret,
            endpoint=bucket.endpoint,
            allow_http=True,
        )
        context.register_object_store("s3://", store, name)
    context.register_parquet("clicks", f"{lake}/clicks/", table_partition_cols=[(part, "string") for part in PATH])
    asked = f"SELECT year, month, day, hour, {MEASURES} FROM clicks GROUP BY year, month, day, hour"
    found = context.sql(asked).to_pylist()
    return keyed(list(row.values()) for row in found)


def clickhouse(lake):
    import chdb

    if bucket := Bucket(lake):
        url = f"{bucket.endpoint}/{lake.removeprefix('s3://')}/clicks/**/*.parquet"
        clicks = f"s3('{url}', '{bucket.key}', '{bucket.secret}', 'Parquet')"
    else:
        clicks = f"file('{lake}/clicks/**/*.parquet', 'Parquet')"
    path = ", ".join(f"extract(_path, '{part}=([0-9]+)') AS {part}" for part in PATH)
    asked = f"SELECT {path}, {MEASURES} FROM {clicks} GROUP BY year, month, day, hour"
    lines = str(chdb.query(asked, "JSONCompactEachRow")).splitlines()
    rows = map(json.loads, lines)
    return [(row[:4], [*map(int, row[4:8]), *row[8:]]) for row in rows]


def spark(lake):
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
    if bucket := Bucket(lake):
        builder = (
            builder.config("spark.driver.extraClassPath", f"{os.environ['CLICKWEIR_SPARK_JARS']}/*")
            .config("spark.hadoop.fs.s3a.endpoint", bucket.endpoint)
            .config("spark.hadoop.fs.s3a.endpoint.region", "us-east-1")
            .config("spark.hadoop.fs.s3a.access.key", bucket.key)
            .config("spark.hadoop.fs.s3a.secret.key", bucket.secret)
            .config("spark.hadoop.fs.s3a.path.style.access", "true")
        )
        lake = lake.replace("s3://", "s3a://")
    session = builder.getOrCreate()
    session.read.parquet(f"{lake}/clicks").createOrReplaceTempView("clicks")
    measures = MEASURES.replace('"', "`")
    found = session.sql(f"SELECT year, month, day, hour, {measures} FROM clicks GROUP BY ALL").collect()
    session.stop()
    return keyed(list(row) for row in found)


def delta(lake):
    """A copy of the objects, made a table of Delta: its log is not the lake's."""
    import pyarrow
    from deltalake import DeltaTable, Schema, convert_to_deltalake
    from pyarrow import fs

    store, path = arrow_place(lake)
    copy = f"{lake}-delta" if lake.startswith("s3://") else f"{tempfile.mkdtemp()}/clicks"
    fs.copy_files(f"{path}/clicks", copy.removeprefix("s3://"), source_filesystem=store, destination_filesystem=store)
    options = (Bucket(lake) and Bucket(lake).storage_options()) or None
    parts = Schema.from_arrow(pyarrow.schema([(part, pyarrow.int32()) for part in PATH]))
    convert_to_deltalake(copy, partition_by=parts, partition_strategy="hive", storage_options=options)
    return by_path(DeltaTable(copy, storage_options=options).to_pyarrow_table())


def iceberg(lake):
    """The objects added to a table of Iceberg, which finds its columns by their field ids."""
    import pyarrow
    import pyarrow.compute as pc
    from pyarrow import parquet
    from pyiceberg.catalog import load_catalog

    paths = objects(lake)
    options = {}
    if bucket := Bucket(lake):
        options = {
            "s3.endpoint": bucket.endpoint,
            "s3.access-key-id": bucket.key,
            "s3.secret-access-key": bucket.secret,
            "s3.region": "us-east-1",
        }
    catalog = load_catalog("shop", type="in-memory", warehouse=f"file://{tempfile.mkdtemp()}", **options)
    catalog.create_namespace("shop")
    store, _ = arrow_place(lake)
    schema = parquet.read_schema(paths[0].removeprefix("s3://"), filesystem=store)
    table = catalog.create_table("shop.clicks", schema)
    given = {field.name: int(field.metadata[b"PARQUET:field_id"]) for field in schema}
    assert given == {field.name: field.field_id for field in table.schema().fields}, given
    table.add_files(paths)
    rows = table.scan().to_arrow()
    for part in PATH:
        rows = rows.append_column(part, getattr(pc, part)(rows["appended_at"]))
    return by_path(rows)


ENGINES = {
    "clickhouse": clickhouse,
    "datafusion": datafusion,
    "delta": delta,
    "duckdb": duckdb,
    "iceberg": iceberg,
    "pandas": pandas,
    "polars": polars,
    "published": published,
    "pyarrow": pyarrow,
    "spark": spark,
}

engine, lake = sys.argv[1:]
found = ENGINES[engine](lake)
print(json.dumps({"/".join(f"{int(part):02}" for part in path): counts for path, counts in found}))
