# SPDX-License-Identifier: BSD-3-Clause
"""Processes that outlive the manager: started, or found again, and watched by pidfd."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from onvm_runtime.manager.logfile import open_log


class Process:
    """One process of this host.  A pid may be used again; the pidfd cannot be mistaken."""

    def __init__(self, pid: int, child: subprocess.Popen[bytes] | None = None) -> None:
        """Watches a process; raises ProcessLookupError when there is none."""
        self.pid = pid
        self._child = child
        self._pidfd = os.pidfd_open(pid)
        self._loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[str] = self._loop.create_future()
        self._loop.add_reader(self._pidfd, self._end)

    @classmethod
    def spawn(
        cls, command: Sequence[str | Path], environment: Mapping[str, str], log: Path,
        user: int | None = None,
    ) -> Process:  # fmt: skip
        """Starts a command in a session of its own, its output in `log`.

        `user` is its uid and gid, without further groups; None: the manager's own.
        Raises OSError.
        """
        with open_log(log) as output:
            child = subprocess.Popen(
                command,
                env={"PATH": os.defpath, **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd="/",
                start_new_session=True,
                user=user,
                group=user,
                extra_groups=None if user is None else [],
            )
        return cls(child.pid, child)

    @property
    def alive(self) -> bool:
        """Whether it has not ended yet."""
        return not self._ended.done()

    async def ended(self) -> str:
        """Waits for the end; returns how it came, for example "exited with status 1"."""
        return await asyncio.shield(self._ended)

    def send(self, number: signal.Signals) -> None:
        """Sends a signal; nothing happens when the process has ended."""
        if self.alive:
            try:
                signal.pidfd_send_signal(self._pidfd, number)
            except ProcessLookupError:
                return

    async def stop(self, patience: float) -> None:
        """Asks it to end, and kills it after `patience` seconds."""
        self.send(signal.SIGTERM)
        if not await self.ends_within(patience):
            self.send(signal.SIGKILL)
            await self.ended()

    async def ends_within(self, seconds: float) -> bool:
        """Waits for the end, but no longer than this."""
        done, _ = await asyncio.wait({self._ended}, timeout=seconds)
        return bool(done)

    def release(self) -> None:
        """Stops watching; the process goes on."""
        if self._pidfd >= 0:
            self._loop.remove_reader(self._pidfd)
            os.close(self._pidfd)
        self._pidfd = -1

    def _end(self) -> None:
        code = self._child.wait() if self._child else None
        self.release()
        self._ended.set_result(_sentence(code))


def _sentence(code: int | None) -> str:
    if code is None:
        return "ended"
    if code >= 0:
        return f"exited with status {code}"
    try:
        return f"was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"was killed by signal {-code}"
