# SPDX-License-Identifier: BSD-3-Clause
"""Counters and latencies of the data plane and of NFs, mapped read-only."""

from __future__ import annotations

import errno
import os
from typing import Any

from onvm_runtime._control import ffi, lib
from onvm_runtime.control.failure import DataplaneError, system_error

_REASONS = {
    errno.EBADMSG: "the region is too small, or could shrink while it is read",
    errno.EPROTO: "the region holds something else",
    errno.EPROTONOSUPPORT: f"its ABI is not {lib.ONVM_ABI_VERSION}, the manager's",
}


class Region:
    """A mapped struct; unmapped when the last reference goes."""

    def __init__(self, fd: int, kind: str) -> None:
        """Maps the region behind `fd` and closes `fd`.

        kind  "node" or "nf": counters; "node_latency" or "nf_latency": latencies

        Raises DataplaneError when the region is not what it should be.
        """
        try:
            mapped = getattr(lib, f"onvm_control_map_{kind}")(fd)
            error = ffi.errno
        finally:
            os.close(fd)
        if mapped == ffi.NULL:
            raise _refusal(kind, error)
        self.counters: Any = ffi.gc(mapped, getattr(lib, f"onvm_control_unmap_{kind}"))


def _refusal(kind: str, error: int) -> DataplaneError:
    what, _, latency = kind.partition("_")
    doing = f"cannot map the {'latencies' if latency else 'counters'} of the {what}"
    if error in _REASONS:
        return DataplaneError(f"{doing}: {_REASONS[error]}")
    return system_error(doing, error)
