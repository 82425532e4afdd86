# SPDX-License-Identifier: BSD-3-Clause
"""Runs in a guest: a data plane that was compiled on the host, on behalf of a test there.

A line of standard input is a call of Plane, [method, arguments, keywords]; a line of standard
output its answer, {"value": …} or {"error": …}. The data plane ends when the input does.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
import time
from pathlib import Path

from tests.dataplane.plane import Plane, eventually

NODE = re.compile(r"N\d+=")


class GuestPlane(Plane):
    """A plane whose methods return what JSON can say."""

    def start_forward(self) -> None:
        """Start the NF forward and wait until it runs."""
        self.start_nf("forward")

    def wait_up(self, *names: str) -> None:
        """Wait until the links of these ports are up."""
        eventually(lambda: self._up(names), f"links of {names} are up", 30)

    def wait_idle(self) -> None:
        """Wait until no buffer is on its way."""
        eventually(lambda: self.buffers_out() == 0, "all buffers came back")

    def received(self, port: int) -> list[int]:
        """What each worker has received by a port, in packets."""
        return [worker.port[port].rx.packets for worker in self.workers()]

    def sleeps_in(self, seconds: float) -> int:
        """How often the worker falls asleep in that time."""
        counters = self.counters()
        before: int = counters.sleeps
        time.sleep(seconds)
        return int(counters.sleeps - before)

    def faults(self) -> int:
        """Descriptors of the first NF that were refused."""
        count: int = self.counters().nf[0].faults
        return count

    def region_pages(self) -> list[dict[str, int]]:
        """Huge pages of each slice of the packet region, by NUMA node (N0, N1)."""
        maps = Path(f"/proc/{self.process.pid}/numa_maps").read_text().splitlines()
        words = [line.split() for line in maps if "onvm-region" in line]
        pairs = [[word.split("=") for word in line if NODE.match(word)] for line in words]
        return [{node: int(pages) for node, pages in line} for line in pairs]

    def _up(self, names: tuple[str, ...]) -> bool:
        ports = self.request("status")["ports"]
        return {port["name"] for port in ports if port["up"]} >= set(names)


def answer(plane: GuestPlane, line: str) -> dict[str, object]:
    """Make one call."""
    method, arguments, keywords = json.loads(line)
    try:
        return {"value": getattr(plane, method)(*arguments, **keywords)}
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}\n{plane.log()}"}


def main(options: list[str]) -> None:
    """Serve until standard input ends."""
    with tempfile.TemporaryDirectory() as folder:
        plane = GuestPlane(Path(folder), *options)
        print(json.dumps({"value": plane.log()}), flush=True)
        try:
            for line in sys.stdin:
                print(json.dumps(answer(plane, line)), flush=True)
        finally:
            plane.close()


if __name__ == "__main__":
    main(sys.argv[1:])
