# SPDX-License-Identifier: BSD-3-Clause
"""The NF that docs/nf.md shows works."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether

from onvm_runtime.nf import Module, Packet, Verdict

ROOT = Path(__file__).parents[2]
NATIVE = ROOT / "onvm_runtime" / "native"


def first_c_block(page: Path) -> str:
    found = re.search(r"```c\n(.*?)```", page.read_text(), re.DOTALL)
    assert found is not None
    return found[1]


def test_the_example_drops_telnet(tmp_path: Path) -> None:
    source, module = tmp_path / "no_telnet.c", tmp_path / "no_telnet.so"
    source.write_text(first_c_block(ROOT / "docs" / "nf.md"))
    flags = ["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", f"-I{NATIVE}"]
    subprocess.run(["cc", *flags, source, NATIVE / "nf" / "packet.c", "-o", module], check=True)
    with Module(module) as nf:
        frames = [bytes(Ether() / IP() / TCP(dport=port)) for port in (23, 80)]
        results = nf.handle(map(Packet, frames))
    assert [result.verdict for result in results] == [Verdict.DROP, Verdict.NEXT]
