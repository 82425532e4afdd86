# SPDX-License-Identifier: BSD-3-Clause
"""The firewall's counters, and its matching against the plain reading of its rules."""

from __future__ import annotations

import ipaddress
import random
from collections.abc import Callable
from typing import Any

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether

from onvm_runtime.nf import Module, ModuleError, Packet, Verdict

NOTHING = {"packets": 0, "bytes": 0}


@pytest.fixture
def firewall(load: Callable[[str], Module]) -> Module:
    return load("firewall")


def datagram(source: str, destination: str, sport: int = 1000, dport: int = 2000) -> Packet:
    ip = IPv6 if ":" in source else IP
    packet = ip(src=source, dst=destination) / UDP(sport=sport, dport=dport)
    return Packet(bytes(Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02") / packet))


def counts(firewall: Module) -> list[int]:
    return [rule["packets"] for rule in firewall.query({"query": "rules"})["rules"]]


def test_counts_packets_and_bytes_by_rule(firewall: Module) -> None:
    rule = {"source": "198.18.0.0/24", "verdict": "drop"}
    firewall.configure({"rules": [rule]})
    firewall.handle([datagram("198.18.0.1", "198.19.0.1")] * 40)
    firewall.handle(
        [datagram("198.18.1.1", "198.19.0.1"), Packet(b"\0" * 20), Packet(b"\x08\0" * 7)]
    )
    answer = firewall.query({"query": "rules"})
    assert answer["rules"] == [{"rule": rule, "packets": 40, "bytes": 40 * 42}]
    assert answer["default"] == {"packets": 1, "bytes": 42}
    assert answer["non_ip"] == {"packets": 1, "bytes": 20}
    assert answer["malformed"] == {"packets": 1, "bytes": 14}


def test_unchanged_rules_keep_their_counters(firewall: Module) -> None:
    one = {"source": "198.18.0.1", "verdict": "drop"}
    other = {"source": "198.18.0.2", "verdict": "drop"}
    firewall.configure({"rules": [one, other]})
    firewall.handle([datagram("198.18.0.1", "198.19.0.1"), datagram("198.18.0.2", "198.19.0.1")])
    firewall.handle([datagram("198.18.0.2", "198.19.0.1")])
    firewall.configure({"rules": [other, one | {"protocol": "udp"}, one, other]})
    assert counts(firewall) == [2, 0, 1, 0]


def test_a_refused_configuration_changes_nothing(firewall: Module) -> None:
    firewall.configure({"rules": [{"source": "198.18.0.1", "verdict": "drop"}]})
    with pytest.raises(ModuleError):
        firewall.configure({"rules": [{"source": "198.18.0.2", "verdict": "burn"}]})
    [result] = firewall.handle([datagram("198.18.0.1", "198.19.0.1")])
    assert result.verdict is Verdict.DROP
    assert counts(firewall) == [1]


def test_knows_no_other_queries(firewall: Module) -> None:
    firewall.configure({})
    assert firewall.query({"query": "rules"})["default"] == NOTHING
    with pytest.raises(ModuleError, match="answers the query rules only"):
        firewall.query({"query": "flows"})


def some_address(chance: random.Random) -> str:
    if chance.random() < 0.5:
        return str(ipaddress.IPv4Address("198.18.0.0") + chance.randrange(64))
    return str(ipaddress.IPv6Address("2001:db8::") + chance.randrange(64))


def some_prefix(chance: random.Random) -> str:
    address = some_address(chance)
    length = chance.choice([0, 8, 16, 20, 26, 28, 29, 30, 31, 32])
    bits = length + (96 if ":" in address and length else 0)
    return str(ipaddress.ip_network(f"{address}/{bits}", strict=False))


def some_ports(chance: random.Random) -> int | str:
    low = chance.randrange(20)
    return low if chance.random() < 0.5 else f"{low}-{low + chance.randrange(8)}"


def some_rule(chance: random.Random) -> dict[str, Any]:
    rule: dict[str, Any] = {"verdict": chance.choice(["accept", "drop"])}
    if chance.random() < 0.6:
        rule["source"] = some_prefix(chance)
    if chance.random() < 0.4 and ":" not in rule.get("source", ""):
        rule["destination"] = str(ipaddress.ip_network(f"198.18.0.{chance.randrange(64)}/32"))
    for key in ("source_ports", "destination_ports"):
        if chance.random() < 0.4:
            rule[key] = some_ports(chance)
    if chance.random() < 0.2:
        rule["protocol"] = chance.choice(["tcp", "udp", 17])
    return rule


def holds(prefix: str | None, address: str) -> bool:
    return prefix is None or ipaddress.ip_address(address) in ipaddress.ip_network(prefix)


def in_range(ports: int | str | None, port: int) -> bool:
    if ports is None:
        return True
    low, _, high = str(ports).partition("-")
    return int(low) <= port <= int(high or low)


def matches(rule: dict[str, Any], source: str, destination: str, sport: int, dport: int) -> bool:
    return (
        holds(rule.get("source"), source)
        and holds(rule.get("destination"), destination)
        and in_range(rule.get("source_ports"), sport)
        and in_range(rule.get("destination_ports"), dport)
        and rule.get("protocol", "udp") in ("udp", 17)
    )


@pytest.mark.parametrize("seed", range(12))
def test_matches_as_a_reader_of_the_rules_would(seed: int, firewall: Module) -> None:
    chance = random.Random(seed)
    rules = [some_rule(chance) for _ in range(chance.choice([1, 63, 64, 65, 300]))]
    firewall.configure({"rules": rules, "default": "drop"})
    for _ in range(150):
        source = some_address(chance)
        destination = source if ":" in source else f"198.18.0.{chance.randrange(64)}"
        ports = chance.randrange(30), chance.randrange(30)
        [result] = firewall.handle([datagram(source, destination, *ports)])
        first = next((r for r in rules if matches(r, source, destination, *ports)), None)
        accepted = first is not None and first["verdict"] == "accept"
        assert result.verdict == (Verdict.NEXT if accepted else Verdict.DROP), (source, ports)
