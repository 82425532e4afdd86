# SPDX-License-Identifier: BSD-3-Clause
"""Programs that run on a host of the lab and print one JSON object at their end.

python -m demo.endpoint send ADDRESS PORT PER_SECOND SECONDS
python -m demo.endpoint receive PORT          ends after a second and a half of silence
python -m demo.endpoint request HOST          ends at SIGTERM
"""

from __future__ import annotations

import http.client
import json
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

SILENCE_SECONDS = 1.5
REQUEST_SECONDS = 3.0


def send(address: str, port: str, per_second: str, seconds: str) -> dict[str, Any]:
    """Send datagrams at a steady pace."""
    count, pause = int(float(seconds) * int(per_second)), 1 / int(per_second)
    begin = time.monotonic()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for number in range(count):
            sender.sendto(number.to_bytes(8, "big"), (address, int(port)))
            time.sleep(max(0.0, begin + number * pause - time.monotonic()))
    return {"sent": count}


def receive(port: str) -> dict[str, Any]:
    """Receive datagrams until they end; the first may take its time."""
    arrivals: list[float] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("", int(port)))
        print("listening", flush=True)
        receiver.settimeout(10 * SILENCE_SECONDS)
        try:
            while receiver.recv(64):
                arrivals.append(time.monotonic())
                receiver.settimeout(SILENCE_SECONDS)
        except TimeoutError:
            pass  # the end of the stream
    gaps = [after - before for before, after in pairwise(arrivals)]
    return {"received": len(arrivals), "longest_gap": max(gaps, default=float("inf"))}


def request(host: str) -> dict[str, Any]:
    """Fetch the front page again and again, each time on a new connection."""
    going = True

    def finish(*_: object) -> None:
        nonlocal going
        going = False

    signal.signal(signal.SIGTERM, finish)
    count, failures = 0, []
    while going:
        try:
            _fetch(host)
        except (OSError, http.client.HTTPException) as error:
            failures.append(f"request {count}: {error}")
        count += 1
        if count == 1:
            print("begun", flush=True)
    return {"requests": count, "failures": failures}


def _fetch(host: str) -> None:
    connection = http.client.HTTPConnection(host, timeout=REQUEST_SECONDS)
    try:
        connection.request("GET", "/")
        answer = connection.getresponse()
        answer.read()
        if answer.status != http.HTTPStatus.OK:
            raise http.client.HTTPException(f"status {answer.status}")
    finally:
        connection.close()


PROGRAMS: dict[str, Callable[..., dict[str, Any]]] = {
    "send": send,
    "receive": receive,
    "request": request,
}


def main(words: Sequence[str]) -> None:
    """Run the program that the first word names."""
    print(json.dumps(PROGRAMS[words[0]](*words[1:])))


if __name__ == "__main__":
    main(sys.argv[1:])
