# SPDX-License-Identifier: BSD-3-Clause
"""The `onvm` command: a client of the manager's API, and `onvm doctor`."""

from onvm_runtime.cli.app import main

__all__ = ["main"]
