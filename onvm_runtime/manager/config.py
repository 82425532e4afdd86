# SPDX-License-Identifier: BSD-3-Clause
"""node.yml: what one node is.  docs/manager.md describes every key."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from onvm_runtime._control import lib
from onvm_runtime.chains import Problem, SpecError, values
from onvm_runtime.chains.document import Node, Problems, parse
from onvm_runtime.chains.spec import Placement, Places

_WORKER_BUFFERS = 1024  # fewer are none for the queues of its ports
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


def _bytes(value: object) -> object:
    """Reads 64m and the like."""
    found = re.fullmatch(r"([0-9]+)([kmg]?)", value) if isinstance(value, str) else None
    if isinstance(value, str) and not found:
        raise ValueError("must be a number of bytes, such as 64m")
    return int(found[1]) * _UNITS[found[2]] if found else value


def _cpu_text(value: object) -> object:
    return str(value) if type(value) is int else value


def _placement(value: object) -> Placement:
    if isinstance(value, list):
        value = ",".join(map(str, value))
    if isinstance(value, (str, int)):
        return values.placement(value)
    raise ValueError("must be auto, shared, or CPUs such as 2 or 2-3,6")


def _like(pattern: str, sentence: str) -> AfterValidator:
    """Takes texts of this pattern only; `sentence` says to a user what they look like."""

    def check(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise ValueError(sentence)
        return value

    return AfterValidator(check)


Name = Annotated[
    str,
    _like(
        r"[a-z0-9][a-z0-9_.-]{0,30}",
        "must be a name: at most 31 of a-z, 0-9, -, _ and ., first a letter or digit",
    ),
]
Interface = Annotated[str, _like(r"[^/\s]{1,15}", "must be the name of a network interface")]
Address = Annotated[
    str,
    _like(
        r"([0-9a-fA-F]{4}:)?[0-9a-fA-F]{2}:[01][0-9a-fA-F]\.[0-7]",
        "must be a PCI address, such as 0000:01:00.0",
    ),
]
Size = Annotated[int, BeforeValidator(_bytes), Field(ge=8 << 20)]
CpuSet = Annotated[
    str,
    BeforeValidator(_cpu_text),
    _like(r"\d+(-\d+)?(,\d+(-\d+)?)*", "must be a list of CPUs, such as 1 or 0,2-3"),
]


def _each_once(cores: tuple[int, ...]) -> tuple[int, ...]:
    if len(set(cores)) < len(cores):
        raise ValueError("names a CPU twice; each worker needs one of its own")
    return cores


Cores = Annotated[
    tuple[Annotated[int, Field(ge=0, le=1023)], ...],
    Field(min_length=1, max_length=lib.ONVM_MAX_WORKERS),
    AfterValidator(_each_once),
]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=False)


class DataplaneConfig(_Section):
    """How onvm-dataplane is started."""

    program: Path = Path("/opt/onvm/bin/onvm-dataplane")
    cores: Cores = (0,)
    buffers: Annotated[int, Field(ge=_WORKER_BUFFERS, le=4194304)] = 16384
    buffer_size: Annotated[int, Field(ge=512, le=65472, multiple_of=64)] = 2304
    flows: Annotated[int, Field(ge=1024, le=1 << 26)] = 65536
    hugepages: Literal["auto", "required", "off"] = "auto"
    idle: Literal["sleep", "poll"] = "sleep"
    latency_sample: Annotated[int, Field(ge=0, le=1_000_000_000)] = 1024

    @model_validator(mode="after")
    def _every_worker_has_buffers(self) -> DataplaneConfig:
        if self.buffers < _WORKER_BUFFERS * len(self.cores):
            raise ValueError(
                f"buffers must be {_WORKER_BUFFERS} or more for each of {len(self.cores)} cores"
            )
        return self


class NfConfig(_Section):
    """Limits of every NF.  `memory` in bytes; `cpus` as a cpuset list, None: all.

    `placement` is for services that name none (manager/placement.py).
    """

    memory: Size = 64 << 20
    pids: Annotated[int, Field(ge=1)] = 16
    cpus: CpuSet | None = None
    user: Annotated[int, Field(ge=1, le=2**32 - 2)] = 65532
    dedicated: bool = False
    placement: Annotated[Placement, BeforeValidator(_placement)] = "auto"


class Directories(_Section):
    """Where sockets, the desired state and logs are kept."""

    run: Path = Path("/run/onvm")
    state: Path = Path("/var/lib/onvm")
    log: Path = Path("/var/log/onvm")


class _Port(_Section):
    name: Name
    mtu: Annotated[int, Field(ge=68, le=65535)] = 1500

    def request(self) -> dict[str, Any]:
        """The keys of a port.add request (docs/ports.md)."""
        return self.model_dump(mode="json", exclude_none=True)


class PciPort(_Port):
    """A NIC by its PCI address."""

    kind: Literal["pci"]
    address: Address


class InterfacePort(_Port):
    """A network interface of the kernel; tap makes it, the others need it to be there."""

    kind: Literal["af_xdp", "af_packet", "tap"]
    interface: Interface
    netns: str | None = None


class PcapPort(_Port):
    """Capture files: frames are read from `receive` and written to `transmit`."""

    kind: Literal["pcap"]
    receive: Path | None = None
    transmit: Path | None = None
    loop: bool | None = None


class NullPort(_Port):
    """Invents frames of `size` bytes and swallows what it is sent."""

    kind: Literal["null"]
    size: Annotated[int | None, Field(ge=60, le=65535)] = None


Port = Annotated[PciPort | InterfacePort | PcapPort | NullPort, Field(discriminator="kind")]


class NodeConfig(_Section):
    """All of node.yml."""

    node: Name = Field(default_factory=lambda: socket.gethostname().split(".")[0])
    dataplane: DataplaneConfig = DataplaneConfig()
    runtime: Literal["docker", "process"] = "docker"
    nf: NfConfig = NfConfig()
    catalogue: Path = Path("/opt/onvm/nf")
    directories: Directories = Directories()
    ports: tuple[Port, ...] = ()

    @model_validator(mode="after")
    def _names_are_unique(self) -> NodeConfig:
        names = [port.name for port in self.ports]
        twice = {name for name in names if names.count(name) > 1}
        if twice:
            raise ValueError(f"two ports are called {', '.join(sorted(twice))}: rename one")
        return self


def load(path: Path) -> NodeConfig:
    """Reads node.yml; raises SpecError with everything that is wrong in it."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError([Problem(str(path), 1, "", f"cannot be read: {error}")]) from error
    return read(text, str(path))


