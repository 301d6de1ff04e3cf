"""The hand-written peer: a consumer in Python, Kafka to Parquet, at least once.

    pyarrow_kafka.py BROKERS TOPIC GROUP FOLDER ROWS

Messages come in batches, each is parsed by orjson, and columns of their types are written in
row groups of 100,000 rows. Offsets are committed when the file is closed.
"""

import sys

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from confluent_kafka import Consumer

from told import Told

GROUP = 100_000
TEXTS = ("id", "visitor_id", "session_id", "product_id", "product_name", "category", "currency",
         "action", "url", "referrer", "user_agent")
TIME = pa.timestamp("us", tz="UTC")
SCHEMA = pa.schema(
    [("received_at", TIME), ("ip", pa.string()), ("occurred_at", TIME), ("price", pa.float64()),
     ("quantity", pa.int64())]
    + [(name, pa.string()) for name in TEXTS]
)


def table(envelopes):
    clicks = [envelope["click"] for envelope in envelopes]
    columns = {name: pa.array([click.get(name) for click in clicks], pa.string()) for name in TEXTS}
    columns["received_at"] = pa.array([envelope["received_at"] for envelope in envelopes], TIME)
    columns["ip"] = pa.array([envelope.get("ip") for envelope in envelopes], pa.string())
    times = pa.array([click.get("occurred_at") for click in clicks], pa.string())
    columns["occurred_at"] = pc.cast(times, TIME)
    columns["price"] = pa.array([click.get("price") for click in clicks], pa.float64())
    columns["quantity"] = pa.array([click.get("quantity") for click in clicks], pa.int64())
    return pa.table(columns, schema=SCHEMA)


brokers, topic, group, folder, due = sys.argv[1:]
told = Told()
consumer = Consumer(
    {
        "bootstrap.servers": brokers,
        "group.id": group,
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
    }
)
consumer.subscribe([topic])
rows, waiting = 0, []
# Ids and times do not repeat, so a dictionary of them would only cost.
deltas = {"received_at": "DELTA_BINARY_PACKED", "occurred_at": "DELTA_BINARY_PACKED"}
dictionaries = [name for name in SCHEMA.names if name != "id" and name not in deltas]
with pq.ParquetWriter(
    f"{folder}/clicks.parquet",
    SCHEMA,
    compression="zstd",
    compression_level=3,
    use_dictionary=dictionaries,
    column_encoding=deltas,
) as writer:
    while rows < int(due):
        messages = consumer.consume(10_000, 1.0)
        waiting += [orjson.loads(message.value()) for message in messages if message.error() is None]
        if len(waiting) >= GROUP or rows + len(waiting) >= int(due):
            writer.write_table(table(waiting), row_group_size=GROUP)
            rows += len(waiting)
            waiting = []
consumer.commit(asynchronous=False)
consumer.close()
told.tell(rows, folder)
