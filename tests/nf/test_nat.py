# SPDX-License-Identifier: BSD-3-Clause
"""The NAT's table: what it tells, what it keeps over a new configuration, how full it gets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether

from onvm_runtime.nf import Module, Packet, Verdict

PARAMETERS = {"inside": ["198.18.0.0/16"], "addresses": ["198.19.0.1", "198.19.0.2"]}
PUBLIC = {"198.19.0.1", "198.19.0.2"}


@pytest.fixture
def nat(load: Callable[[str], Module]) -> Module:
    module = load("nat")
    module.configure(PARAMETERS)
    return module


def outbound(source: str, port: int) -> Packet:
    frame = Ether() / IP(src=source, dst="198.19.0.80") / UDP(sport=port, dport=53)
    return Packet(bytes(frame))


def inbound(public: str, port: int) -> Packet:
    frame = Ether() / IP(src="198.19.0.80", dst=public) / UDP(sport=53, dport=port)
    return Packet(bytes(frame))


def listed(nat: Module) -> list[dict[str, Any]]:
    translations = nat.query({"query": "translations"})["translations"]
    assert isinstance(translations, list)
    return translations


def test_tells_its_translations(nat: Module) -> None:
    nat.handle([outbound("198.18.0.1", 4000)] * 2)
    [entry] = listed(nat)
    nat.handle([inbound(entry["public"], 4000)])
    nat.now += 100
    nat.tick()
    [entry] = listed(nat)
    assert entry.pop("public") in PUBLIC
    assert entry == {
        "protocol": "udp",
        "inside": "198.18.0.1",
        "inside_port": 4000,
        "public_port": 4000,
        "packets_out": 2,
        "packets_in": 1,
        "bytes_out": 84,
        "bytes_in": 42,
        "expires_in": 200.0,
    }


def test_an_inside_host_keeps_its_public_address(nat: Module) -> None:
    hosts = [f"198.18.{i}.1" for i in range(40)]
    nat.handle([outbound(host, port) for host in hosts for port in (4000, 5000, 6000)])
    publics = {host: {e["public"] for e in listed(nat) if e["inside"] == host} for host in hosts}
    assert all(len(used) == 1 for used in publics.values())
    assert set().union(*publics.values()) == PUBLIC


def test_public_ends_are_unique_and_expire(nat: Module) -> None:
    packets = [outbound(f"198.18.{i}.1", 4000) for i in range(250)]
    nat.handle(packets)
    ends = {(entry["public"], entry["public_port"]) for entry in listed(nat)}
    assert len(ends) == 250
    nat.now += 301
    for _ in range(16):
        nat.tick()
    assert nat.query({"query": "summary"})["translations"] == 0


def test_mappings_survive_a_new_configuration(nat: Module) -> None:
    nat.handle([outbound("198.18.0.1", 4000)])
    [before] = listed(nat)
    nat.configure(PARAMETERS | {"timeouts": {"udp": 20}, "max_entries": 100})
    [result] = nat.handle([inbound(before["public"], 4000)])
    assert result.verdict is Verdict.NEXT
    assert Ether(result.frame)[IP].dst == "198.18.0.1"
    assert listed(nat)[0]["expires_in"] == 20.0


def test_mappings_of_an_address_that_is_gone_end(nat: Module) -> None:
    nat.handle([outbound("198.18.0.1", 4000)])
    [before] = listed(nat)
    nat.configure(PARAMETERS | {"addresses": sorted(PUBLIC - {before["public"]})})
    assert listed(nat) == []


def test_counts_what_it_could_not_translate(nat: Module) -> None:
    nat.configure(PARAMETERS | {"max_entries": 1})
    nat.handle([outbound("198.18.0.1", 1), outbound("198.18.0.1", 2), inbound("198.19.0.1", 9)])
    summary = nat.query({"query": "summary"})
    assert summary == {
        "translations": 1,
        "max_entries": 1,
        "no_mapping": 1,
        "table_full": 1,
        "unsupported": 0,
        "arp_answers": 0,
    }
