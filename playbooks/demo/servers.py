# SPDX-License-Identifier: BSD-3-Clause
"""What runs on the server: nginx and iperf3, started and ended by their pid files."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from .lab import FORBIDDEN, IPERF, RUN, SERVER, WEB
from .wiring import inside

WWW = RUN / "www"
ACCESS_LOG = RUN / "access.log"
GREETING = "hello through the chain\n"
DOWNLOAD_BYTES = 4 << 20
END_SECONDS = 5.0

NGINX_CONFIG = f"""
pid {RUN}/nginx.pid;
error_log {RUN}/nginx-error.log;
worker_processes 1;
events {{}}
http {{
    log_format short '$remote_addr $request_uri $status';
    access_log {ACCESS_LOG} short;
    server {{
        listen {WEB};
        listen [::]:{WEB};
        listen {FORBIDDEN};
        root {WWW};
    }}
}}
"""


def start() -> None:
    """Start what does not run yet."""
    WWW.mkdir(parents=True, exist_ok=True)
    (WWW / "index.html").write_text(GREETING)
    (WWW / "download").write_bytes(bytes(DOWNLOAD_BYTES))
    (RUN / "nginx.conf").write_text(NGINX_CONFIG)
    if not _pid("nginx"):
        _run("nginx", "-c", str(RUN / "nginx.conf"), "-e", str(RUN / "nginx-error.log"))
    if not _pid("iperf3"):
        pidfile = str(_file("iperf3"))
        _run("iperf3", "--server", "--daemon", "--port", str(IPERF), "--pidfile", pidfile)


def stop() -> None:
    """End what runs."""
    for name in ("nginx", "iperf3"):
        pid = _pid(name)
        if pid:
            os.kill(pid, signal.SIGTERM)
            _await_end(pid)


def seen_clients() -> list[str]:
    """The addresses that the web server saw, one for each request."""
    return [line.split()[0] for line in ACCESS_LOG.read_text().splitlines()]


def _run(*command: str) -> None:
    subprocess.run(inside(SERVER, command), check=True)


def _file(name: str) -> Path:
    return RUN / f"{name}.pid"


def _pid(name: str) -> int | None:
    """The pid of a server that runs; a file may outlive its process."""
    with suppress(OSError, ValueError):
        pid = int(_file(name).read_text().strip("\0\n "))
        if Path(f"/proc/{pid}/comm").read_text().strip() == name:
            return pid
    return None


def _await_end(pid: int) -> None:
    for _ in _ticks(END_SECONDS):
        if not Path(f"/proc/{pid}").exists():
            return
    os.kill(pid, signal.SIGKILL)


def _ticks(seconds: float, pause: float = 0.05) -> Iterator[None]:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        yield
        time.sleep(pause)
