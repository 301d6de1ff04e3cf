"""What one engine finds in the published tables of a lake, by measures.sql: in all, of each partition,
and of each hour.

    tables.py ENGINE LAKE CATALOG

LAKE is the lake's folder or s3:// address, CATALOG the address of the REST catalog. Each line on
standard input names tables; its answer is a line of JSON: a list of each table's rows, and of the
state that was read where the engine says it; or what the engine said instead. `hold TABLE` begins
to read a table, says `"held"`, and goes on at the next line.

The catalog's token is CLICKWEIR_TOKEN. The keys of a bucket come from the catalog, or from
CLICKWEIR_S3_ENDPOINT, _ACCESS_KEY and _SECRET_KEY. Spark and Flink find what they need in
CLICKWEIR_JARS, a folder.
"""

import json
import os
import sys
from importlib import resources
from pathlib import Path
from urllib.parse import urlsplit

MEASURES = (Path(__file__).parent / "measures.sql").read_text()
TOKEN = os.environ.get("CLICKWEIR_TOKEN")


def measures(name, rows, quote='"'):
    """The statement that measures the table `name`, which the engine finds as `rows`."""
    worth = "round(coalesce(price * quantity, 0) * 100)" if name.startswith("clicks") else "0"
    return MEASURES.replace('"', quote).format(worth=f"CAST({worth} AS BIGINT)", table=rows)


def in_order(rows):
    """What is of all has no partition and no hour, and comes first."""
    return sorted(map(list, rows), key=lambda row: [-1 if part is None else part for part in row[:2]])


def hold():
    """Waits for a line."""
    print(json.dumps("held"), flush=True)
    return 0 if sys.stdin.readline() else 1


class Bucket:
    """The store's address and keys, where the reader was given them."""

    def __init__(self):
        self.endpoint = os.environ.get("CLICKWEIR_S3_ENDPOINT")
        self.keys = [os.environ.get(f"CLICKWEIR_S3_{name}_KEY") for name in ("ACCESS", "SECRET")]

    def iceberg(self):
        """In the words of Iceberg's clients."""
        if not self.endpoint:
            return {}
        return {
            "client.region": "us-east-1",
            "s3.region": "us-east-1",
            "s3.endpoint": self.endpoint,
            "s3.path-style-access": "true",
            "s3.access-key-id": self.keys[0],
            "s3.secret-access-key": self.keys[1],
        }

    def duckdb_secret(self):
        endpoint = urlsplit(self.endpoint)
        return f"""CREATE SECRET lake (TYPE s3, KEY_ID '{self.keys[0]}', SECRET '{self.keys[1]}',
            URL_STYLE 'path', ENDPOINT '{endpoint.netloc}', USE_SSL {endpoint.scheme == "https"})"""


def connected(*extensions):
    """A new DuckDB."""
    import duckdb

    shop = duckdb.connect()
    shop.execute("SET TimeZone = 'UTC'")
    for name in extensions:
        package = resources.files(f"duckdb_extension_{name}")
        file = package / "extensions" / f"v{duckdb.__version__}" / f"{name}.duckdb_extension"
        shop.execute(f"LOAD '{file}'")
    if Bucket().endpoint and "httpfs" in extensions:
        shop.execute(Bucket().duckdb_secret())
    return shop


def iceberg_reader(load):
    """Reads with PyIceberg what `load` finds."""
    def read(name, is_held):
        table = load(name)
        state = table.metadata.current_snapshot()
        # By its number, as one who reads an older state.
        scan = table.scan(snapshot_id=state.snapshot_id)
        if is_held:
            files = list(scan.plan_files())
            assert files and hold() == 0
        rows = scan.to_arrow()
        told = int(state.summary["total-records"])
        assert rows.num_rows == told, f"{rows.num_rows} rows where the state tells {told}"
        shop = connected()
        shop.register("scanned", rows)
        return shop.execute(measures(name, "scanned")).fetchall(), state.snapshot_id

    return read


def pyiceberg(lake, catalog):
    from pyiceberg.catalog import load_catalog

    token = {"token": TOKEN} if TOKEN else {}
    shop = load_catalog("shop", type="rest", uri=catalog, **token)
    return iceberg_reader(lambda name: shop.load_table(("clickweir", name)))


def pyiceberg_file(lake, catalog):
    from pyiceberg.table import StaticTable

    def load(name):
        folder = f"{lake}/published/iceberg/{name}/metadata"
        newest = open(f"{folder}/version-hint.text").read()
        return StaticTable.from_metadata(f"{folder}/v{newest}.metadata.json")

    return iceberg_reader(load)


