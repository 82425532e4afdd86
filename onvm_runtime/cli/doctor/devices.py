# SPDX-License-Identifier: BSD-3-Clause
"""IOMMU, user-space drivers, and the interfaces that ports stand on."""

from __future__ import annotations

from collections.abc import Iterator

from onvm_runtime.cli.doctor.finding import Finding, fail, ok, warn
from onvm_runtime.cli.doctor.host import Host, full_address
from onvm_runtime.manager.config import InterfacePort, NodeConfig, PciPort

_USER_SPACE = ("vfio-pci", "uio_pci_generic", "igb_uio")
_BIFURCATED = ("mlx4_core", "mlx5_core")  # DPDK works beside the kernel's driver


def iommu(host: Host, node: NodeConfig) -> Iterator[Finding]:
    """IOMMU groups, which vfio-pci needs."""
    groups = host.find("/sys/kernel/iommu_groups/*")
    if groups:
        yield ok(f"{len(groups)} IOMMU groups")
    elif _pci_ports(node):
        yield warn(
            "no IOMMU: vfio-pci cannot be used, and NICs can write anywhere in memory",
            "Turn it on in the firmware and boot with intel_iommu=on (AMD: on by itself) iommu=pt; "
            "or bind the ports to uio_pci_generic.",
        )
    else:
        yield ok("no IOMMU, and no port that needs one")


def drivers(host: Host, node: NodeConfig) -> Iterator[Finding]:
    """Drivers by which user space gets at PCI devices, and what each PCI port is bound to."""
    loaded = [name for name in _USER_SPACE if host.exists(f"/sys/bus/pci/drivers/{name}")]
    ports = _pci_ports(node)
    if loaded:
        yield ok(f"loaded: {', '.join(loaded)}")
    elif not ports:
        yield ok("no user-space driver is loaded, and no port needs one")
    for port in ports:
        yield _binding(host, port.name, full_address(port.address))


def _pci_ports(node: NodeConfig) -> list[PciPort]:
    return [port for port in node.ports if isinstance(port, PciPort)]


def _binding(host: Host, name: str, address: str) -> Finding:
    device = f"/sys/bus/pci/devices/{address}"
    driver = host.link(f"{device}/driver")
    if not host.exists(device):
        return fail(
            f"port {name}: there is no PCI device {address}", "Find its address by `lspci -D`."
        )
    if driver in (*_USER_SPACE, *_BIFURCATED):
        return ok(f"port {name}: {address} is bound to {driver}")
    held = f"bound to {driver}" if driver else "bound to no driver"
    return fail(
        f"port {name}: {address} is {held}, which DPDK cannot use",
        f"As root: modprobe vfio-pci; dpdk-devbind.py -b vfio-pci {address}; "
        "never the NIC that you are logged in by.",
    )


def interfaces(host: Host, node: NodeConfig) -> Iterator[Finding]:
    """The kernel's interfaces with their drivers, and those that ports stand on."""
    names = [path.name for path in host.find("/sys/class/net/*") if path.is_dir()]
    yield ok(", ".join(f"{name} ({_driver(host, name)})" for name in names) or "no interface")
    for port in node.ports:
        if isinstance(port, InterfacePort):
            yield from _standing(host, port, names)


def _driver(host: Host, name: str) -> str:
    return host.link(f"/sys/class/net/{name}/device/driver") or "virtual"


def _standing(host: Host, port: InterfacePort, names: list[str]) -> Iterator[Finding]:
    if port.netns and not host.exists(f"/run/netns/{port.netns}"):
        yield fail(
            f"port {port.name}: there is no network namespace {port.netns}",
            f"As root: ip netns add {port.netns}; or change netns in node.yml.",
        )
    elif port.kind != "tap" and not port.netns and port.interface not in names:
        yield fail(
            f"port {port.name}: there is no interface {port.interface}",
            f"As root: ip link add {port.interface} type veth peer name {port.interface}-peer; "
            "or change interface in node.yml.",
        )
    elif not port.netns and port.interface == _default_route(host):
        yield warn(
            f"port {port.name}: {port.interface} carries this host's default route",
            "Give the testbed an interface of its own, or you may lock yourself out.",
        )


def _default_route(host: Host) -> str:
    """The interface of the IPv4 default route; /proc/net/route has destination 0 for it."""
    rows = [line.split() for line in host.read("/proc/net/route").splitlines()[1:]]
    return next((row[0] for row in rows if len(row) > 1 and row[1] == "00000000"), "")
