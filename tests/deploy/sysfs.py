# SPDX-License-Identifier: BSD-3-Clause
"""A sysfs made of files: PCI devices, their drivers, interfaces and IOMMU groups."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

ETHERNET = "0x020000"
DRIVERS = ("e1000", "virtio-pci", "mlx5_core", "ahci", "pcieport", "vfio-pci", "uio_pci_generic")


class Sysfs:
    """The tree, and a kernel that reacts to what is written to it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.refused: Collection[str] = ()  # drivers whose bind fails
        self.written: list[tuple[str, str]] = []
        self.loaded: list[str] = []
        self.devices.mkdir(parents=True)
        for driver in DRIVERS:
            (root / "bus/pci/drivers" / driver).mkdir(parents=True)

    @property
    def devices(self) -> Path:
        return self.root / "bus/pci/devices"

    def device(
        self, address: str, driver: str | None = "e1000", *, name: str = "", mac: str = "",
        group: int | None = None, group_type: str = "identity", pci_class: str = ETHERNET,
        identity: tuple[str, str] = ("0x8086", "0x100e"), below: str = "",
    ) -> None:  # fmt: skip
        """Add a device. below: the folder between it and its interface, as virtio has."""
        folder = self.devices / address
        folder.mkdir()
        for file, text in zip(("vendor", "device"), identity, strict=True):
            (folder / file).write_text(f"{text}\n")
        (folder / "class").write_text(f"{pci_class}\n")
        if driver:
            (folder / "driver").symlink_to(self.root / "bus/pci/drivers" / driver)
        if name:
            interface = folder / below / "net" / name
            interface.mkdir(parents=True)
            (interface / "address").write_text(f"{mac}\n")
            self.interface(name)
        if group is not None:
            self._join(address, group, group_type)

    def _join(self, address: str, group: int, group_type: str) -> None:
        folder = self.root / "kernel/iommu_groups" / str(group)
        (folder / "devices").mkdir(parents=True, exist_ok=True)
        (folder / "type").write_text(f"{group_type}\n")
        (folder / "devices" / address).symlink_to(self.devices / address)
        (self.devices / address / "iommu_group").symlink_to(folder)

    def interface(self, name: str, *lower: str) -> None:
        """Add an interface that stands on others."""
        folder = self.root / "class/net" / name
        folder.mkdir(parents=True, exist_ok=True)
        for below in lower:
            (folder / f"lower_{below}").mkdir()

    def driver(self, address: str) -> str | None:
        """The driver that has the device."""
        link = self.devices / address / "driver"
        return link.resolve().name if link.exists() else None

    def write(self, path: Path, text: str) -> None:
        """What the kernel does when somebody writes."""
        self.written.append((str(path.relative_to(self.root)), text.strip()))
        if path.name == "unbind":
            (self.devices / text / "driver").unlink()
        elif path.name == "driver_override":
            path.write_text(text)
        elif path.name == "bind":
            self._bind(text, path.parent.name)
        elif path.name == "drivers_probe":
            override = self.devices / text / "driver_override"
            if override.exists() and override.read_text().strip():
                self._bind(text, override.read_text().strip())

    def _bind(self, address: str, driver: str) -> None:
        if driver in self.refused:
            raise OSError(22, "Invalid argument")
        (self.devices / address / "driver").symlink_to(self.root / "bus/pci/drivers" / driver)
