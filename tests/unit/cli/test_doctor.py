# SPDX-License-Identifier: BSD-3-Clause
"""Hosts as trees of files in, findings out."""

from __future__ import annotations

import os
import platform
import resource
from pathlib import Path

import pytest

from onvm_runtime.cli.doctor import CHECKS, Finding, Host, examine
from onvm_runtime.cli.doctor.host import parse_cpus
from onvm_runtime.control import ABI
from onvm_runtime.manager.config import NodeConfig, read

PAGES = "/sys/devices/system/node/node{}/hugepages/hugepages-2048kB/{}_hugepages"
POOL = "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages"
ONLINE = {"/sys/devices/system/cpu/online": "0-3"}
NIC = "/sys/bus/pci/devices/0000:03:00.0"


def pages(total: int, free: int, node: int = 0) -> dict[str, str]:
    return {
        PAGES.format(node, "nr"): str(total),
        PAGES.format(node, "free"): str(free),
        POOL: str(total),
    }


def cpuinfo(*flags: str) -> dict[str, str]:
    return {"/proc/cpuinfo": f"processor\t: 0\nflags\t\t: {' '.join(flags)}\nbugs\t\t: none"}


def port(text: str) -> str:
    return f"ports: [{{name: client, {text}}}]"


X86 = ("ssse3", "sse4_1", "sse4_2", "popcnt")

