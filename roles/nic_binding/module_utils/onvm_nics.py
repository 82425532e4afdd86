#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Gives NICs to the data plane: which driver each gets, and why one is refused.

The module dpdk_nic imports this; a node runs it at boot, with the record that the module wrote.
Decisions are functions of what sysfs says; only Binder writes to it.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

SYSFS = Path("/sys")
PROC = Path("/proc")
BIFURCATED = ("mlx4_core", "mlx5_core")  # DPDK drives these through their kernel driver
DRIVERS = ("vfio-pci", "uio_pci_generic")
HARMLESS = (None, "vfio-pci", "pci-stub", "pcieport")  # a vfio group may hold these beside the NIC
ADDRESS = re.compile(r"[0-9a-f]{4,}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]", re.ASCII)
MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}", re.ASCII)
ETHERNET = "0x0200"  # PCI class


class Refusal(Exception):
    """Why nothing was done; one sentence a reason."""

    def __init__(self, *reasons):
        super().__init__(" ".join(reasons))
        self.reasons = reasons


@dataclass(frozen=True)
class Nic:
    """A PCI device. driver, group: None when it has none; macs and names are its interfaces'."""

    address: str
    identity: str  # vendor:device
    pci_class: str
    driver: "str | None"
    group: "str | None"
    macs: tuple = ()
    names: tuple = ()


@dataclass(frozen=True)
class Wish:
    """What is asked for. driver: auto or one of DRIVERS; no_iommu: vfio will do without one."""

    nics: tuple
    driver: str = "auto"
    no_iommu: bool = False


@dataclass(frozen=True)
class Step:
    """One NIC's change; after == before: it stays. why: for people."""

    address: str
    before: "str | None"
    after: "str | None"
    why: str


# What is there.


def _read(path):
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _link(path):
    return path.resolve().name if path.exists() else None


def look(address, sysfs=SYSFS):
    """Return the Nic at a PCI address. Raises Refusal when there is no device."""
    folder = sysfs / "bus/pci/devices" / address
    if not folder.exists():
        raise Refusal(f"There is no PCI device {address}.")
    interfaces = sorted([*folder.glob("net/*"), *folder.glob("virtio*/net/*")])
    return Nic(
        address=address,
        identity=f"{_read(folder / 'vendor')}:{_read(folder / 'device')}",
        pci_class=_read(folder / "class"),
        driver=_link(folder / "driver"),
        group=_link(folder / "iommu_group"),
        macs=tuple(_read(interface / "address") for interface in interfaces),
        names=tuple(interface.name for interface in interfaces),
    )


def find(wanted, record, sysfs=SYSFS):
    """Return the PCI address of a NIC given by address, MAC or name.

    A bound NIC has no interface any more: record remembers what it was. Raises Refusal.
    """
    text = wanted.lower()
    if ADDRESS.fullmatch(text) or ADDRESS.fullmatch(f"0000:{text}"):
        return look(text if text.count(":") == 2 else f"0000:{text}", sysfs).address
    matches = {nic.address for nic in _all(sysfs) if wanted in nic.names or text in nic.macs}
    if not matches:
        matches = {address for address, was in record.items() if _was(was, wanted)}
    if len(matches) != 1:
        raise Refusal(_how_many(wanted, sorted(matches)))
    return look(matches.pop(), sysfs).address


def _all(sysfs):
    folder = sysfs / "bus/pci/devices"
    paths = sorted(folder.iterdir()) if folder.exists() else []
    return [look(path.name, sysfs) for path in paths]


def _was(was, wanted):
    return wanted in was["names"] or wanted.lower() in was["macs"]


def _how_many(wanted, matches):
    if matches:
        return f"{wanted} fits several PCI devices: {', '.join(matches)}; name one by its address."
    kind = "MAC address" if MAC.fullmatch(wanted.lower()) else "name"
    return f"No PCI device has an interface with the {kind} {wanted}."


def has_iommu(nic, sysfs=SYSFS):
    """Whether an IOMMU stands between this NIC and memory."""
    name = _read(sysfs / "kernel/iommu_groups" / str(nic.group) / "name")
    return nic.group is not None and name != "vfio-noiommu"


