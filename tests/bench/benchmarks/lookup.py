# SPDX-License-Identifier: BSD-3-Clause
"""What classification costs: of flows that are known, of new ones, and under attack."""

from __future__ import annotations

from collections.abc import Iterator

from tests.bench.figure import Baseline, Figure, Finding, Target
from tests.bench.programs import columns
from tests.bench.registry import benchmark
from tests.bench.setting import Setting

TABLE = 65_536  # flows that a table has room for, unless node.yml says otherwise
# Flows to the room of the table, and CPU ns/packet of all but the loading of frames.
LOOKUPS = {1_000: (TABLE, 8.0), 1_000_000: (2_097_152, 30.0)}
PACKETS, QUICK_PACKETS = 4_000_000, 500_000
NEW_FLOWS = 65_536
RULES = (0, 10, 1_000, 10_000)
INSERTS = 0.5  # million flows/s
WITH_DPDK = ("bench_lookup", "bench_insert")
EAL = ("--no-pci", "--in-memory", "--no-telemetry", "--log-level=lib.*:error")


@benchmark("lookup", "Classification of a packet: known flows, new flows, hostile flows")
def lookup(setting: Setting) -> Iterator[Finding]:
    """From the frame to its chain; rte_hash gets its keys ready made."""
    for flows, (room, bound) in LOOKUPS.items():
        yield from _known(setting, flows, room, bound)
    for rules in RULES:
        yield from _new(setting, rules)
    yield from _hostile(setting)


def _columns(setting: Setting, name: str, *arguments: int) -> list[tuple[float, ...]]:
    core = setting.cores[-1]
    eal = (*EAL, f"--lcores=0@{core}") if name in WITH_DPDK else ()
    return columns(setting.build, name, core, *map(str, arguments), str(setting.repeat), *eal)


def _known(setting: Setting, flows: int, room: int, bound: float) -> Iterator[Figure]:
    packets = QUICK_PACKETS if setting.quick else PACKETS
    touched, parsed, hashed, found, other = _columns(setting, "bench_lookup", flows, room, packets)
    parts = {
        "loading": ("loading of the frame and its mbuf", touched),
        "parse": ("parsing", parsed),
        "hash": ("hash", hashed),
        "table": ("flow table and its upkeep", found),
    }
    yield Figure(
        f"lookup.{flows}",
        f"{flows:,} flows: parsing, hash and flow table",
        "CPU ns/packet",
        tuple(map(sum, zip(parsed, hashed, found, strict=True))),
        Baseline("rte_hash bulk", other),
        Target("value", "<=", bound),
        note="what is added to the loading of the frame",
    )
    for part, (title, samples) in parts.items():
        yield Figure(
            f"lookup.{flows}.{part}", f"{flows:,} flows: {title}", "CPU ns/packet", samples
        )


def _new(setting: Setting, rules: int) -> Iterator[Figure]:
    ours, other = _columns(setting, "bench_insert", rules, NEW_FLOWS)
    yield Figure(
        f"lookup.new.{rules}",
        f"a new flow: miss, {rules:,} masked rules, entry",
        "CPU ns/flow",
        ours,
        Baseline("rte_hash add", other),
        Target("value", "<=", 1000 / INSERTS),
        note="16 masks, no rule matches" if rules else "",
    )


def _hostile(setting: Setting) -> Iterator[Figure]:
    attacked, usual, evicted, by_chance, known = _columns(setting, "bench_adversary", TABLE)
    yield Figure(
        "lookup.hostile.cost",
        "hostile sets of flows: a look-up in the table",
        "CPU ns/packet",
        attacked,
        Baseline("random flows", usual),
    )
    yield Figure(
        "lookup.hostile.evicted",
        "the worst hostile set of flows, as many as the table has room for: evicted by each other",
        "%",
        evicted,
        Baseline("random flows", by_chance),
        note=f"{max(known):.0f} % of a set that was made for a seed that is known",
    )