def duckdb_reader(extensions, attach, table):
    """Reads with a new DuckDB each time."""

    def read(name, is_held):
        shop = connected(*extensions)
        if attach:
            shop.execute(attach)
        rows = table.format(name=name)
        if is_held:
            shop.create_function("hold", hold, [], "BIGINT", side_effects=True)
            # What a comparison needs is there before the rows are read.
            rows = f'(SELECT * FROM {rows} WHERE "offset" >= (SELECT hold()))'
        return shop.execute(measures(name, rows)).fetchall(), None

    return read


def duckdb(lake, catalog):
    return duckdb_reader(["httpfs"], f"ATTACH '{lake}/published/clickweir.duckdb' AS shop (READ_ONLY)", "shop.{name}")


def ducklake(lake, catalog):
    attach = f"ATTACH 'ducklake:{lake}/published/clickweir.duckdb' AS shop (READ_ONLY)"
    return duckdb_reader(["httpfs", "ducklake"], attach, "shop.{name}")


def duckdb_iceberg(lake, catalog):
    who = f"TOKEN '{TOKEN}'" if TOKEN else "AUTHORIZATION_TYPE 'none'"
    attach = f"ATTACH 'shop' AS shop (TYPE iceberg, ENDPOINT '{catalog}', {who})"
    return duckdb_reader(["avro", "httpfs", "iceberg"], attach, "shop.clickweir.{name}")


def duckdb_iceberg_file(lake, catalog):
    return duckdb_reader(["avro", "httpfs", "iceberg"], None, f"iceberg_scan('{lake}/published/iceberg/{{name}}')")


def spark(lake, catalog):
    from pyspark.sql import SparkSession

    options = {"uri": catalog, "type": "rest", "cache-enabled": "false", **Bucket().iceberg()}
    if TOKEN:
        options["token"] = TOKEN
    session = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
    session = session.config("spark.sql.session.timeZone", "UTC").config("spark.log.level", "ERROR")
    session = session.config("spark.driver.extraClassPath", f"{os.environ['CLICKWEIR_JARS']}/*")
    session = session.config("spark.sql.shuffle.partitions", "1").config("spark.ui.showConsoleProgress", "false")
    session = session.config("spark.sql.catalog.shop", "org.apache.iceberg.spark.SparkCatalog")
    for key, value in options.items():
        session = session.config(f"spark.sql.catalog.shop.{key}", value)
    session = session.getOrCreate()

    def read(name, is_held):
        asked = measures(name, f"shop.clickweir.{name}", "`")
        return [list(row) for row in session.sql(asked).collect()], None

    return read


def flink_session():
    """Flink's own planner and runtime in a Java process. Returns what runs a statement and returns its rows."""
    from py4j.java_gateway import GatewayParameters, JavaGateway, launch_gateway

    opened = ["java.base/java.util", "java.base/java.lang"]
    port = launch_gateway(
        classpath=f"{os.environ['CLICKWEIR_JARS']}/*",
        javaopts=["-Xmx1g", *(f"--add-opens={package}=ALL-UNNAMED" for package in opened)],
        die_on_exit=True,
    )
    java = JavaGateway(gateway_parameters=GatewayParameters(port=port, auto_convert=True)).jvm
    api = java.org.apache.flink.table.api
    session = api.TableEnvironment.create(api.EnvironmentSettings.inBatchMode())
    session.getConfig().set("table.local-time-zone", "UTC")
    session.getConfig().set("parallelism.default", "1")

    def run(statement):
        found = session.executeSql(statement).collect()
        rows = []
        while found.hasNext():
            row = found.next()
            rows.append([row.getField(at) for at in range(row.getArity())])
        found.close()
        return rows

    return run


def flink(lake, catalog):
    run = flink_session()
    options = {"type": "iceberg", "catalog-type": "rest", "uri": catalog, "cache-enabled": "false"}
    options |= Bucket().iceberg()
    if TOKEN:
        options["token"] = TOKEN
    told = ", ".join(f"'{key}' = '{value}'" for key, value in options.items())
    run(f"CREATE CATALOG shop WITH ({told})")
    return lambda name, is_held: (run(measures(name, f"shop.clickweir.{name}", "`")), None)


def answer(read, line):
    """What is found, or what is said instead."""
    asked = line.split()
    is_held = asked[0] == "hold"
    found = []
    for name in asked[1:] if is_held else asked:
        try:
            rows, state = read(name, is_held)
        except Exception as error:
            return {"error": f"{type(error).__name__}: {error}"}
        found.append({"rows": in_order(rows), "state": state})
    return found


if __name__ == "__main__":
    engine, lake, catalog = sys.argv[1:]
    read = globals()[engine](lake, catalog)
    for line in sys.stdin:
        print(json.dumps(answer(read, line)), flush=True)