def physical(name, sysfs=SYSFS):
    """Return the interface and what it stands on: a bond's, bridge's or VLAN's interfaces."""
    found, ahead = set(), [name]
    while ahead:
        here = ahead.pop()
        if here not in found:
            found.add(here)
            lower = (sysfs / "class/net" / here).glob("lower_*")
            ahead += [path.name.removeprefix("lower_") for path in lower]
            ports = (sysfs / "class/net" / here / "brif").glob("*")
            ahead += [path.name for path in ports]
    return found


def ssh_peer(environments):
    """Return (peer, own address) of the SSH session, from environments, the nearest first."""
    for environment in environments:
        words = environment.get("SSH_CONNECTION", "").split()
        if len(words) == 4:
            return words[0], words[2]
    return None


def carriers(default_routes, ssh_route, addresses, ssh):
    """Return interface -> why it must stay.

    default_routes, ssh_route, addresses: what `ip -json` prints for them. ssh: as ssh_peer.
    """
    found = {
        route["dev"]: "carries the default route" for route in default_routes if "dev" in route
    }
    found |= {hop["dev"]: "carries the default route" for hop in _hops(default_routes)}
    if ssh:
        reason = f"carries this SSH session, from {ssh[0]}"
        found |= {route["dev"]: reason for route in ssh_route if "dev" in route}
        found |= {link["ifname"]: reason for link in addresses if ssh[1] in _locals(link)}
    return found


def _hops(routes):
    return [hop for route in routes for hop in route.get("nexthops", []) if "dev" in hop]


def _locals(link):
    return [address.get("local") for address in link.get("addr_info", [])]


def kept(found, sysfs=SYSFS):
    """Return carriers with what each stands on, for the same reasons."""
    return {below: why for name, why in found.items() for below in physical(name, sysfs)}


# What to do.


def choose(nic, wish, modules, sysfs=SYSFS):
    """Return (driver, why) for a NIC. modules: those of DRIVERS that the kernel has.

    Raises Refusal when no driver would work.
    """
    if nic.driver in BIFURCATED:
        return nic.driver, "its kernel driver serves DPDK as well"
    if wish.driver == "uio_pci_generic":
        return _uio(nic, modules, sysfs, "as asked")
    if has_iommu(nic, sysfs):
        return _offered("vfio-pci", modules, f"IOMMU group {nic.group}", nic)
    if wish.no_iommu:
        return _offered("vfio-pci", modules, "without an IOMMU, as asked", nic)
    if wish.driver == "vfio-pci":
        raise Refusal(
            f"{nic.address} is behind no IOMMU: enable VT-d or AMD-Vi in the firmware and boot "
            "with intel_iommu=on iommu=pt, or allow vfio without one."
        )
    return _uio(nic, modules, sysfs, "the last resort: it is behind no IOMMU")


def _offered(driver, modules, why, nic):
    if driver not in modules:
        raise Refusal(f"{nic.address} needs the driver {driver}, which this kernel does not have.")
    return driver, why


def _uio(nic, modules, sysfs, why):
    kind = _read(sysfs / "kernel/iommu_groups" / str(nic.group) / "type")
    if has_iommu(nic, sysfs) and kind != "identity":
        raise Refusal(
            f"{nic.address} is behind an IOMMU that translates: uio_pci_generic would receive "
            "nothing. Use vfio-pci, or boot with iommu=pt."
        )
    return _offered("uio_pci_generic", modules, why, nic)


def neighbours(nic, addresses, sysfs=SYSFS):
    """Return devices of the NIC's IOMMU group whose drivers keep it from vfio, as text."""
    folder = sysfs / "kernel/iommu_groups" / str(nic.group) / "devices"
    members = [look(path.name, sysfs) for path in sorted(folder.glob("*"))]
    return [
        f"{member.address} ({member.driver})"
        for member in members
        if member.address not in addresses and member.driver not in HARMLESS
    ]


