# SPDX-License-Identifier: BSD-3-Clause
"""What NFs say of wrong parameters, in agreement with the schemas in their nf.yml."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from onvm_runtime.nf import Module, ModuleError

IMAGES = Path(__file__).parents[2] / "nf_images"
NFS = sorted(entry.parent.name for entry in IMAGES.glob("*/nf.yml"))
PORTS = {"client": 0, "server": 1}
NAT: dict[str, Any] = {"inside": ["198.18.0.0/24"], "addresses": ["198.19.0.1"]}


def rules(*entries: object) -> dict[str, Any]:
    return {"rules": list(entries)}


# The NF, parameters that its schema forbids, and the NF's own sentence.
FORBIDDEN = [
    ("forward", {"swap": True}, "swap is not a known key"),
    ("forward", {"swap_mac": "yes"}, "swap_mac must be true or false"),
    ("bridge", {}, "pairs must name at least one pair of ports"),
    ("bridge", {"pairs": [["client"]]}, "pairs: every pair must be a list of two port names"),
    ("firewall", {"default": "deny"}, "default must be accept or drop, not deny"),
    ("firewall", {"rules": {}}, "rules must be a list"),
    ("firewall", rules(7), "rules[0] must be a mapping"),
    (
        "firewall",
        rules({"verdict": "drop", "port": 80}),
        "rules[0].port is not a known key",
    ),
    (
        "firewall",
        rules({"verdict": "drop"}, {"protocol": "tcp"}),
        "rules[1] must have either a verdict or a service in `to`",
    ),
    (
        "firewall",
        rules({"verdict": "drop", "protocol": 256}),
        "rules[0].protocol must be tcp, udp, icmp, icmpv6, sctp or a number to 255",
    ),
    (
        "firewall",
        rules({"verdict": "drop", "source_ports": 65536}),
        "rules[0].source_ports must be a port or a range such as 1024-65535",
    ),
    (
        "firewall",
        rules({"verdict": "drop", "destination_ports": "80 - 90"}),
        "rules[0].destination_ports must be a port or a range such as 1024-65535",
    ),
    ("flow_monitor", {"max_flows": 0}, "max_flows must be a whole number from 1 to 262144"),
    ("flow_monitor", {"max_flows": 1.5}, "max_flows must be a whole number from 1 to 262144"),
    ("nat", {}, "inside must list 1 to 64 prefixes"),
    ("nat", NAT | {"addresses": []}, "addresses must list 1 to 16 public addresses"),
    ("nat", NAT | {"ports": "high"}, "ports must be a range such as 1024-65535, not high"),
    ("nat", NAT | {"mac": "02:00"}, "mac must be a unicast MAC address, not 02:00"),
    (
        "nat",
        NAT | {"timeouts": {"sctp": 1}},
        "timeouts.sctp is not a known key",
    ),
]

# What a schema cannot say, and the NF does.
IMPOSSIBLE = [
    ("bridge", {"pairs": [["client", "nowhere"]]}, "there is no port nowhere on this node"),
    (
        "bridge",
        {"pairs": [["client", "server"], ["server", "client"]]},
        "pairs: a port of the pair server, client is in another pair already",
    ),
    (
        "firewall",
        rules({"verdict": "drop", "source": "198.18.0.1/24"}),
        "rules[0].source: 198.18.0.1/24 has bits set behind its /24",
    ),
    (
        "firewall",
        rules({"verdict": "drop", "source": "198.18.0.0/33"}),
        "rules[0].source: the prefix of 198.18.0.0/33 must have 0 to 32 bits",
    ),
    (
        "firewall",
        rules({"verdict": "drop", "destination": "web"}),
        "rules[0].destination: web is neither an IPv4 nor an IPv6 address",
    ),
    (
        "firewall",
        rules({"verdict": "drop", "source": "198.18.0.1", "destination": "2001:db8::1"}),
        "rules[0]: source and destination are of different IP versions",
    ),
    (
        "firewall",
        rules({"verdict": "drop", "source_ports": "90-80"}),
        "rules[0].source_ports must be a port or a range such as 1024-65535",
    ),
    (
        "firewall",
        rules({"to": "scrubber"}),
        "the service scrubber is not among those that this one may name in `to`",
    ),
    (
        "nat",
        NAT | {"shares": 2, "replica": 3},
        "replica 3 needs a share of the ports: shares must be 3 or more",
    ),
    (
        "nat",
        NAT | {"ports": "1024-1025", "shares": 3},
        "ports 1024-1025 cannot be cut into 3 shares",
    ),
    ("nat", NAT | {"inside": ["2001:db8::/32"]}, "inside: 2001:db8::/32 is not IPv4"),
    (
        "nat",
        NAT | {"addresses": ["198.19.0.0/24"]},
        "addresses: 198.19.0.0/24 is not a single IPv4 address",
    ),
    (
        "nat",
        NAT | {"addresses": ["198.18.0.9"]},
        "addresses: 198.18.0.9 lies inside; choose one outside of `inside`",
    ),
    (
        "nat",
        NAT | {"mac": "01:00:00:00:00:01"},
        "mac must be a unicast MAC address, not 01:00:00:00:00:01",
    ),
]


def schema_of(nf: str) -> Any:
    return yaml.safe_load((IMAGES / nf / "nf.yml").read_text())["parameters"]


def objects_of(schema: Any) -> list[Any]:
    """Every schema of an object inside a schema."""
    if isinstance(schema, list):
        return [found for entry in schema for found in objects_of(entry)]
    if not isinstance(schema, dict):
        return []
    inner = [found for value in schema.values() for found in objects_of(value)]
    return [schema, *inner] if schema.get("type") == "object" else inner


@pytest.mark.parametrize("nf", NFS)
def test_schema_is_one_and_allows_no_unknown_keys(nf: str) -> None:
    Draft202012Validator.check_schema(schema_of(nf))
    assert all(found["additionalProperties"] is False for found in objects_of(schema_of(nf)))


@pytest.mark.parametrize("nf", NFS)
def test_catalogue_names_the_module(nf: str, load: Callable[[str], Module]) -> None:
    assert yaml.safe_load((IMAGES / nf / "nf.yml").read_text())["name"] == load(nf).name == nf


@pytest.mark.parametrize(("nf", "parameters", "sentence"), FORBIDDEN)
def test_forbidden_by_schema_and_nf(
    nf: str, parameters: dict[str, Any], sentence: str, load: Callable[[str], Module]
) -> None:
    assert not Draft202012Validator(schema_of(nf)).is_valid(parameters)
    with pytest.raises(ModuleError) as refusal:
        load(nf).configure(parameters, ports=PORTS)
    assert str(refusal.value) == sentence


@pytest.mark.parametrize(("nf", "parameters", "sentence"), IMPOSSIBLE)
def test_refused_by_nf(
    nf: str, parameters: dict[str, Any], sentence: str, load: Callable[[str], Module]
) -> None:
    with pytest.raises(ModuleError) as refusal:
        load(nf).configure(parameters, ports=PORTS)
    assert str(refusal.value) == sentence
