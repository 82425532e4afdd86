# SPDX-License-Identifier: BSD-3-Clause
"""What goes wrong between the manager and the data plane."""

from __future__ import annotations

import os


class DataplaneError(Exception):
    """One sentence: what failed and, where it is known, what to do."""


def system_error(doing: str, number: int) -> DataplaneError:
    """The error of a system call, `number` an errno."""
    return DataplaneError(f"{doing}: {os.strerror(number)}")