def plan(wish, record, keep, modules, sysfs=SYSFS):
    """Return the Steps for a wish, and for NICs of the record that it no longer names.

    keep: interface -> why it must stay. Raises Refusal with every reason there is.
    """
    addresses, unknown = _each(lambda wanted: find(wanted, record, sysfs), wish.nics)
    addresses = list(dict.fromkeys(addresses))

    def step(address):
        return _step(look(address, sysfs), addresses, wish, keep, modules, sysfs)

    steps, reasons = _each(step, addresses)
    if unknown + reasons:
        raise Refusal(*unknown, *reasons)
    return steps + [_back(a, record[a], sysfs) for a in record if a not in addresses]


def _each(function, items):
    """Return (results, reasons of all that were refused)."""
    results, reasons = [], []
    for item in items:
        try:
            results.append(function(item))
        except Refusal as refusal:  # noqa: PERF203
            reasons += refusal.reasons
    return results, reasons


def _step(nic, addresses, wish, keep, modules, sysfs):
    if not nic.pci_class.startswith(ETHERNET):
        raise Refusal(f"{nic.address} is no Ethernet device (PCI class {nic.pci_class}).")
    for name in nic.names:
        if name in keep and nic.driver not in BIFURCATED:
            raise Refusal(f"{nic.address} ({name}) {keep[name]}: it stays with the kernel.")
    driver, why = choose(nic, wish, modules, sysfs)
    others = neighbours(nic, addresses, sysfs) if driver == "vfio-pci" and nic.group else []
    if others:
        raise Refusal(
            f"{nic.address} shares IOMMU group {nic.group} with {', '.join(others)}: unbind these, "
            "or put the NIC into another slot."
        )
    return Step(nic.address, nic.driver, driver, why)


def _back(address, was, sysfs):
    try:
        before = look(address, sysfs).driver
    except Refusal:
        return Step(address, None, None, "it is gone")
    return Step(address, before, was["driver"], "no longer asked for")


def at_boot(record, sysfs=SYSFS):
    """Return (steps, warnings) that bring recorded NICs back to their drivers.

    A slot that holds another card now is left alone.
    """
    def step(address):
        nic, was = look(address, sysfs), record[address]
        if nic.identity != was["identity"] or not set(nic.macs) <= set(was["macs"]):
            raise Refusal(f"{address} is another NIC than before: it is left alone.")
        return Step(address, nic.driver, was["bound"], "as before the boot")

    return _each(step, record)


def remember(steps, record, no_iommu, sysfs=SYSFS):
    """Return the record after these steps, from what sysfs says before them."""
    after = {}
    for step in steps:
        if step.why not in ("no longer asked for", "it is gone") and step.after in DRIVERS:
            nic = look(step.address, sysfs)
            first = {
                "driver": nic.driver, "identity": nic.identity,
                "macs": list(nic.macs), "names": list(nic.names),
            }  # fmt: skip
            was = record.get(step.address, first)
            after[step.address] = {**was, "bound": step.after, "no_iommu": no_iommu}
    return after


# Doing it.


def users(nic, sysfs=SYSFS, proc=PROC):
    """Return processes that hold the NIC through vfio or uio, as text."""
    files = {f"/dev/vfio/{nic.group}", f"/dev/vfio/noiommu-{nic.group}"} if nic.group else set()
    folder = sysfs / "bus/pci/devices" / nic.address
    files |= {f"/dev/{path.name}" for path in folder.glob("uio/*")}
    found = {path.parts[-3] for path in proc.glob("[0-9]*/fd/*") if _target(path) in files}
    return [f"{_read(proc / pid / 'comm')} (process {pid})" for pid in sorted(found, key=int)]


def _target(path):
    try:
        return str(path.readlink())
    except OSError:
        return ""


