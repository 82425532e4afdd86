# SPDX-License-Identifier: BSD-3-Clause
"""Two bare virtual machines become a testbed by site.yml, over SSH.

test ── e1000 alpha virtio ── virtio beta e1000 ── test: frames go from machine to machine through a
chain on each, before and after a reboot; teardown gives everything back.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from tests.deploy import playbook
from tests.lab.conftest import Lab
from tests.lab.machine import Machine, Nic
from tests.lab.wire import Wire, free_port

MEMORY = 2048
PAGES = 128
FRAME_SECONDS = 60.0
SSH_SECONDS = 180  # an emulated processor on a busy host takes its time to shake hands
ALPHA_E1000, ALPHA_VIRTIO = "52:54:00:00:11:00", "52:54:00:00:11:01"
BETA_VIRTIO, BETA_E1000 = "52:54:00:00:12:00", "52:54:00:00:12:01"
SERVICES = {"filter": {"nf": "firewall", "parameters": {"default": "accept"}}}
PAGES_OF: dict[str, dict[str, object]] = {
    "alpha": {"onvm_hugepages_count": PAGES},
    "beta": {
        "onvm_hugepages_count": 0,
        "onvm_hugepages_per_node": [{"node": 0, "size": "2M", "pages": PAGES}],
    },
}
NFS_RUN = "until onvm nf ls | grep -q running; do sleep 2; done"
CHAIN = {
    "name": "through", "match": {"port": "left"}, "path": ["filter"], "egress": "right",
    "bidirectional": True,
}  # fmt: skip


@dataclass
class Site:
    """The machines, the test's ends of their cables, and the inventory."""

    machines: list[Machine]
    left: Wire
    right: Wire
    inventory: Path
    lab: Lab

    def play(self, stage: str, *words: str) -> playbook.Run:
        """Run playbooks on both, and note the time."""
        command = ["--inventory", str(self.inventory), *words]
        run: playbook.Run = self.lab.timed(
            stage, lambda: playbook.run(self.lab.checkout, *command)
        )
        (self.lab.folder / f"{stage}.log").write_text(run.output)
        return run

    def on_both(self, stage: str, action: Callable[[Machine], object]) -> list[object]:
        """Do something to both machines at the same time.

        An interrupt ends the machines, since the threads would wait for them.
        """
        with ThreadPoolExecutor() as pool:
            try:
                results: list[object] = self.lab.timed(
                    stage, lambda: list(pool.map(action, self.machines))
                )
            except BaseException:
                self.lab.stack.close()
                raise
        return results


def host_variables(machine: Machine) -> dict[str, object]:
    left, right = machine.nics
    return PAGES_OF[machine.name] | {
        "ansible_port": machine.ssh_port,
        "onvm_nic_binding_nics": [left.mac, right.address],
        "onvm_runtime_ports": [
            {"name": name, "kind": "pci", "address": nic.address}
            for name, nic in (("left", left), ("right", right))
        ],
    }


def write_inventory(lab: Lab, machines: list[Machine]) -> Path:
    common = {
        "ansible_host": "127.0.0.1",
        "ansible_user": "root",
        "ansible_ssh_private_key_file": str(machines[0].key),
        "ansible_ssh_common_args": "-F none -o StrictHostKeyChecking=no "
        "-o UserKnownHostsFile=/dev/null -o LogLevel=ERROR",
        "ansible_ssh_timeout": SSH_SECONDS,
        "ansible_ssh_retries": 3,
        "onvm_runtime_bench": False,
        "onvm_runtime_build_on": "controller",
        "onvm_runtime_dataplane": {"buffers": 4096, "hugepages": "required"},
        "onvm_chains_services": SERVICES,
        "onvm_chains_chains": [CHAIN],
    }
    hosts = {machine.name: host_variables(machine) for machine in machines}
    path = lab.folder / "hosts.yml"
    path.write_text(yaml.safe_dump({"nodes": {"hosts": hosts, "vars": common}}))
    return path


