# SPDX-License-Identifier: BSD-3-Clause
"""Traffic between the hosts, by the programs that people use, and by our own where time counts."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .lab import CLIENT, IPERF, PROBE, SERVER, Host
from .wiring import inside

CURL_SECONDS = 3


def fetch(url: str) -> str | None:
    """Return what curl gets on the client; None when nothing answers in time."""
    command = ["curl", "--silent", "--fail", "--max-time", str(CURL_SECONDS), url]
    result = subprocess.run(inside(CLIENT, command), check=False, capture_output=True, text=True)
    return result.stdout if result.returncode == 0 else None


def ping(address: str, count: int = 3) -> int:
    """Return how many of `count` echo requests were answered."""
    command = ["ping", "-c", str(count), "-i", "0.2", "-W", "1", address]
    result = subprocess.run(inside(CLIENT, command), check=False, capture_output=True, text=True)
    return result.stdout.count(" bytes from ")


def iperf(*options: str) -> subprocess.Popen[str]:
    """Start iperf3 on the client against the server; its standard output will be JSON."""
    command = ["iperf3", "--client", SERVER.address4, "--port", str(IPERF), "--json", *options]
    return _popen(CLIENT, command)


def result_of(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Wait for a program that prints JSON, and return that."""
    output, _ = process.communicate()
    return dict(json.loads(output))


@contextmanager
def probe(seconds: float, packets_per_second: int) -> Iterator[dict[str, Any]]:
    """Number datagrams from client to server while the body runs, and after it until they end.

    Fills the dictionary at the end: sent, received, longest_gap (seconds between two arrivals).
    """
    result: dict[str, Any] = {}
    receiver = _own(SERVER, "receive", str(PROBE))
    assert receiver.stdout is not None
    receiver.stdout.readline()  # it listens
    pace = (str(packets_per_second), str(seconds))
    sender = _own(CLIENT, "send", SERVER.address4, str(PROBE), *pace)
    try:
        yield result
        result.update(result_of(sender))
        result.update(result_of(receiver))
    finally:
        _end(sender, receiver)


@contextmanager
def requests(url_host: str) -> Iterator[dict[str, Any]]:
    """Keep fetching a page on a new connection each, while the body runs.

    Fills the dictionary at the end: requests, failures (sentences).
    """
    result: dict[str, Any] = {}
    process = _own(CLIENT, "request", url_host)
    assert process.stdout is not None
    process.stdout.readline()  # the first page came
    try:
        yield result
        process.terminate()
        result.update(result_of(process))
    finally:
        _end(process)


def _own(host: Host, *words: str) -> subprocess.Popen[str]:
    return _popen(host, [sys.executable, "-m", "demo.endpoint", *words])


def _popen(host: Host, command: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(inside(host, command), stdout=subprocess.PIPE, text=True)


def _end(*processes: subprocess.Popen[str]) -> None:
    for process in processes:
        if process.poll() is None:
            process.kill()
            process.wait()
