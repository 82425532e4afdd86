# SPDX-License-Identifier: BSD-3-Clause
"""A chain over three nodes carries real traffic, and changes under it."""

from __future__ import annotations

import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.dataplane.plane import eventually
from tests.lab.containers.lab import ADDRESSES, STRAIGHT, THROUGH, Lab

PAGE = 1 << 20  # bytes
REQUESTS = 20


@contextmanager
def web_server(lab: Lab, folder: Path) -> Iterator[str]:
    """Serves a folder at the server's end; gives its URL."""
    address = ADDRESSES["server"].partition("/")[0]
    serve = [sys.executable, "-m", "http.server", "--bind", address, "--directory", str(folder)]
    inside = ["ip", "netns", "exec", lab.ends["server"].name]
    server = subprocess.Popen(
        [*inside, *serve, "80"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        listening = ("ss", "-Hltn", "sport", "=", "80")
        eventually(lambda: lab.ends["server"].run(*listening), "the web server listens", 20)
        yield f"http://{address}"
    finally:
        server.terminate()
        server.wait()


def test_http_passes_three_nodes(lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "page").write_bytes(bytes(PAGE))
    before = {nf: lab.handled(nf) for nf in ("near-1", "middle-1", "far-1")}
    with web_server(lab, tmp_path) as url:
        figures = lab.ends["client"].run(
            "curl", "--silent", "--show-error", "--fail", "--max-time", "60", "--output",
            "/dev/null", "--write-out", "%{size_download} %{time_total}\\n",
            f"{url}/page?[1-{REQUESTS}]",
        )  # fmt: skip
    answers = [line.split() for line in figures.splitlines()]
    assert [int(size) for size, _ in answers] == [PAGE] * REQUESTS
    for nf, count in before.items():
        assert lab.handled(nf) - count > REQUESTS * PAGE / 1500, nf
    middle = statistics.median(float(seconds) for _, seconds in answers)
    lab.report.say(
        f"HTTP over three nodes: {REQUESTS} pages of 1 MB, {PAGE * 8 / middle / 1e6:.0f} Mbit/s"
        f" (median page {middle * 1e3:.0f} ms)"
    )


@pytest.mark.parametrize("path", [STRAIGHT, THROUGH], ids=["shorter", "longer"])
def test_a_changed_chain_loses_no_packet(lab: Lab, path: list[str]) -> None:
    if path == THROUGH:
        lab.roll_out(STRAIGHT)
    before = lab.losses()
    with lab.traffic() as flowing:
        seconds = lab.roll_out(path)
        lost = flowing.stop()
    lab.report.say(
        f"a chain of {len(path)} services in place of the other: {seconds:.1f} s,"
        f" {lost} of {flowing.sent} packets lost"
    )
    assert lost == 0, f"dropped before {before}, and now {lab.losses()}"