# (what it shows, check, files: text or -> target of a link, node.yml, [(level, fragment)])
CASES = [
    (
        "enough hugepages",
        "hugepages",
        pages(128, 100),
        "{}",
        [("ok", "100 of 128 pages of 2 MiB free on NUMA 0")],
    ),
    (
        "hugepages that the running data plane holds",
        "hugepages",
        pages(64, 2),
        "{}",
        [("ok", "2 of 64")],
    ),
    (
        "hugepages on two NUMA nodes, too few in sum",
        "hugepages",
        {**pages(8, 4), **pages(8, 4, node=1)},
        "{}",
        [
            ("ok", "on NUMA 0"),
            ("ok", "on NUMA 1"),
            ("warn", "16 MiB of hugepages are free and the data plane wants 116"),
        ],
    ),
    (
        "no hugepages where they are required",
        "hugepages",
        pages(0, 0),
        "dataplane: {hugepages: required}",
        [("fail", "0 MiB of hugepages")],
    ),
    (
        "no hugepages where nobody wants them",
        "hugepages",
        {},
        "dataplane: {hugepages: 'off'}",
        [("ok", "without hugepages")],
    ),
    (
        "a shared core that sleeps",
        "cores",
        ONLINE,
        "dataplane: {cores: [1]}",
        [("ok", "CPU 1 is shared")],
    ),
    (
        "a polling core that is not isolated",
        "cores",
        ONLINE,
        "dataplane: {cores: [1], idle: poll}",
        [("warn", "polls on CPU 1")],
    ),
    (
        "a polling core that is isolated",
        "cores",
        {**ONLINE, "/sys/devices/system/cpu/isolated": "1-2"},
        "dataplane: {cores: [1], idle: poll}",
        [("ok", "CPU 1 is isolated")],
    ),
    (
        "CPUs that are not there",
        "cores",
        ONLINE,
        "{dataplane: {cores: [9]}, nf: {cpus: 2-4}}",
        [("fail", "names CPU 4, 9, but only 0, 1, 2, 3")],
    ),
    (
        "NFs on the data plane's core",
        "cores",
        ONLINE,
        "{dataplane: {cores: [1]}, nf: {cpus: 0-1}}",
        [("warn", "NFs may run on CPU 1"), ("ok", "shared")],
    ),
    (
        "a NIC on the other NUMA node",
        "numa",
        {
            "/sys/devices/system/node/node0/cpu0/online": "1",
            "/sys/devices/system/node/node1/cpu1/online": "1",
            f"{NIC}/numa_node": "1",
        },
        port("kind: pci, address: '03:00.0'"),
        [("warn", "ports client are not on NUMA node 0")],
    ),
    (
        "a NIC beside the core",
        "numa",
        {"/sys/devices/system/node/node1/cpu1/online": "1", f"{NIC}/numa_node": "1"},
        "dataplane: {cores: [1]}\n" + port("kind: pci, address: '0000:03:00.0'"),
        [("ok", "beside a CPU of the data plane")],
    ),
    ("no IOMMU and no need", "iommu", {}, "{}", [("ok", "no port that needs one")]),
    (
        "no IOMMU for a NIC",
        "iommu",
        {},
        port("kind: pci, address: '03:00.0'"),
        [("warn", "vfio-pci cannot be used")],
    ),
    (
        "IOMMU groups",
        "iommu",
        {"/sys/kernel/iommu_groups/0/type": "", "/sys/kernel/iommu_groups/1/type": ""},
        "{}",
        [("ok", "2 IOMMU groups")],
    ),
    (
        "a NIC that is not there",
        "drivers",
        {},
        port("kind: pci, address: '03:00.0'"),
        [("fail", "there is no PCI device 0000:03:00.0")],
    ),
    (
        "a NIC on its kernel driver",
        "drivers",
        {f"{NIC}/vendor": "", f"{NIC}/driver": "-> ../../drivers/ixgbe"},
        port("kind: pci, address: '03:00.0'"),
        [("fail", "bound to ixgbe, which DPDK cannot use")],
    ),
    (
        "a NIC with a bifurcated driver",
        "drivers",
        {f"{NIC}/vendor": "", f"{NIC}/driver": "-> ../../drivers/mlx5_core"},
        port("kind: pci, address: '03:00.0'"),
        [("ok", "bound to mlx5_core")],
    ),
    (
        "a NIC on vfio-pci",
        "drivers",
        {
            f"{NIC}/vendor": "",
            f"{NIC}/driver": "-> ../../drivers/vfio-pci",
            "/sys/bus/pci/drivers/vfio-pci/bind": "",
        },
        port("kind: pci, address: '03:00.0'"),
        [("ok", "loaded: vfio-pci"), ("ok", "bound to vfio-pci")],
    ),
    (
        "an interface that is not there",
        "interfaces",
        {"/sys/class/net/lo/mtu": "65536"},
        port("kind: af_packet, interface: veth0"),
        [("ok", "lo (virtual)"), ("fail", "there is no interface veth0")],
    ),
    (
        "a namespace that is not there",
        "interfaces",
        {},
        port("kind: tap, interface: t0, netns: server"),
        [("ok", "no interface"), ("fail", "no network namespace server")],
    ),
    (
        "an interface that carries the default route",
        "interfaces",
        {
            "/sys/class/net/eth0/mtu": "1500",
            "/sys/class/net/eth0/device/driver": "-> ../../drivers/e1000e",
            "/proc/net/route": "Iface\tDestination\tGateway\neth0\t00000000\t0101A8C0\n",
        },
        port("kind: af_packet, interface: eth0"),
        [("ok", "eth0 (e1000e)"), ("warn", "carries this host's default route")],
    ),
    (
        "a tap that the data plane makes",
        "interfaces",
        {},
        port("kind: tap, interface: t0"),
        [("ok", "no interface")],
    ),
    (
        "NFs that are processes",
        "docker",
        {},
        "runtime: process",
        [("ok", "not needed")],
    ),
    (
        "no data plane",
        "data plane",
        {},
        "dataplane: {program: /nowhere/onvm-dataplane}",
        [("fail", "there is no /nowhere/onvm-dataplane")],
    ),
]


def build(root: Path, files: dict[str, str]) -> Host:
    for name, text in files.items():
        path = root / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        if text.startswith("-> "):
            path.symlink_to(text.removeprefix("-> "))
        else:
            path.write_text(text)
    return Host(root)


def levels(findings: list[Finding]) -> list[str]:
    return [finding.level.value for finding in findings]


@pytest.mark.parametrize(
    ("check", "files", "node", "expected"), [c[1:] for c in CASES], ids=[c[0] for c in CASES]
)
def test_check(tmp_path, check, files, node, expected):
    found = list(CHECKS[check](build(tmp_path, files), read(node, "node.yml")))
    assert levels(found) == [level for level, _ in expected]
    for finding, (_, fragment) in zip(found, expected, strict=True):
        assert fragment in finding.text


