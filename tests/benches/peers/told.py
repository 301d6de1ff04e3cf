"""What a peer tells of itself: rows, CPU and wall time since its imports, bytes written."""

import json
import os
import time
from pathlib import Path


class Told:
    def __init__(self):
        self.cpu, self.wall = self._cpu(), time.monotonic()

    @staticmethod
    def _cpu():
        times = os.times()
        return times.user + times.system

    def tell(self, rows, folder):
        cpu, wall = self._cpu() - self.cpu, time.monotonic() - self.wall
        size = sum(path.stat().st_size for path in Path(folder).rglob("*.parquet"))
        print(json.dumps({"rows": rows, "cpu": cpu, "wall": wall, "bytes": size}), flush=True)
