# SPDX-License-Identifier: BSD-3-Clause
"""Brings the lab up for people, and takes it away when they are done: docs/labs.md."""

from __future__ import annotations

import contextlib
import shutil
import signal
from pathlib import Path

from tests.lab.containers.lab import Lab
from tests.lab.containers.report import Report

CHECKOUT = Path(__file__).resolve().parents[3]


def main() -> None:
    """Run until Ctrl-C."""
    folder = CHECKOUT / "build/lab-nodes/mine"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    lab = Lab(CHECKOUT, folder, Report(folder / "report.md"))
    with contextlib.closing(lab), contextlib.suppress(KeyboardInterrupt):
        lab.connect()
        lab.until_booted()
        print(f"Inventory: {lab.controller.inventory}")
        print(f"Client:    ip netns exec {lab.ends['client'].name} bash")
        print(f"Server:    ip netns exec {lab.ends['server'].name} bash")
        for name, node in lab.nodes.items():
            print(f"Node {name}:   docker exec -it {node.container} bash")
        print("Ctrl-C takes all of it away.", flush=True)
        signal.pause()


if __name__ == "__main__":
    main()
