# SPDX-License-Identifier: BSD-3-Clause
"""The desired state: what the manager brings about again after it was restarted."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from onvm_runtime.chains import Instance, LabSpec, Plan, SpecError, instances, load, replica
from onvm_runtime.manager.failure import ManagerError, NoSpace

VERSION = 1


@dataclass(frozen=True)
class Desired:
    """A spec with the text it came from, its plan, and what differs from it for a while.

    stopped   instances that a user stopped
    draining  instances that get no new flows, and until when (seconds since 1970) they may
              keep what they have; then one of the spec is stopped, another one removed
    """

    source: str = ""
    text: str = ""
    spec: LabSpec = field(default_factory=LabSpec)
    plan: Plan = field(default_factory=Plan)
    stopped: frozenset[str] = frozenset()
    draining: Mapping[str, float] = field(default_factory=dict)

    def instances(self) -> list[Instance]:
        """All instances that there shall be, those that drain and are to go then included."""
        wanted = instances(self.spec)
        beyond = self.draining.keys() - {instance.name for instance in wanted}
        return [*wanted, *(_leaving(self.spec, name) for name in sorted(beyond))]


def _leaving(spec: LabSpec, name: str) -> Instance:
    service, _, number = name.rpartition("-")
    return replica(spec, service, int(number))


class StateFile:
    """The desired state on disk.  Either the old or the new one is there, never a part."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "state.json"

    def read(self) -> Desired:
        """The state that was kept, or an empty one.

        Raises ManagerError when the file is damaged or of another version.
        """
        try:
            return _from_json(json.loads(self._path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return Desired()
        except (OSError, ValueError, KeyError, TypeError, SpecError) as error:
            raise ManagerError(
                f"{self._path} cannot be used ({error}): restore it from a backup, or remove it "
                "and apply the chains again"
            ) from error

    def write(self, desired: Desired) -> None:
        """Keeps the state over a power failure; raises NoSpace and keeps the old one."""
        try:
            write_atomically(self._path, json.dumps(_to_json(desired), indent=1))
        except OSError as error:
            raise NoSpace(
                f"cannot keep the desired state in {self._path}: {error.strerror}; nothing was "
                "changed"
            ) from error


def write_atomically(path: Path, text: str) -> None:
    """Replaces a file by way of another beside it; raises OSError and leaves the old one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(path.name + ".new")
    try:
        with new.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    except OSError:
        new.unlink(missing_ok=True)
        raise
    _sync_directory(path.parent)


def _sync_directory(path: Path) -> None:
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _to_json(desired: Desired) -> dict[str, Any]:
    return {
        "version": VERSION,
        "source": desired.source,
        "text": desired.text,
        "plan": desired.plan.to_json(),
        "stopped": sorted(desired.stopped),
        "draining": dict(desired.draining),
    }


def _from_json(kept: dict[str, Any]) -> Desired:
    if kept["version"] != VERSION:
        raise ValueError(f"it is of version {kept['version']}, this manager knows {VERSION}")
    return Desired(
        source=kept["source"],
        text=kept["text"],
        spec=load(kept["text"], kept["source"]) if kept["text"] else LabSpec(),
        plan=Plan.from_json(kept["plan"]),
        stopped=frozenset(kept["stopped"]),
        draining=kept.get("draining", {}),
    )
