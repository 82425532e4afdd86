# SPDX-License-Identifier: BSD-3-Clause
"""A real data plane in a directory of the test's own, and NFs as plain processes."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from onvm_runtime.control import Control, DataplaneError, Region
from onvm_runtime.telemetry.total import Total, total, workers

BUILD = Path(os.environ.get("ONVM_BUILD", Path(__file__).parents[2] / "build"))
DATAPLANE = BUILD / "onvm_runtime/native/dataplane/onvm-dataplane"
HOSTILE = BUILD / "tests/native/hostile_nf"
PATIENCE = 10.0  # seconds; reached only when something is wrong


def nf_program(name: str) -> Path:
    """The static program of one of the NFs of nf_images/."""
    return BUILD / "nf_images" / name


def eventually(
    condition: Callable[[], Any], what: str | Callable[[], str], seconds: float = PATIENCE
) -> Any:
    """Waits until `condition` holds and returns its value; fails the test with `what`.

    what: or what says it by then
    """
    end = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() >= end:
            said = what if isinstance(what, str) else what()
            raise AssertionError(f"not within {seconds} s: {said}")
        time.sleep(0.01)
    return value


class Plane:
    """One running onvm-dataplane and everything that was started for it."""

    def __init__(self, run_dir: Path, *options: str) -> None:
        self.run_dir = run_dir
        self.options = options
        self.loop = asyncio.new_event_loop()
        self.nfs: dict[str, subprocess.Popen[bytes]] = {}
        self._node: Region | None = None
        self.start()

    def start(self) -> None:
        """Starts the daemon and connects to it."""
        log = (self.run_dir / "dataplane.log").open("ab")
        command = [DATAPLANE, "--run-dir", self.run_dir, *self.options]
        self.process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            self.control = eventually(self._connect, f"a data plane at {self.run_dir}")
        except BaseException:
            self.process.kill()
            self.process.wait()
            raise

    def _connect(self) -> Control | None:
        assert self.process.poll() is None, self.log()
        path = str(self.run_dir / "control.sock")
        try:
            return self.loop.run_until_complete(Control.connect(path))
        except DataplaneError:
            return None

    def log(self) -> str:
        """What the daemon has printed."""
        return (self.run_dir / "dataplane.log").read_text(errors="replace")

    def request(self, op: str, /, **arguments: Any) -> dict[str, Any]:
        """One operation of the control channel."""
        return self.loop.run_until_complete(self.control.request(op, **arguments))

    def region(self) -> Region:
        """The node's counters, mapped once."""
        if self._node is None:
            self._node = self.loop.run_until_complete(self.control.node_counters())
        return self._node

    def counters(self) -> Total:
        """What all workers counted together."""
        return total(self.region())

    def workers(self) -> list[Any]:
        """What each worker counted."""
        return workers(self.region())

    def buffers_out(self) -> int:
        """Buffers that NFs and edges hold now."""
        out: int = self.request("status")["buffers"]["out"]
        return out

    def nf_state(self, name: str) -> str:
        """expected, attached, running or failed; "" for one that is not expected."""
        states = {nf["name"]: nf["state"] for nf in self.request("status")["nfs"]}
        return str(states.get(name, ""))

    def expect(self, name: str, service: str = "", **wishes: Any) -> None:
        """Tells the data plane of an NF; its service has its name if none is given."""
        defaults = {"parameters": {}, "branches": [], "uid": 0, "gid": 0, "dedicated": False}
        self.request("nf.expect", name=name, service=service or name, **{**defaults, **wishes})

    def run_nf(self, name: str, program: Path, *arguments: str) -> subprocess.Popen[bytes]:
        """Starts the program of an expected NF."""
        log = (self.run_dir / f"{name}.log").open("ab")
        environment = {"ONVM_SOCKET": str(self.run_dir / "nf" / name / "nf.sock")}
        self.nfs[name] = subprocess.Popen(
            [program, *arguments], env=environment, stdout=log, stderr=log
        )
        return self.nfs[name]

    def start_fused(self, group: str, members: dict[str, str], **wishes: dict[str, Any]) -> Any:
        """Starts one process for NFs (name to NF); `wishes` by name; waits until all run.

        Each NF's service is its name up to the last dash.
        """
        for name in members:
            service = name.rpartition("-")[0]
            self.expect(name, service, group=group, **wishes.get(service, {}))
        sockets = [f"{nf}={self.run_dir}/nf/{name}/nf.sock" for name, nf in members.items()]
        log = (self.run_dir / f"{group}.log").open("ab")
        environment = {"ONVM_SOCKETS": " ".join(sockets)}
        process = subprocess.Popen([nf_program("fused")], env=environment, stdout=log, stderr=log)
        self.nfs[group] = process
        for name in members:
            eventually(lambda name=name: self.nf_state(name) == "running", f"{name} runs")
        return process

    def start_nf(
        self, name: str, program: Path | str = "forward", service: str = "", **wishes: Any
    ) -> subprocess.Popen[bytes]:
        """Expects an NF, starts it and waits until it runs."""
        self.expect(name, service, **wishes)
        process = self.run_nf(name, nf_program(program) if isinstance(program, str) else program)
        eventually(lambda: self.nf_state(name) == "running", f"{name} runs")
        return process

    def kill_nf(self, name: str) -> None:
        """SIGKILL, and waits until the data plane has noticed."""
        process = self.nfs.pop(name)
        process.kill()
        process.wait()
        eventually(lambda: self.nf_state(name) == "expected", f"the death of {name} is noticed")

    def plan(
        self,
        chains: Sequence[dict[str, Any]],
        rules: Sequence[dict[str, Any]] = (),
        **more: Any,
    ) -> None:
        """Puts a plan into effect."""
        self.request("plan", chains=list(chains), rules=list(rules), **more)

    def kill(self) -> None:
        """SIGKILL for the daemon, as a crash would."""
        self.process.kill()
        self.process.wait()
        self.control.close()
        self._node = None

    def close(self) -> None:
        """Ends everything; fails the test if the daemon did not end by itself and cleanly."""
        for process in self.nfs.values():
            process.kill()
            process.wait()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(PATIENCE)
        finally:
            self.process.kill()
            self.control.close()
            self.loop.close()
        assert status in (0, -signal.SIGKILL), f"the data plane ended with {status}: {self.log()}"
