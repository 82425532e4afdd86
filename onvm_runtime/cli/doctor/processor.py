# SPDX-License-Identifier: BSD-3-Clause
"""CPU features, the cores that the node uses, and NUMA."""

from __future__ import annotations

import platform
import re
from collections.abc import Iterator

from onvm_runtime.cli.doctor.finding import Finding, fail, ok, warn
from onvm_runtime.cli.doctor.host import Host, full_address, parse_cpus
from onvm_runtime.manager.config import NodeConfig, PciPort

# What DPDK is compiled for, then what the data path gains from.
_FEATURES = {
    "x86_64": ({"ssse3", "sse4_1", "sse4_2", "popcnt"}, {"avx2", "constant_tsc", "nonstop_tsc"}),
    "aarch64": ({"asimd"}, {"crc32"}),
}
_ONLINE = "/sys/devices/system/cpu/online"


def features(host: Host, _node: NodeConfig) -> Iterator[Finding]:
    """Instructions that DPDK must have, and those that make it faster."""
    found = re.search(r"^(?:flags|Features)\s*:(.*)$", host.read("/proc/cpuinfo"), re.MULTILINE)
    flags = set(found[1].split()) if found else set()
    needed, useful = _FEATURES.get(platform.machine(), (set(), set()))
    if needed - flags:
        yield fail(
            f"the CPU lacks {', '.join(sorted(needed - flags))}, without which DPDK does not start",
            "In a virtual machine, pass the host's CPU through (-cpu host); else use another host.",
        )
    elif useful - flags:
        yield warn(
            f"the CPU lacks {', '.join(sorted(useful - flags))}; clocks or checksums are slower",
            "In a virtual machine, pass the host's CPU through (-cpu host).",
        )
    else:
        yield ok(f"{platform.machine()} with all that DPDK uses")


def cores(host: Host, node: NodeConfig) -> Iterator[Finding]:
    """Whether configured CPUs exist, are apart, and are isolated where they poll."""
    online, cores = host.cpus(_ONLINE), set(node.dataplane.cores)
    nf_cpus = parse_cpus(node.nf.cpus or "")
    wrong = sorted((cores | nf_cpus) - online)
    if wrong:
        yield fail(
            f"node.yml names CPU {_list(wrong)}, but only {_list(sorted(online))} are online",
            "Change dataplane.cores or nf.cpus in node.yml.",
        )
        return
    if shared := sorted(cores & nf_cpus) if len(online) > 1 else []:
        yield warn(
            f"NFs may run on CPU {_list(shared)}, which is the data plane's",
            "Leave it out of nf.cpus in node.yml.",
        )
    isolated = host.cpus("/sys/devices/system/cpu/isolated")
    for core in node.dataplane.cores:
        yield _isolation(core, core in isolated, node.dataplane.idle == "poll")


def _isolation(core: int, isolated: bool, polls: bool) -> Finding:
    if isolated:
        return ok(f"the data plane's CPU {core} is isolated")
    if not polls:
        return ok(f"the data plane's CPU {core} is shared, which suits `idle: sleep`")
    return warn(
        f"the data plane polls on CPU {core}, which is not isolated: others disturb it",
        f"Boot with isolcpus={core} nohz_full={core}, or set dataplane.idle to sleep.",
    )


def numa(host: Host, node: NodeConfig) -> Iterator[Finding]:
    """Whether each PCI port is on the NUMA node of one of the data plane's CPUs."""
    cores = node.dataplane.cores
    nodes = host.find("/sys/devices/system/node/node[0-9]*")
    homes = {_number(n.name) for n in nodes for core in cores if (n / f"cpu{core}").exists()}
    far = [
        port.name
        for port in node.ports
        if isinstance(port, PciPort) and _numa_of(host, port.address) not in {-1, *(homes or {0})}
    ]
    if far:
        yield warn(
            f"ports {', '.join(far)} are not on NUMA node {_list(sorted(homes or {0}))}, where "
            f"CPU {_list(list(cores))} is: expect half the throughput",
            "Add a core on the ports' NUMA node to dataplane.cores.",
        )
    else:
        yield ok(f"NUMA nodes: {len(nodes) or 1}; every PCI port is beside a CPU of the data plane")


def _number(name: str) -> int:
    return int(name.removeprefix("node"))


def _numa_of(host: Host, address: str) -> int:
    return host.number(f"/sys/bus/pci/devices/{full_address(address)}/numa_node", -1)


def _list(cpus: list[int]) -> str:
    return ", ".join(map(str, cpus))