@pytest.fixture(scope="module")
def site(lab: Lab) -> Iterator[Site]:
    left, right = Wire(), Wire()
    link = free_port(socket.SOCK_DGRAM), free_port(socket.SOCK_DGRAM)
    alpha = [
        Nic("e1000", 16, ALPHA_E1000, left.nic_port, left.port),
        Nic("virtio-net-pci", 17, ALPHA_VIRTIO, *link),
    ]
    beta = [
        Nic("virtio-net-pci", 16, BETA_VIRTIO, *reversed(link)),
        Nic("e1000", 17, BETA_E1000, right.nic_port, right.port),
    ]
    machines = [
        lab.machine("alpha", alpha, memory=MEMORY), lab.machine("beta", beta, memory=MEMORY)
    ]  # fmt: skip
    site = Site(machines, left, right, write_inventory(lab, machines), lab)
    site.on_both("boot", Machine.wait)
    yield site
    left.close()
    right.close()


def frame(number: int) -> bytes:
    head = Ether(dst="52:54:00:00:33:01", src="52:54:00:00:33:00")
    flow = IP(src="198.18.0.1", dst="198.18.0.2") / UDP(sport=4000 + number, dport=4001)
    return bytes(head / flow / Raw(f"frame {number} ".encode() * 20))


def passes(site: Site, number: int) -> None:
    """A frame crosses both machines, and its answer comes back."""
    end = time.monotonic() + FRAME_SECONDS
    site.left.drain()
    site.right.drain()
    while True:  # the first ones meet links and NFs that are coming up
        site.left.send(frame(number))
        if site.right.receive(2) == frame(number):
            break
        assert time.monotonic() < end, status(site)
    answer = bytes(
        Ether(dst="52:54:00:00:33:00", src="52:54:00:00:33:01")
        / IP(src="198.18.0.2", dst="198.18.0.1")
        / UDP(sport=4001, dport=4000 + number)
        / Raw(b"answer " * 20)
    )
    site.left.drain()
    site.right.send(answer)
    assert site.left.receive(FRAME_SECONDS) == answer


def status(site: Site) -> str:
    show = "onvm status; onvm port ls; onvm nf ls; tail -n 30 /var/log/onvm/dataplane.log"
    return "\n".join(machine.ssh(show, check=False).stdout for machine in site.machines)


def drivers(machine: Machine) -> list[str]:
    paths = " ".join(f"/sys/bus/pci/devices/{nic.address}/driver" for nic in machine.nics)
    return [Path(line).name for line in machine.ssh(f"readlink {paths}").stdout.split()]


def test_check_mode_tells_of_a_bare_host_what_would_happen(site):
    shown = site.play("check mode", "playbooks/provision.yml", "--check", "--diff").succeeded()
    assert "+vm.nr_hugepages = 128" in shown.output
    assert "vfio-pci" in shown.output
    assert drivers(site.machines[0]) == ["e1000", "virtio-pci"]


def test_the_nic_that_carries_ssh_is_refused(site):
    variables = json.dumps({"onvm_nic_binding_nics": ["management"]})
    words = ["playbooks/provision.yml", "--tags", "nic_binding", "--extra-vars", variables]
    refused = site.play("refuse", *words)
    assert refused.code != 0
    assert "carries this SSH session" in refused.output


def test_site_makes_them_a_testbed(site):
    site.play("first run", "site.yml").succeeded()
    assert [drivers(machine) for machine in site.machines] == [["vfio-pci"] * 2] * 2
    passes(site, 1)


def test_a_second_run_changes_nothing(site):
    again = site.play("second run", "site.yml").succeeded()
    assert again.changed == 0, again.output


def test_it_survives_a_reboot(site):
    site.on_both("reboot", Machine.reboot)
    assert [drivers(machine) for machine in site.machines] == [["vfio-pci"] * 2] * 2
    site.on_both("NFs run", lambda machine: machine.ssh(NFS_RUN))
    passes(site, 2)


def test_teardown_gives_everything_back(site):
    site.play("teardown", "playbooks/teardown.yml").succeeded()
    assert drivers(site.machines[0]) == ["e1000", "virtio-pci"]
    assert drivers(site.machines[1]) == ["virtio-pci", "e1000"]
    left = "ls -d /opt/onvm /etc/onvm /var/lib/onvm /usr/local/libexec/onvm-nic-binding 2>/dev/null"
    assert [machine.ssh(left, check=False).stdout for machine in site.machines] == ["", ""]
    pages = "cat /proc/sys/vm/nr_hugepages"
    assert [machine.ssh(pages).stdout.strip() for machine in site.machines] == ["0", "0"]
