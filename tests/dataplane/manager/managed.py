# SPDX-License-Identifier: BSD-3-Clause
"""A real manager with a real data plane and real NFs, all in a directory of the test's own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import yaml

from onvm_runtime.chains.document import Problems, parse
from tests.dataplane.plane import DATAPLANE, eventually, nf_program

SOURCES = Path(__file__).parents[3] / "nf_images"
CHAIN = """
services:
  a: {nf: forward, replicas: 2}
  b: {nf: forward}
chains:
  - {name: web, match: {port: in}, path: [a, b], egress: out}
"""
NFS = ("a-1", "a-2", "b-1")  # the instances of CHAIN


class Managed:
    """One node under a manager."""

    def __init__(self, directory: Path, **keys: Any) -> None:
        """Writes node.yml and a catalogue; `keys` replace those of node.yml."""
        self.directory = directory
        self.run = directory / "run"
        self._copy_nfs(directory / "catalogue")
        self.config = directory / "node.yml"
        self.configure(**keys)
        self.environment: dict[str, str] = {}  # of the manager, beside that of the test
        self.process: subprocess.Popen[bytes] | None = None
        transport = httpx.HTTPTransport(uds=str(self.run / "manager.sock"))
        self.http = httpx.Client(transport=transport, base_url="http://node", timeout=60)

    def configure(self, **keys: Any) -> None:
        """Writes node.yml."""
        content = {
            "node": f"test-{self.directory.name}",
            "runtime": "process",
            "catalogue": str(self.directory / "catalogue"),
            "dataplane": {"program": str(DATAPLANE), "buffers": 4096},
            "directories": {
                "run": str(self.run),
                "state": str(self.directory / "state"),
                "log": str(self.directory / "log"),
            },
            # Tests run beside others: whatever CPU is free is the right one.
            "nf": {"placement": f"0-{(os.cpu_count() or 1) - 1}"},
            "ports": [{"name": "in", "kind": "null"}, {"name": "out", "kind": "null"}],
        }
        self.config.write_text(yaml.safe_dump({**content, **keys}))

    def _copy_nfs(self, catalogue: Path) -> None:
        """NFs run as a user who may not read the build."""
        for entry in SOURCES.glob("*/nf.yml"):
            place = catalogue / entry.parent.name
            place.mkdir(parents=True)
            shutil.copy(entry, place)
            shutil.copy(nf_program(place.name), place)
        (catalogue / "fused").mkdir()
        shutil.copy(nf_program("fused"), catalogue / "fused")

    def start(self) -> None:
        """Starts the manager and waits until it answers."""
        with (self.directory / "manager.log").open("ab") as log:
            self.process = subprocess.Popen(
                self._command(),
                env=self._environment(),
                stdout=log,
                stderr=log,
                start_new_session=True,  # a service: its share of the CPUs is not the test's
            )
        try:
            eventually(self.answers, "the manager answers", 120)
        except AssertionError as error:
            raise AssertionError(f"{error}: {self.log()[-4000:]}") from error

    def _command(self) -> list[str | Path]:
        return [sys.executable, "-m", "onvm_runtime.manager", "--config", self.config]

    def _environment(self) -> dict[str, str]:
        return {**os.environ, **self.environment}

    def answers(self) -> bool:
        """Whether the manager's socket answers."""
        assert self.process is None or self.process.poll() is None, self.log()
        try:
            return self.http.get("/v1/version").is_success
        except httpx.TransportError:
            return False

    def kill(self) -> None:
        """SIGKILL for the manager."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def terminate(self) -> int:
        """SIGTERM for the manager; returns its exit status."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)

    def stop_all(self) -> subprocess.CompletedProcess[str]:
        """Runs `onvm-manager --stop-all`."""
        return subprocess.run(
            [*self._command(), "--stop-all"],
            env=self._environment(),
            check=False,
            capture_output=True,
            text=True,
        )

    def get(self, path: str, **query: Any) -> Any:
        """The JSON at a path; fails the test when there is none."""
        response = self.http.get(path, params=query)
        assert response.is_success, response.text
        return response.json()

    def post(self, path: str, body: Any = None) -> httpx.Response:
        """Posts JSON."""
        return self.http.post(path, json=body)

    def apply(self, text: str) -> Any:
        """Applies a chains file; fails the test when it is refused."""
        response = self.post("/v1/chains/apply", {"source": "chains.yml", "text": text})
        assert response.is_success, response.text
        return response.json()

    def content(self) -> dict[str, Any]:
        """The content of the chains file in force."""
        root = parse(self.get("/v1/spec")["text"] or "{}", Problems("in force"))
        assert root is not None
        content: dict[str, Any] = root.plain()
        return content

    def nf(self, name: str) -> dict[str, Any]:
        """What the API says of an instance; nothing when there is none."""
        return next((nf for nf in self.get("/v1/nfs")["nfs"] if nf["name"] == name), {})

    def runs(self, name: str) -> bool:
        """Whether an instance is in the state running."""
        return self.nf(name).get("state") == "running"

    def pids(self) -> dict[str, int]:
        """The processes of the instances of CHAIN."""
        return {name: self.nf(name)["pid"] for name in NFS}

    def dataplane_pid(self) -> int:
        """The process of the data plane."""
        return int(self.get("/v1/status")["dataplane"]["pid"])

    def sent(self, port: str = "out") -> int:
        """Packets that left by a port."""
        ports = self.get("/v1/stats")["ports"]
        return next(int(p["counters"]["tx"]["packets"]) for p in ports if p["name"] == port)

    def losses(self) -> dict[str, int]:
        """Every counter of the node that says why packets are missing, and is not 0."""
        stats = self.get("/v1/stats")
        counts = dict(stats["node"]["drops"])
        for port in stats["ports"]:
            for name in ("rx_missed", "rx_errors", "tx_dropped"):
                counts[f"{port['name']} {name}"] = port["counters"][name]
        return {name: count for name, count in counts.items() if count}

    def log(self) -> str:
        """What the manager has printed."""
        return (self.directory / "manager.log").read_text(errors="replace")

    def close(self) -> None:
        """Ends everything that was started here, whatever state it is in."""
        if self.process and self.process.poll() is None:
            os.kill(self.process.pid, signal.SIGCONT)
        stopped = self.stop_all()
        if self.process:
            self.process.kill()
            self.process.wait()
        self.http.close()
        assert stopped.returncode == 0, stopped.stderr + self.log()