class Binder:
    """Moves devices between drivers."""

    def __init__(self, sysfs=SYSFS):
        self.sysfs = sysfs

    def apply(self, steps, no_iommu=False):
        """Take all steps, or none: when one fails, those before it are taken back.

        Raises Refusal.
        """
        taken = []
        for step in self._changes(steps):
            self._check_free(step)
            try:
                taken.append(step)
                self.move(step.address, step.after, no_iommu)
            except (OSError, subprocess.CalledProcessError) as error:
                lost = [self._take_back(past) for past in reversed(taken)]
                raise Refusal(
                    f"{step.address} could not be bound to {step.after}: {_why(error)}.",
                    *filter(None, lost),
                ) from error

    @staticmethod
    def _changes(steps):
        return [step for step in steps if step.before != step.after]

    def _check_free(self, step):
        holders = users(look(step.address, self.sysfs), self.sysfs)
        if holders:
            raise Refusal(
                f"{step.address} is in use by {', '.join(holders)}: remove its port first."
            )

    def _take_back(self, step):
        try:
            self.move(step.address, step.before)
        except (OSError, subprocess.CalledProcessError) as error:
            return f"Nor could {step.address} be given back to {step.before}: {_why(error)}."
        return f"{step.address} is back with {step.before or 'no driver'}."

    def move(self, address, driver, no_iommu=False):
        """Bind a device to a driver, or to none (None). Raises OSError, CalledProcessError."""
        device = self.sysfs / "bus/pci/devices" / address
        if driver in DRIVERS:
            self.load(driver)
            if no_iommu:
                self.write(self.sysfs / "module/vfio/parameters/enable_unsafe_noiommu_mode", "1")
        if (device / "driver").exists():
            self.write(device / "driver/unbind", address)
        self.write(device / "driver_override", (driver if driver in DRIVERS else "") + "\n")
        if driver is None:
            return
        self.write(self.sysfs / "bus/pci/drivers_probe", address)
        if _link(device / "driver") != driver:
            self.write(self.sysfs / "bus/pci/drivers" / driver / "bind", address)
        if _link(device / "driver") != driver:
            raise OSError(f"the kernel did not take it (see dmesg for {address})")

    def load(self, module):
        """Load a kernel module."""
        subprocess.run(["modprobe", module], check=True, capture_output=True, text=True)

    def write(self, path, text):
        """Write to sysfs."""
        path.write_text(text)


def _why(error):
    return (getattr(error, "stderr", "") or str(error)).strip()


# This host.


def _ip(*words):
    result = subprocess.run(["ip", "-json", *words], check=False, capture_output=True, text=True)
    return json.loads(result.stdout) if result.returncode == 0 and result.stdout.strip() else []


def _environments():
    """Yield the environments of this process and its ancestors: sudo clears SSH_CONNECTION."""
    yield dict(os.environ)
    pid = os.getppid()
    while pid > 1:
        words = _read(PROC / str(pid) / "environ").split("\0")
        yield dict(word.split("=", 1) for word in words if "=" in word)
        pid = int(_read(PROC / str(pid) / "stat").rpartition(")")[2].split()[1])


def protected():
    """Return interface -> why it must stay, on this host now."""
    ssh = ssh_peer(_environments())
    if shutil.which("ip") is None:
        raise Refusal("Install iproute2: without it nobody knows which NIC carries SSH.")
    routes = [*_ip("route", "show", "table", "all", "default"),
              *_ip("-6", "route", "show", "table", "all", "default")]  # fmt: skip
    to_peer = _ip("route", "get", ssh[0]) if ssh else []
    return kept(carriers(routes, to_peer, _ip("address"), ssh))


def available():
    """Return those of DRIVERS that this kernel has."""
    found = set()
    for driver in DRIVERS:
        command = ["modprobe", "--show-depends", driver]
        there = subprocess.run(command, check=False, capture_output=True).returncode == 0
        if there or (SYSFS / "bus/pci/drivers" / driver).exists():
            found.add(driver)
    return found


def read_record(path):
    """Return the record, empty when there is none."""
    return json.loads(path.read_text()) if path.exists() else {}


def main(path):
    """Bind what the record at this path lists; returns an exit code."""
    record = read_record(Path(path))
    steps, warnings = at_boot(record)
    binder = Binder()
    _, reasons = _each(lambda step: binder.apply([step], record[step.address]["no_iommu"]), steps)
    for reason in [*warnings, *reasons]:
        print(reason, file=sys.stderr)
    return int(bool(reasons))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