def read(text: str, source: str) -> NodeConfig:
    """Reads the text of a node.yml; `source` names it in problems.  Raises SpecError."""
    problems = Problems(source)
    root = parse(text, problems)
    problems.refuse_any()
    assert root is not None, "parse says why there is no root"
    try:
        return NodeConfig.model_validate(root.plain())
    except ValidationError as error:
        raise SpecError(_problems(error, root, source)) from error


def _problems(error: ValidationError, root: Node, source: str) -> Iterator[Problem]:
    places = Places(source, {node.key: node.line for node in root.walk()})
    for found in error.errors():
        key = _key(found["loc"], root)
        yield Problem(source, places.line(key), key, _sentence(found["type"], found["msg"]))


def _key(location: Sequence[int | str], root: Node) -> str:
    """The dotted key of pydantic's location, in which kinds of ports stand like keys."""
    key, content = "", root.content
    for part in location:
        if isinstance(part, int):
            key = f"{key}[{part}]"
            content = content[part].content if isinstance(content, list) else None
        elif isinstance(content, dict) and (part in content or part == location[-1]):
            key = f"{key}.{part}" if key else part
            content = content[part].content if part in content else None
    return key


def _sentence(kind: str, message: str) -> str:
    if kind == "extra_forbidden":
        return "unknown key: correct its spelling, or remove it"
    if kind == "missing":
        return "is missing: add it"
    if kind.startswith("union_tag"):
        return "kind must be one of pci, af_xdp, af_packet, tap, pcap, null"
    return message.removeprefix("Value error, ")
