# SPDX-License-Identifier: BSD-3-Clause
"""`dpdk-testpmd` in io mode on a null device: what the driver can do on one core."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench import processes
from tests.bench.failure import BenchError
from tests.bench.processes import wait_for
from tests.bench.sampling import Count
from tests.bench.setting import run_directory


class Testpmd:
    """One forwarding thread; its counters come over DPDK's telemetry socket."""

    name = "testpmd"

    def __init__(self, process: subprocess.Popen[bytes], telemetry: socket.socket) -> None:
        self._pid = process.pid
        self._telemetry = telemetry

    def count(self) -> Count:
        """See sampling.System."""
        self._telemetry.send(b"/ethdev/stats,0")
        answer = json.loads(self._telemetry.recv(1 << 16))
        packets = answer["/ethdev/stats"]["opackets"]
        return Count(packets=packets, io_cpu=processes.cpu_nanoseconds(self._pid))

    def pause(self) -> None:
        """See sampling.System."""
        processes.pause([self._pid])

    def resume(self) -> None:
        """See sampling.System."""
        processes.resume([self._pid])


@contextmanager
def testpmd(core: int, elsewhere: int) -> Iterator[Testpmd]:
    """A paused testpmd that forwards on `core`; its main thread, asleep, is `elsewhere`."""
    if shutil.which("dpdk-testpmd") is None:
        raise BenchError("there is no dpdk-testpmd: apt-get install dpdk-dev")
    prefix = f"onvm-bench-pmd-{os.getpid()}"
    runtime = Path("/var/run/dpdk", prefix)
    with run_directory() as directory, (directory / "log").open("wb") as log:
        process = subprocess.Popen(
            ["dpdk-testpmd", "--no-pci", "--in-memory", f"--file-prefix={prefix}",
             f"--lcores=0@{elsewhere},1@{core}", "--vdev=net_null0,size=64", "--",
             "--forward-mode=io", "--port-topology=chained", "--no-mlockall",
             "--total-num-mbufs=4096", "--auto-start"],
            stdin=subprocess.PIPE, stdout=log, stderr=log,
        )  # fmt: skip
        try:
            system = wait_for(lambda: _connect(process, runtime), "dpdk-testpmd starts")
            system.pause()
            yield system
        finally:
            process.kill()
            process.wait()
            shutil.rmtree(runtime, ignore_errors=True)


def _connect(process: subprocess.Popen[bytes], runtime: Path) -> Testpmd | None:
    if process.poll() is not None:
        raise BenchError("dpdk-testpmd ended instead of starting")
    for path in runtime.glob("dpdk_telemetry.v2*"):
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        connection.settimeout(5)
        connection.connect(str(path))
        connection.recv(1 << 16)  # who it is
        system = Testpmd(process, connection)
        if system.count().packets > 0:
            return system
        connection.close()
    return None