@pytest.mark.skipif(platform.machine() != "x86_64", reason="flags of an x86 CPU")
@pytest.mark.parametrize(
    ("flags", "level", "fragment"),
    [
        (X86, "warn", "lacks avx2, constant_tsc, nonstop_tsc"),
        (X86[:-1], "fail", "lacks popcnt, without which"),
        ((*X86, "avx2", "constant_tsc", "nonstop_tsc"), "ok", "all that DPDK uses"),
    ],
)
def test_cpu_features(tmp_path, flags, level, fragment):
    (found,) = CHECKS["cpu"](build(tmp_path, cpuinfo(*flags)), NodeConfig())
    assert (found.level.value, fragment in found.text) == (level, True)


@pytest.mark.parametrize(
    ("release", "level"), [("6.1.0-13-amd64", "ok"), ("5.1.0", "ok"), ("4.19.0", "fail")]
)
def test_kernel(monkeypatch, tmp_path, release, level):
    monkeypatch.setattr(platform, "release", lambda: release)
    assert levels(list(CHECKS["kernel"](Host(tmp_path), NodeConfig()))) == [level]


@pytest.mark.parametrize(
    ("uid", "limit", "level"),
    [(0, 1, "ok"), (1000, resource.RLIM_INFINITY, "ok"), (1000, 1 << 30, "ok"), (1000, 1, "warn")],
)
def test_locked_memory(monkeypatch, tmp_path, uid, limit, level):
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    monkeypatch.setattr(resource, "getrlimit", lambda _: (limit, limit))
    assert levels(list(CHECKS["locked memory"](Host(tmp_path), NodeConfig()))) == [level]


# (what it shows, what the program does, [(level, fragment)])
PROGRAMS = [
    (
        "versions that go together",
        f"echo onvm-dataplane 0.1.0, ABI {ABI}, DPDK 22.11.11",
        [("ok", "DPDK 22.11.11"), ("ok", f"both speak protocol version {ABI}")],
    ),
    (
        "another protocol",
        f"echo onvm-dataplane 9.0.0, ABI {ABI + 1}, DPDK 24.11.1",
        [("ok", "24.11.1"), ("fail", f"speaks protocol version {ABI + 1}, this package {ABI}")],
    ),
    (
        "a DPDK that nobody tried",
        f"echo onvm-dataplane 0.1.0, ABI {ABI}, DPDK 21.05.0",
        [("warn", "never tried"), ("ok", "both")],
    ),
    (
        "a missing library",
        "echo librte_eal.so.23: cannot open shared object file >&2; exit 127",
        [("fail", "librte_eal.so.23: cannot open")],
    ),
    ("another program", "echo hello", [("fail", "speaks of itself as 'hello'")]),
]


@pytest.mark.parametrize(
    ("script", "expected"), [p[1:] for p in PROGRAMS], ids=[p[0] for p in PROGRAMS]
)
def test_data_plane(tmp_path, script, expected):
    program = tmp_path / "onvm-dataplane"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    found = list(
        CHECKS["data plane"](Host(tmp_path), read(f"dataplane: {{program: {program}}}", "n"))
    )
    assert levels(found) == [level for level, _ in expected]
    for finding, (_, fragment) in zip(found, expected, strict=True):
        assert fragment in finding.text


def test_docker_that_does_not_answer(monkeypatch, tmp_path):
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    (found,) = CHECKS["docker"](Host(tmp_path), NodeConfig())
    assert levels([found]) == ["fail"]
    assert "runtime: process" in found.remedy


def test_whatever_is_wrong_has_a_remedy(tmp_path):
    """An empty root is the worst of hosts; no check may break on it."""
    found = [finding for _, finding in examine(Host(tmp_path), NodeConfig())]
    assert {finding.level.value for finding in found} >= {"warn", "fail"}
    assert all(finding.remedy for finding in found if finding.level.value != "ok")


@pytest.mark.parametrize(("text", "cpus"), [("", set()), ("3", {3}), ("0-2,5", {0, 1, 2, 5})])
def test_lists_of_cpus(text, cpus):
    assert parse_cpus(text) == cpus
