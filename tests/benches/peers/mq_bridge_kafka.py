"""mq-bridge, Kafka to Parquet: one object a batch, at least once.

    mq_bridge_kafka.py BROKERS TOPIC GROUP FOLDER ROWS
"""

import sys

import pyarrow.parquet as pq
from mq_bridge import Route
from pathlib import Path

from told import Told

brokers, topic, group, folder, due = sys.argv[1:]
told = Told()
route = Route.from_config(
    {
        "input": {
            "kafka": {
                "url": brokers,
                "topic": topic,
                "group_id": group,
                "consumer_options": [["auto.offset.reset", "earliest"]],
            }
        },
        "output": {
            "object_store": {
                "url": f"file://{folder}",
                "format": "parquet",
                "compression": "zstd",
            }
        },
        "batch_size": 100_000,
        "exit_on_empty": True,
    }
)
route.run()
rows = sum(pq.read_metadata(path).num_rows for path in Path(folder).rglob("*.parquet"))
told.tell(rows, folder)
