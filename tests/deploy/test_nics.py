# SPDX-License-Identifier: BSD-3-Clause
"""Which driver a NIC gets, which NICs are refused, and what a failed bind leaves: on a sysfs made
of files."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.deploy.sysfs import Sysfs

NIC, OTHER = "0000:03:00.0", "0000:03:00.1"
MAC = "52:54:00:12:34:56"
ALL = {"vfio-pci", "uio_pci_generic"}
ROUTE = [{"dst": "default", "gateway": "198.51.100.1", "dev": "eth0"}]


@pytest.fixture(scope="module")
def nics(checkout: Path) -> ModuleType:
    path = checkout / "roles/nic_binding/module_utils/onvm_nics.py"
    spec = importlib.util.spec_from_file_location("onvm_nics", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["onvm_nics"] = module  # dataclasses look there
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def tree(tmp_path: Path) -> Sysfs:
    return Sysfs(tmp_path / "sys")


@pytest.fixture
def binder(nics: ModuleType, tree: Sysfs):
    class Faked(nics.Binder):
        def load(self, module):
            tree.loaded.append(module)

        def write(self, path, text):
            tree.write(path, text)

    return Faked(tree.root)


def plan(nics, tree, *wanted, keep=None, record=None, modules=ALL, **wish):
    wish = nics.Wish(tuple(wanted), **wish)
    return nics.plan(wish, record or {}, keep or {}, modules, tree.root)


def drivers(steps):
    return [(step.before, step.after) for step in steps]


@pytest.mark.parametrize("wanted", [NIC, "03:00.0", "03:00.0".upper(), MAC, MAC.upper(), "eth1"])
def test_a_nic_is_named_by_address_mac_or_interface(nics, tree, wanted):
    tree.device(NIC, name="eth1", mac=MAC)
    assert nics.find(wanted, {}, tree.root) == NIC


def test_a_virtio_nic_is_found_by_its_interface(nics, tree):
    tree.device(NIC, "virtio-pci", name="eth1", mac=MAC, below="virtio0")
    assert nics.find(MAC, {}, tree.root) == NIC


def test_a_bound_nic_is_known_by_what_it_was(nics, tree):
    tree.device(NIC, "vfio-pci")
    was = {NIC: {"macs": [MAC], "names": ["eth1"]}}
    assert nics.find("eth1", was, tree.root) == NIC
    assert nics.find(MAC, was, tree.root) == NIC


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        ("0000:09:00.0", "There is no PCI device 0000:09:00.0."),
        ("eth9", "No PCI device has an interface with the name eth9."),
        ("52:54:00:ff:ff:ff", "with the MAC address 52:54:00:ff:ff:ff."),
        (MAC, f"fits several PCI devices: {NIC}, {OTHER}"),
    ],
)
def test_what_is_not_there_or_not_clear_is_refused(nics, tree, wanted, reason):
    tree.device(NIC, name="eth1", mac=MAC)
    tree.device(OTHER, name="eth2", mac=MAC)
    with pytest.raises(nics.Refusal, match=reason):
        nics.find(wanted, {}, tree.root)


@pytest.mark.parametrize(
    ("device", "wish", "modules", "expected"),
    [
        pytest.param({"group": 1}, {}, ALL, "vfio-pci", id="behind an IOMMU"),
        pytest.param({"group": 1, "group_type": "DMA"}, {}, ALL, "vfio-pci", id="a strict one"),
        pytest.param({}, {}, ALL, "uio_pci_generic", id="no IOMMU: uio is the last resort"),
        pytest.param({}, {"no_iommu": True}, ALL, "vfio-pci", id="vfio without, when asked"),
        pytest.param(
            {"group": 1}, {"driver": "uio_pci_generic"}, ALL, "uio_pci_generic",
            id="uio when asked, behind an identity domain",
        ),
        pytest.param(
            {"driver": "mlx5_core", "group": 1}, {"driver": "vfio-pci"}, set(), "mlx5_core",
            id="a bifurcated driver stays",
        ),
    ],
)  # fmt: skip
def test_a_driver_is_chosen(nics, tree, device, wish, modules, expected):
    tree.device(NIC, **{"driver": "e1000", **device})
    assert [step.after for step in plan(nics, tree, NIC, modules=modules, **wish)] == [expected]


@pytest.mark.parametrize(
    ("device", "wish", "modules", "reason"),
    [
        pytest.param(
            {}, {"driver": "vfio-pci"}, ALL, "is behind no IOMMU: enable VT-d", id="no IOMMU"
        ),
        pytest.param({}, {}, {"vfio-pci"}, "needs the driver uio_pci_generic", id="no uio"),
        pytest.param({"group": 1}, {}, set(), "needs the driver vfio-pci", id="no vfio"),
        pytest.param(
            {"group": 1, "group_type": "DMA-FQ"}, {"driver": "uio_pci_generic"}, ALL,
            "behind an IOMMU that translates", id="uio behind a strict IOMMU",
        ),
        pytest.param({"pci_class": "0x010601"}, {}, ALL, "no Ethernet device", id="a disk"),
    ],
)  # fmt: skip
def test_a_nic_that_would_not_work_is_refused(nics, tree, device, wish, modules, reason):
    tree.device(NIC, **device)
    with pytest.raises(nics.Refusal, match=reason):
        plan(nics, tree, NIC, modules=modules, **wish)


@pytest.mark.parametrize(
    ("neighbour", "refused"),
    [("ahci", True), ("pcieport", False), ("vfio-pci", False), (None, False)],
)
def test_the_iommu_group_is_looked_at_first(nics, tree, neighbour, refused):
    tree.device(NIC, group=4)
    tree.device(OTHER, neighbour, group=4, pci_class="0x010601")
    if refused:
        with pytest.raises(nics.Refusal, match=rf"shares IOMMU group 4 with {OTHER} \(ahci\)"):
            plan(nics, tree, NIC)
    else:
        assert drivers(plan(nics, tree, NIC)) == [("e1000", "vfio-pci")]


def test_two_nics_of_a_group_go_together(nics, tree):
    tree.device(NIC, group=4)
    tree.device(OTHER, group=4)
    assert drivers(plan(nics, tree, NIC, OTHER)) == [("e1000", "vfio-pci")] * 2


def test_every_reason_is_told_at_once(nics, tree):
    tree.device(NIC, group=1, name="eth0")
    with pytest.raises(nics.Refusal) as refused:
        plan(nics, tree, NIC, "eth7", keep={"eth0": "carries the default route"})
    assert len(refused.value.reasons) == 2


SSH = ("198.51.100.2", "198.51.100.15")


@pytest.mark.parametrize(
    ("routes", "to_peer", "addresses", "ssh", "kept"),
    [
        pytest.param(ROUTE, [], [], None, {"eth0"}, id="the default route"),
        pytest.param(
            [{"dst": "default", "nexthops": [{"dev": "eth0"}, {"dev": "eth1"}]}], [], [], None,
            {"eth0", "eth1"}, id="a default route over two",
        ),
        pytest.param([], [{"dev": "eth2"}], [], SSH, {"eth2"}, id="the way to the SSH peer"),
        pytest.param(
            [], [], [{"ifname": "eth3", "addr_info": [{"local": SSH[1]}]}], SSH, {"eth3"},
            id="the address that SSH came in by",
        ),
        pytest.param([], [], [{"ifname": "eth3", "addr_info": []}], None, set(), id="neither"),
    ],
)  # fmt: skip
def test_what_carries_the_default_route_or_ssh_stays(nics, routes, to_peer, addresses, ssh, kept):
    assert set(nics.carriers(routes, to_peer, addresses, ssh)) == kept


def test_the_session_is_found_behind_sudo(nics):
    behind = [{}, {"TERM": "dumb"}, {"SSH_CONNECTION": "2001:db8::7 50312 2001:db8::1 22"}]
    assert nics.ssh_peer(behind) == ("2001:db8::7", "2001:db8::1")
    assert nics.ssh_peer([{}]) is None


def test_a_nic_under_a_bond_under_a_vlan_is_refused(nics, tree):
    tree.device(NIC, group=1, name="eth0")
    tree.interface("bond0", "eth0")
    tree.interface("bond0.7", "bond0")
    keep = nics.kept({"bond0.7": "carries the default route"}, tree.root)
    with pytest.raises(nics.Refusal, match=r"\(eth0\) carries the default route: it stays"):
        plan(nics, tree, "eth0", keep=keep)


def test_binding_moves_it_and_says_so_to_the_kernel(nics, tree, binder):
    tree.device(NIC, group=1)
    binder.apply(plan(nics, tree, NIC))
    assert tree.driver(NIC) == "vfio-pci"
    assert tree.loaded == ["vfio-pci"]
    assert (tree.devices / NIC / "driver_override").read_text() == "vfio-pci\n"


def test_a_second_run_has_nothing_to_do(nics, tree, binder):
    tree.device(NIC, group=1)
    binder.apply(plan(nics, tree, NIC))
    tree.written.clear()
    binder.apply(plan(nics, tree, NIC))
    assert tree.written == []


def test_a_failed_bind_gives_every_nic_its_old_driver(nics, tree, binder):
    tree.device(NIC, group=1)
    tree.device(OTHER, "virtio-pci")
    tree.refused = {"uio_pci_generic"}
    with pytest.raises(nics.Refusal, match="Invalid argument") as refused:
        binder.apply(plan(nics, tree, NIC, OTHER))
    assert (tree.driver(NIC), tree.driver(OTHER)) == ("e1000", "virtio-pci")
    assert f"{NIC} is back with e1000." in refused.value.reasons


def test_no_iommu_is_allowed_before_the_bind(nics, tree, binder):
    tree.device(NIC)
    binder.apply(plan(nics, tree, NIC, no_iommu=True), no_iommu=True)
    assert tree.written[0] == ("module/vfio/parameters/enable_unsafe_noiommu_mode", "1")
    assert tree.driver(NIC) == "vfio-pci"


def test_the_record_keeps_what_a_nic_was_at_first(nics, tree, binder):
    tree.device(NIC, group=1, name="eth1", mac=MAC)
    steps = plan(nics, tree, "eth1")
    record = nics.remember(steps, {}, False, tree.root)
    binder.apply(steps)
    assert record[NIC]["driver"] == "e1000"
    assert nics.remember(plan(nics, tree, NIC), record, False, tree.root) == record


def test_a_nic_that_is_not_listed_any_more_goes_back(nics, tree, binder):
    tree.device(NIC, group=1, name="eth1", mac=MAC)
    steps = plan(nics, tree, NIC)
    record = nics.remember(steps, {}, False, tree.root)
    binder.apply(steps)
    steps = plan(nics, tree, record=record)
    binder.apply(steps)
    assert tree.driver(NIC) == "e1000"
    assert nics.remember(steps, record, False, tree.root) == {}


def test_a_bifurcated_nic_is_not_recorded(nics, tree):
    tree.device(NIC, "mlx5_core", group=1)
    assert nics.remember(plan(nics, tree, NIC), {}, False, tree.root) == {}


def test_a_boot_binds_what_was_bound(nics, tree):
    tree.device(NIC, group=1, name="eth1", mac=MAC)
    record = nics.remember(plan(nics, tree, NIC), {}, False, tree.root)
    steps, warnings = nics.at_boot(record, tree.root)
    assert drivers(steps) == [("e1000", "vfio-pci")]
    assert warnings == []


@pytest.mark.parametrize(
    "now",
    [
        pytest.param({"mac": "52:54:00:00:00:99"}, id="another MAC"),
        pytest.param({"mac": MAC, "identity": ("0x15b3", "0x1017")}, id="another model"),
    ],
)
def test_a_boot_leaves_another_card_in_the_slot_alone(nics, tree, now, tmp_path):
    tree.device(NIC, group=1, name="eth1", mac=MAC)
    record = nics.remember(plan(nics, tree, NIC), {}, False, tree.root)
    other = Sysfs(tmp_path / "after")
    other.device(NIC, group=1, name="eth1", **now)
    steps, warnings = nics.at_boot(record, other.root)
    assert steps == []
    assert warnings == [f"{NIC} is another NIC than before: it is left alone."]


def test_who_holds_a_nic_is_named(nics, tree, tmp_path):
    tree.device(NIC, "vfio-pci", group=6)
    process = tmp_path / "proc/4242"
    (process / "fd").mkdir(parents=True)
    (process / "comm").write_text("onvm-dataplane\n")
    (process / "fd/9").symlink_to("/dev/vfio/6")
    nic = nics.look(NIC, tree.root)
    assert nics.users(nic, tree.root, tmp_path / "proc") == ["onvm-dataplane (process 4242)"]
