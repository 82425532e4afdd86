# SPDX-License-Identifier: BSD-3-Clause
"""Messages of the control channel (native/control/control.h), JSON in and out."""

from __future__ import annotations

import errno
import json
import os
from dataclasses import dataclass
from typing import Any

from onvm_runtime._control import ffi, lib
from onvm_runtime.control.failure import DataplaneError, system_error


@dataclass
class Received:
    """One message.  `fd` is the receiver's to close, or -1."""

    number: int
    content: dict[str, Any]
    fd: int


class Channel:
    """A connected control socket.  Nothing here waits: the event loop does."""

    def __init__(self, socket: int) -> None:
        self._socket = socket

    @classmethod
    def connect(cls, path: str) -> Channel:
        """Connects to the socket at `path`; raises DataplaneError."""
        socket = lib.onvm_control_connect(os.fsencode(path))
        if -socket in (errno.ENOENT, errno.ECONNREFUSED):
            raise DataplaneError(f"no data plane listens at {path}: onvm-dataplane does not run")
        if socket < 0:
            raise system_error(f"cannot connect to {path}", -socket)
        return cls(socket)

    def fileno(self) -> int:
        """The socket, for the event loop; -1 when it is closed."""
        return self._socket

    def send(self, number: int, content: dict[str, Any]) -> None:
        """Sends one request; raises DataplaneError when it cannot be sent now."""
        text = json.dumps(content).encode()
        error = -lib.onvm_control_send(self._socket, number, text, len(text))
        if error == errno.EAGAIN:
            raise DataplaneError("the data plane has stopped reading requests: is it stopped?")
        if error:
            raise system_error("cannot send to the data plane", error)

    def receive(self) -> Received | None:
        """The next message, or None when there is none now.

        Raises DataplaneError when the channel is closed or its peer talks nonsense.
        """
        message = ffi.new("struct onvm_control_received *")
        error = -lib.onvm_control_receive(self._socket, message)
        if error in (errno.EAGAIN, errno.EINTR):
            return None
        if error == errno.ECONNRESET:
            raise DataplaneError("the data plane closed the control channel")
        if error:
            raise system_error("the control channel is broken", error)
        return _take(message)

    def close(self) -> None:
        """Closes the socket; may be called again."""
        if self._socket >= 0:
            os.close(self._socket)
        self._socket = -1


def _take(message: Any) -> Received:
    """Moves a message out of C's hands."""
    try:
        content = json.loads(ffi.buffer(message.text, message.length)[:])
        if not isinstance(content, dict):
            raise ValueError("no object")
        fd, message.fd = message.fd, -1
        return Received(message.number, content, fd)
    except ValueError as error:
        raise DataplaneError("the data plane sent a message that is no JSON object") from error
    finally:
        lib.onvm_control_release(message)
