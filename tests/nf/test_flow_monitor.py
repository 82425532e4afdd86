# SPDX-License-Identifier: BSD-3-Clause
"""What the flow monitor tells of the packets that passed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import ARP, Ether

from onvm_runtime.nf import Module, ModuleError, Packet

CLIENT, SERVER = "198.18.0.1", "198.19.0.1"


@pytest.fixture
def monitor(load: Callable[[str], Module]) -> Module:
    module = load("flow_monitor")
    module.configure({"max_flows": 4, "idle_timeout": 10})
    return module


def request(port: int, payload: int = 0) -> Packet:
    packet = IP(src=CLIENT, dst=SERVER) / UDP(sport=port, dport=53) / (b"x" * payload)
    return Packet(bytes(Ether() / packet))


def answer(port: int, payload: int = 0) -> Packet:
    packet = IP(src=SERVER, dst=CLIENT) / UDP(sport=53, dport=port) / (b"x" * payload)
    return Packet(bytes(Ether() / packet))


def flows(monitor: Module, **request: object) -> list[dict[str, Any]]:
    listed = monitor.query({"query": "flows", **request})["flows"]
    assert isinstance(listed, list)
    return listed


def test_both_directions_are_one_flow_of_who_began_it(monitor: Module) -> None:
    monitor.handle([answer(9, 100), request(9), request(9)])
    monitor.now += 2
    monitor.handle([request(9)])
    monitor.now += 1
    monitor.tick()
    assert flows(monitor) == [
        {
            "source": SERVER,
            "destination": CLIENT,
            "source_port": 53,
            "destination_port": 9,
            "protocol": 17,
            "packets": 4,
            "bytes": 142 + 3 * 42,
            "packets_back": 3,
            "bytes_back": 3 * 42,
            "age": 3.0,
            "idle": 1.0,
        }
    ]


def test_directions_may_be_flows_of_their_own(monitor: Module) -> None:
    monitor.configure({"bidirectional": False})
    monitor.handle([request(9), answer(9)])
    assert {(flow["source"], flow["packets"]) for flow in flows(monitor)} == {
        (CLIENT, 1),
        (SERVER, 1),
    }


def test_ipv6_and_protocols_are_told_apart(monitor: Module) -> None:
    six = IPv6(src="2001:db8::1", dst="2001:db8::2")
    monitor.handle([Packet(bytes(Ether() / six / TCP(sport=1, dport=2)))])
    monitor.handle([Packet(bytes(Ether() / six / UDP(sport=1, dport=2)))])
    assert {(flow["source"], flow["protocol"]) for flow in flows(monitor)} == {
        ("2001:db8::1", 6),
        ("2001:db8::1", 17),
    }


def test_top_talkers_by_bytes_or_packets(monitor: Module) -> None:
    monitor.handle([request(1, 1000), *[request(2)] * 5, *[request(3)] * 3])
    assert [flow["source_port"] for flow in flows(monitor, top=2)] == [1, 2]
    assert [flow["source_port"] for flow in flows(monitor, top=2, sort="packets")] == [2, 3]
    assert [flow["source_port"] for flow in flows(monitor)] == [1, 2, 3]


def test_a_silent_flow_is_forgotten(monitor: Module) -> None:
    monitor.handle([request(1)])
    monitor.now += 10.5
    monitor.tick()
    assert flows(monitor) == []
    assert monitor.query({"query": "summary"})["flows"] == 0


def test_a_flow_that_speaks_after_its_time_is_a_new_one(monitor: Module) -> None:
    monitor.handle([request(1), request(1)])
    monitor.now += 10.5
    monitor.handle([answer(1)])
    [flow] = flows(monitor)
    assert (flow["source"], flow["packets"], flow["age"]) == (SERVER, 1, 0.0)


def test_packets_without_room_are_counted_as_untracked(monitor: Module) -> None:
    monitor.handle([request(port) for port in range(6)])
    monitor.handle([Packet(bytes(Ether() / ARP())), Packet(b"\x08\x00" * 7)])
    summary = monitor.query({"query": "summary"})
    assert summary == {
        "flows": 4,
        "max_flows": 4,
        "packets": 8,
        "bytes": 6 * 42 + 42 + 14,
        "untracked": 2,
        "non_ip": 1,
        "malformed": 1,
    }


def test_a_new_time_out_keeps_the_flows(monitor: Module) -> None:
    monitor.handle([request(1)])
    monitor.configure({"max_flows": 4, "idle_timeout": 100})
    monitor.now += 50
    monitor.tick()
    assert len(flows(monitor)) == 1


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ({"query": "flows", "top": 0}, "top must be a whole number from 1 to 1000"),
        ({"query": "flows", "sort": "age"}, "sort must be bytes or packets, not age"),
        ({"query": "flows", "of": 1}, "of is not a known key"),
        ({"query": "rules"}, "flow_monitor answers the queries flows and summary only"),
        ({}, "flow_monitor answers the queries flows and summary only"),
    ],
)
def test_wrong_queries(query: dict[str, object], sentence: str, monitor: Module) -> None:
    with pytest.raises(ModuleError) as refusal:
        monitor.query(query)
    assert str(refusal.value) == sentence
