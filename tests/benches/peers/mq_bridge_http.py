"""mq-bridge, HTTP to Kafka: a request is answered when Kafka has acknowledged its record.

    mq_bridge_http.py ADDRESS BROKERS TOPIC PIDFILE
"""

import os
import sys

from mq_bridge import Route

address, brokers, topic, pid = sys.argv[1:]
with open(pid, "w") as file:
    file.write(str(os.getpid()))
Route.from_config(
    {
        "input": {
            "http": {
                "url": address,
                # As many as the load has connections; the defaults are 100.
                "concurrency_limit": 1024,
                "internal_buffer_size": 1024,
            }
        },
        "output": {
            "kafka": {
                "url": brokers,
                "topic": topic,
                "create_topic": False,
                # What clickweir's own edge uses.
                "producer_options": [["acks", "all"], ["linger.ms", "2"], ["compression.type", "lz4"]],
            }
        },
    }
).run()
