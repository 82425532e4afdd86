# SPDX-License-Identifier: BSD-3-Clause
"""A virtual machine without KVM: QEMU emulates its processor, its IOMMU and its NICs."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.lab.wire import LOCALHOST, free_port

BOOT_SECONDS = 900.0  # reached only when something is wrong; 60 on two idle cores
BOOT_ID = "cat /proc/sys/kernel/random/boot_id"
MANAGEMENT = "52:54:00:00:00:01"  # every machine has a network of its own for SSH
NETWORK = "net=198.51.100.0/24,host=198.51.100.2,dns=198.51.100.3,dhcpstart=198.51.100.15"


@dataclass(frozen=True)
class Nic:
    """A NIC at a PCI slot, and the UDP ports of its end of the cable and of the other."""

    model: str  # e1000, e1000e, virtio-net-pci or vmxnet3
    slot: int
    mac: str
    local: int
    remote: int

    @property
    def address(self) -> str:
        """Its PCI address in the guest."""
        return f"0000:00:{self.slot:02x}.0"

    def arguments(self) -> list[str]:
        """Return what QEMU is told."""
        ends = [f"{end}.type=inet,{end}.host={LOCALHOST},{end}.port={port}"
                for end, port in (("local", self.local), ("remote", self.remote))]  # fmt: skip
        virtio = ",disable-legacy=on,iommu_platform=on" if self.model == "virtio-net-pci" else ""
        device = f"{self.model},netdev=n{self.slot},mac={self.mac},addr={self.slot:x}{virtio}"
        return ["-netdev", f"dgram,id=n{self.slot},{','.join(ends)}", "-device", device]


@dataclass(frozen=True)
class QueueNic:
    """A virtio NIC of several queues, with RSS, on a multi-queue tap of the host."""

    slot: int
    mac: str
    taps: tuple[int, ...]  # a file descriptor for each queue

    @property
    def address(self) -> str:
        """Its PCI address in the guest."""
        return f"0000:00:{self.slot:02x}.0"

    def arguments(self) -> list[str]:
        """Return what QEMU is told."""
        fds = ":".join(map(str, self.taps))
        device = f"virtio-net-pci,netdev=n{self.slot},mac={self.mac},addr={self.slot:x}"
        queues = f"mq=on,rss=on,vectors={2 * len(self.taps) + 2}"
        return ["-netdev", f"tap,id=n{self.slot},fds={fds},vhost=off",
                "-device", f"{device},{queues},disable-legacy=on,iommu_platform=on"]  # fmt: skip


@dataclass
class Machine:
    """One guest. Everything that it writes goes to its folder."""

    name: str
    folder: Path
    disk: Path
    nics: Sequence[Nic | QueueNic] = field(default_factory=list)
    share: Path | None = None  # read-only in the guest, at /mnt
    memory: int = 1536  # MB
    cpus: int = 1
    numa_nodes: int = 1  # which share memory and CPUs evenly

    def __post_init__(self) -> None:
        self.folder.mkdir()
        self.ssh_port = free_port(socket.SOCK_STREAM)
        self.key = self.disk.with_name("key")
        overlay = self.folder / "disk.qcow2"
        base = ["-b", str(self.disk), "-F", "qcow2"]
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *base, overlay], check=True)

    def start(self) -> None:
        """Switch it on, in a session of its own. It ends with this process, however that ends."""
        log = (self.folder / "qemu.log").open("ab")
        command = ["setpriv", "--pdeathsig", "KILL", "qemu-system-x86_64", *self._arguments()]
        taps = [tap for nic in self.nics if isinstance(nic, QueueNic) for tap in nic.taps]
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=taps,
            start_new_session=True,
        )  # fmt: skip

    def _arguments(self) -> list[str]:
        drive = f"file={self.folder / 'disk.qcow2'},if=none,id=hd,format=qcow2,cache=unsafe"
        forward = f"tcp:{LOCALHOST}:{self.ssh_port}-:22"
        return [
            "-M", "q35", "-accel", "tcg,tb-size=256", "-cpu", "max", "-smp", str(self.cpus),
            "-m", str(self.memory), "-nodefaults", "-display", "none",
            *self._numa_arguments(),
            "-device", "intel-iommu,intremap=on,caching-mode=on",
            "-drive", drive, "-device", "virtio-blk-pci,drive=hd",
            "-netdev", f"user,id=m,restrict=on,{NETWORK},hostfwd={forward}",
            "-device", f"virtio-net-pci,netdev=m,mac={MANAGEMENT}",
            "-object", "rng-random,filename=/dev/urandom,id=rng0",
            "-device", "virtio-rng-pci,rng=rng0",
            "-serial", f"file:{self.folder / 'console.log'}",
            *self._share_arguments(),
            *[word for nic in self.nics for word in nic.arguments()],
        ]  # fmt: skip

    def _numa_arguments(self) -> Iterator[str]:
        cpus = self.cpus // self.numa_nodes
        for node in range(self.numa_nodes):
            size = f"size={self.memory // self.numa_nodes}M"
            mine = f"cpus={node * cpus}-{(node + 1) * cpus - 1}"
            yield from ("-object", f"memory-backend-ram,id=m{node},{size}")
            yield from ("-numa", f"node,nodeid={node},{mine},memdev=m{node}")

    def _share_arguments(self) -> list[str]:
        if self.share is None:
            return []
        return [
            "-virtfs",
            f"local,path={self.share},mount_tag=share,security_model=none,readonly=on",
        ]

    def wait(self) -> None:
        """Wait until SSH answers; fails with the end of the console when it does not."""
        end = time.monotonic() + BOOT_SECONDS
        while self.ssh("true", check=False, seconds=60).returncode != 0:
            assert self.process.poll() is None, (self.folder / "qemu.log").read_text()
            assert time.monotonic() < end, f"{self.name} does not boot:\n{self.console()}"
            time.sleep(1)
        if self.share is not None:
            self.ssh(
                "modprobe 9pnet_virtio && mount -t 9p -o ro,cache=loose,msize=262144 share /mnt"
            )

    def console(self) -> str:
        """Return the end of what the guest printed."""
        return (self.folder / "console.log").read_text(errors="replace")[-3000:]

    def ssh_command(self) -> list[str]:
        """Return the words of ssh that lead to a shell as root."""
        master = ["-o", "ControlMaster=auto", "-o", f"ControlPath={self.folder}/ssh",
                  "-o", "ControlPersist=yes"]  # fmt: skip
        trust = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
                 "-o", "LogLevel=ERROR", "-o", "ConnectTimeout=30"]  # fmt: skip
        to = ["-i", str(self.key), "-p", str(self.ssh_port), f"root@{LOCALHOST}"]
        return ["ssh", "-F", "none", *master, *trust, *to]

    def ssh(
        self, command: str, *, check: bool = True, seconds: float = 300
    ) -> subprocess.CompletedProcess[str]:
        """Run a shell command in the guest."""
        result = subprocess.run(
            [*self.ssh_command(), command],
            check=False, timeout=seconds, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        )  # fmt: skip
        assert not check or result.returncode == 0, f"{command}: {result.stdout}{result.stderr}"
        return result

    def copy(self, archive: Path, folder: str) -> None:
        """Unpack a tar archive of the host into a folder of the guest."""
        with archive.open("rb") as file:
            command = [*self.ssh_command(), f"mkdir -p {folder} && tar -C {folder} -xf -"]
            subprocess.run(command, stdin=file, check=True)

    def reboot(self) -> None:
        """Boot it anew, and wait until SSH answers."""
        before = self.ssh(BOOT_ID).stdout
        self.ssh("systemctl reboot", check=False)
        self._forget_connection()
        end = time.monotonic() + BOOT_SECONDS
        while self.ssh(BOOT_ID, check=False, seconds=60).stdout in ("", before):
            assert time.monotonic() < end, f"{self.name} does not boot again:\n{self.console()}"
            time.sleep(1)

    def _forget_connection(self) -> None:
        subprocess.run([*self.ssh_command(), "-O", "exit"], check=False, capture_output=True)

    def stop(self) -> None:
        """Pull the plug."""
        self._forget_connection()
        self.process.kill()
        self.process.wait()
