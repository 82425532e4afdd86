# SPDX-License-Identifier: BSD-3-Clause
"""Converters of single values: what YAML gives in, what a spec holds out.

Each takes the content of a node and raises ValueError with a sentence that
says what to write instead.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from ipaddress import IPv4Address, IPv4Interface, ip_address, ip_network

from onvm_runtime.chains import limits
from onvm_runtime.chains.document import Content
from onvm_runtime.chains.problem import suggest
from onvm_runtime.chains.spec import BY_RATE, Network, Placement, PortRange

# IANA protocol numbers (https://www.iana.org/assignments/protocol-numbers)
PROTOCOLS: Mapping[str, int] = {"icmp": 1, "tcp": 6, "udp": 17, "icmpv6": 58, "sctp": 132}

# IEEE 802 EtherTypes (https://www.iana.org/assignments/ieee-802-numbers)
ETHERTYPES: Mapping[str, int] = {"ipv4": 0x0800, "arp": 0x0806, "ipv6": 0x86DD}

# How packets of chains are wrapped on a link: NSH (RFC 8300), NSH in VXLAN-GPE, a VLAN tag.
ENCAPSULATIONS = ("nsh", "vxlan-gpe", "vlan")

_NAME = re.compile(r"[a-z0-9]([a-z0-9_-]*[a-z0-9])?")
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
_CPUS = re.compile(r"\d{1,4}(-\d{1,4})?(,\d{1,4}(-\d{1,4})?)*")
_RANGE = re.compile(r"([0-9]{1,5})-([0-9]{1,5})")


def text(content: Content) -> str:
    """Any text that is not empty."""
    if isinstance(content, str) and content:
        return content
    raise ValueError("must be text: put it in quotes if it looks like a number")


def name(longest: int) -> Callable[[Content], str]:
    """A converter of names of at most `longest` characters."""

    def convert(content: Content) -> str:
        value = text(content)
        check_name(value, longest)
        return value

    return convert


def check_name(value: str, longest: int) -> None:
    """Raises ValueError when `value` is no name."""
    if not _NAME.fullmatch(value):
        raise ValueError(
            f"{value!r} is not a name: use a-z, 0-9, - and _, "
            "beginning and ending with a letter or digit"
        )
    if len(value) > longest:
        raise ValueError(
            f"{value!r} has {len(value)} characters: at most {longest} fit, shorten it"
        )


def boolean(content: Content) -> bool:
    """true or false; YAML 1.1's yes, no, on and off are text here."""
    if isinstance(content, bool):
        return content
    raise ValueError("must be true or false")


def integer(low: int, high: int) -> Callable[[Content], int]:
    """A converter of whole numbers from `low` to `high`, both included."""

    def convert(content: Content) -> int:
        if isinstance(content, int) and not isinstance(content, bool) and low <= content <= high:
            return content
        raise ValueError(f"must be a whole number from {low} to {high}")

    return convert


def positive(content: Content) -> float:
    """A number above 0."""
    if isinstance(content, (int, float)) and not isinstance(content, bool) and content > 0:
        return float(content)
    raise ValueError("must be a number above 0")


def one_of(*words: str) -> Callable[[Content], str]:
    """A converter of certain words."""

    def convert(content: Content) -> str:
        if isinstance(content, str) and content in words:
            return content
        raise ValueError(f"{content!r} is none of {', '.join(words)}: write one of these")

    return convert


def mac(content: Content) -> str:
    """A MAC address in lower case with colons."""
    value = content.lower().replace("-", ":") if isinstance(content, str) else ""
    if _MAC.fullmatch(value):
        return value
    raise ValueError("must be a MAC address such as 02:00:00:00:00:01")


def prefix(content: Content) -> Network:
    """An IPv4 or IPv6 prefix; an address alone is a prefix of full length."""
    written = content if isinstance(content, str) else ""
    try:
        wide = ip_network(written, strict=False)
        address = ip_address(written.partition("/")[0])
    except ValueError:
        raise ValueError(
            "must be an IPv4 or IPv6 prefix such as 198.18.0.0/24 or 2001:db8::/32"
        ) from None
    if address != wide.network_address:
        raise ValueError(f"has bits set behind the prefix: write {wide} or {address}")
    return wide


def protocol(content: Content) -> int:
    """An IP protocol by name or number."""
    return _named(content, PROTOCOLS, 0, 255)


def ethertype(content: Content) -> int:
    """An EtherType by name or number; below 0x0600 the field is a length (IEEE 802.3)."""
    return _named(content, ETHERTYPES, 0x0600, 0xFFFF)


def l4_ports(content: Content) -> PortRange:
    """A port or a range `low-high`, both ends included."""
    low, high = _range(content)
    if low > high:
        raise ValueError(f"the range ends before it begins: write {high}-{low}")
    if high > 65535:
        raise ValueError(f"{high} is not a port: the highest is 65535")
    return low, high


def encapsulation(content: Content) -> str:
    """One of ENCAPSULATIONS."""
    written = text(content)
    if written in ENCAPSULATIONS:
        return written
    raise ValueError(f"{written!r} is unknown: {suggest(written, ENCAPSULATIONS)}")


def interface(content: Content) -> str:
    """An IPv4 address with its prefix length."""
    try:
        return str(IPv4Interface(text(content)))
    except ValueError:
        raise ValueError("must be an IPv4 address with its prefix, such as 198.18.0.1/24") from None


def address(content: Content) -> str:
    """An IPv4 address."""
    try:
        return str(IPv4Address(text(content)))
    except ValueError:
        raise ValueError("must be an IPv4 address, such as 198.18.0.254") from None


def cpus(value: str) -> tuple[int, ...]:
    """The CPUs of a list such as 1 or 0,2-3, in order."""
    if not _CPUS.fullmatch(value):
        raise ValueError("must be a list of CPUs, such as 1 or 0,2-3")
    found: set[int] = set()
    for part in value.split(","):
        first, _, last = part.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    if not found or max(found) > limits.CPU:
        raise ValueError(f"must be a list of CPUs, each from 0 to {limits.CPU}")
    return tuple(sorted(found))


def cpu_weight(content: Content) -> int | str:
    """A weight of CPU time, or BY_RATE."""
    if content == BY_RATE:
        return BY_RATE
    try:
        return integer(1, limits.CPU_WEIGHT)(content)
    except ValueError as error:
        raise ValueError(f"{error}, or {BY_RATE}") from None


def placement(content: Content) -> Placement:
    """auto, shared, or a list of CPUs as text."""
    if content in ("auto", "shared"):
        return str(content)
    if isinstance(content, int) and not isinstance(content, bool):
        return cpus(str(content))
    try:
        return cpus(text(content))
    except ValueError:
        raise ValueError("must be auto, shared, or CPUs such as 2 or 2-3,6") from None


def _range(content: Content) -> PortRange:
    if isinstance(content, int) and not isinstance(content, bool) and content >= 0:
        return content, content
    found = _RANGE.fullmatch(content.replace(" ", "")) if isinstance(content, str) else None
    if not found:
        raise ValueError("must be a port such as 80 or a range such as 1024-65535")
    return int(found[1]), int(found[2])


def _named(content: Content, names: Mapping[str, int], low: int, high: int) -> int:
    if isinstance(content, str) and content.lower() in names:
        return names[content.lower()]
    if isinstance(content, str):
        raise ValueError(f"{content!r} is unknown: {suggest(content, names)}")
    return integer(low, high)(content)
