# SPDX-License-Identifier: BSD-3-Clause
"""A stand-in for the data plane: it speaks the control channel and moves no packet.

It keeps ports, NFs and a plan, answers as onvm-dataplane would, and lets a test
refuse a request, send events, and fill counters.  tests/dataplane runs the same
manager against the real daemon.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import mmap
import os
import socket
import struct
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from onvm_runtime._control import ffi, lib
from onvm_runtime.control import ABI

HEADER = struct.Struct("=III")


def memfd(content: bytes, seals: int = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW) -> int:
    """A sealed memfd with these bytes."""
    fd = os.memfd_create("stand-in", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.write(fd, content)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)
    return fd


def counters(kind: str) -> Any:
    """An empty struct of counters, `kind` node or nf, with the right magic and ABI."""
    region = ffi.new(f"struct onvm_{kind}_counters *")
    region.magic, region.abi = lib.ONVM_COUNTERS_MAGIC, ABI
    return region


def latencies(kind: str, fill: Callable[[Any], None] = lambda _: None) -> int:
    """A memfd of latencies, `kind` node or nf, with the right magic and ABI; `fill` writes to it.

    It is as sparse as that of a data plane.
    """
    size = ffi.sizeof(f"struct onvm_{kind}_latency")
    fd = os.memfd_create("stand-in", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(fd, size)
    with mmap.mmap(fd, size) as memory:
        region = ffi.cast(f"struct onvm_{kind}_latency *", ffi.from_buffer(memory))
        region.magic, region.abi = lib.ONVM_LATENCY_MAGIC, lib.ONVM_ABI_VERSION
        fill(region)
        del region
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW)
    return fd


class Refused(Exception):
    """The stand-in refuses a request with this sentence."""


class StandIn:
    """One listening control socket and what a data plane would keep behind it."""

    Refused = Refused

    def __init__(self, path: Path) -> None:
        self.path = path
        self.requests: list[dict[str, Any]] = []
        self.refuse: dict[str, str] = {}
        self.on_expect: Callable[[dict[str, Any]], None] = lambda _: None
        self.node = counters("node")
        self.pid = os.getpid()
        self._sockets: list[socket.socket] = []
        self._listener: socket.socket | None = None
        self._reset()

    def _reset(self) -> None:
        self.ports: dict[str, dict[str, Any]] = {}
        self.nfs: dict[str, dict[str, Any]] = {}
        self.plan: dict[str, Any] = {"links": [], "chains": [], "rules": []}
        self.draining: list[dict[str, Any]] = []
        self.every = 0
        self.flows: dict[str, int] = {}

    def start(self) -> None:
        """Listens, with nothing kept from an earlier life."""
        self._reset()
        self.path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._listener.bind(str(self.path))
        self._listener.listen()
        self._listener.setblocking(False)
        asyncio.get_running_loop().add_reader(self._listener, self._accept)

    def stop(self) -> None:
        """Closes everything, as a killed daemon would."""
        loop = asyncio.get_running_loop()
        for open_socket in [*self._sockets, self._listener]:
            if open_socket is not None:
                loop.remove_reader(open_socket)
                open_socket.close()
        self._sockets, self._listener = [], None

    def ops(self) -> list[str]:
        """The operations that were asked for, in order."""
        return [request["op"] for request in self.requests]

    def event(self, **content: Any) -> None:
        """Sends an event to every connection."""
        for connection in self._sockets:
            self._send(connection, 0, content)

    def nf(self, name: str, state: str, reason: str | None = None) -> None:
        """Puts an NF into a state and tells."""
        if name in self.nfs:
            self.nfs[name]["state"] = state if state != "detached" else "expected"
        extra = {"reason": reason} if reason else {}
        self.event(event="nf", name=name, state=state, **extra)

    def send_raw(self, header: bytes, fds: list[int]) -> None:
        """Sends any bytes and descriptors to the last connection, and closes the descriptors."""
        socket.send_fds(self._sockets[-1], [header], fds)
        for fd in fds:
            os.close(fd)

    def _accept(self) -> None:
        assert self._listener is not None
        connection, _ = self._listener.accept()
        connection.setblocking(False)
        self._sockets.append(connection)
        asyncio.get_running_loop().add_reader(connection, self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        header, fds, _, _ = socket.recv_fds(connection, HEADER.size, 4)
        if not header:
            asyncio.get_running_loop().remove_reader(connection)
            self._sockets.remove(connection)
            connection.close()
            return
        _, number, length = HEADER.unpack(header)
        request = json.loads(os.pread(fds[0], length, 0))
        os.close(fds[0])
        self._answer(connection, number, request)

    def _answer(self, connection: socket.socket, number: int, request: dict[str, Any]) -> None:
        self.requests.append(request)
        op = request["op"]
        try:
            if op in self.refuse:
                raise Refused(self.refuse[op])
            method = getattr(self, "_op_" + op.replace(".", "_"))
            answer = method(request)
        except Refused as refused:
            self._send(connection, number, {"ok": False, "error": str(refused)})
            return
        if answer is not None:
            content, region = answer
            self._send(connection, number, {"ok": True, **content}, region)

    def _send(
        self, connection: socket.socket, number: int, content: dict[str, Any], region: Any = None
    ) -> None:
        text = json.dumps(content).encode()
        fds = [memfd(text)]
        if region is not None:
            fds.append(region if isinstance(region, int) else memfd(bytes(ffi.buffer(region))))
        header = HEADER.pack(lib.ONVM_CONTROL_MAGIC, number, len(text))
        with contextlib.suppress(BrokenPipeError):
            socket.send_fds(connection, [header], fds)
        for fd in fds:
            os.close(fd)

    def _op_hello(self, request: dict[str, Any]) -> Any:
        if request["abi"] != ABI:
            raise Refused(f"the manager speaks ABI {request['abi']}, this data plane {ABI}")
        identity = {"abi": ABI, "pid": self.pid, "version": "0.1.0", "dpdk": "stand-in"}
        return {**identity, "hugepages": True, "buffers": 1024, "buffer_size": 2304}, None

    def _op_events(self, _: dict[str, Any]) -> Any:
        return {}, None

    def _op_silence(self, _: dict[str, Any]) -> Any:
        return None

    def _op_status(self, _: dict[str, Any]) -> Any:
        chains = [
            {"id": c["id"], "name": c["name"], "reverse": False, "draining": d, "in_flight": 0}
            for d, group in ((False, self.plan["chains"]), (True, self.draining))
            for c in group
        ]
        buffers = {"total": 1024, "out": 0, "free": 1024}
        content = {"ports": list(self.ports.values()), "nfs": list(self.nfs.values())}
        return {**content, "chains": chains, "links": [], "buffers": buffers}, None

    def _op_counters(self, _: dict[str, Any]) -> Any:
        return {}, self.node

    def _op_nf_counters(self, _: dict[str, Any]) -> Any:
        return {}, counters("nf")

    def _op_latency(self, _: dict[str, Any]) -> Any:
        return {"every": self.every, "hz": 1_000_000_000, "invariant": True}, latencies("node")

    def _op_nf_latency(self, _: dict[str, Any]) -> Any:
        return {}, latencies("nf")

    def _op_latency_sample(self, request: dict[str, Any]) -> Any:
        self.every = request["every"]
        return {}, None

    def _op_port_add(self, request: dict[str, Any]) -> Any:
        name = request["name"]
        if name in self.ports:
            raise Refused(f"port {name} exists")
        if f"port.add {name}" in self.refuse:
            raise Refused(self.refuse[f"port.add {name}"])
        shown = {"kind": request["kind"], "mtu": request["mtu"], "polled": False}
        facts = {"name": name, "id": len(self.ports), "up": True, "mac": "02:00:00:00:00:01"}
        self.ports[name] = {**facts, **shown}
        return {"id": self.ports[name]["id"]}, None

    def _op_port_remove(self, request: dict[str, Any]) -> Any:
        del self.ports[request["name"]]
        return {}, None

    def _op_nf_expect(self, request: dict[str, Any]) -> Any:
        name = request["name"]
        known = self.nfs.get(name)
        if known is None:
            facts = {"name": name, "id": len(self.nfs), "service": request["service"]}
            self.nfs[name] = {**facts, "state": "expected", "leaving": False, "waiting": 0}
        wishes = {"weight": request["weight"], "stateful": request["stateful"]}
        self.nfs[name].update(wishes)
        asyncio.get_running_loop().call_soon(self.on_expect, request)
        return {"id": self.nfs[name]["id"], "socket": f"{self.path.parent}/nf/{name}/nf.sock"}, None

    def _op_nf_forget(self, request: dict[str, Any]) -> Any:
        if self.nfs.pop(request["name"], None) is None:
            raise Refused(f"no NF is called {request['name']}")
        return {}, None

    def _op_nf_weigh(self, request: dict[str, Any]) -> Any:
        for name, weight in request["weights"].items():
            if name not in self.nfs:
                raise Refused(f"there is no NF {name}")
            self.nfs[name]["weight"] = weight
        return {}, None

    def _op_nf_flows(self, request: dict[str, Any]) -> Any:
        return {"flows": self.flows.get(request["name"], 0)}, None

    def _op_nf_query(self, request: dict[str, Any]) -> Any:
        return {"reply": {"nf": request["name"], "asked": request["request"]}}, None

    def _op_plan(self, request: dict[str, Any]) -> Any:
        ids = {chain["id"] for chain in request["chains"]}
        gone = [chain for chain in self.plan["chains"] if chain["id"] not in ids]
        self.plan = request
        for chain in gone:
            asyncio.get_running_loop().call_soon(
                lambda c: self.event(event="chain", id=c["id"], state="drained"), chain
            )
        return {}, None

    def _op_chain_probe(self, request: dict[str, Any]) -> Any:
        if request["chain"] not in {chain["id"] for chain in self.plan["chains"]}:
            raise Refused(f"chain.probe: there is no chain {request['chain']}")
        return {"id": 0x80000000 | request["chain"]}, None

    def _op_stop(self, _: dict[str, Any]) -> Any:
        asyncio.get_running_loop().call_soon(self.stop)
        return {}, None


@pytest.fixture
async def stand_in(tmp_path: Path) -> AsyncIterator[StandIn]:
    """A listening stand-in; closed at the end."""
    plane = StandIn(tmp_path / "control.sock")
    plane.start()
    yield plane
    plane.stop()
