# SPDX-License-Identifier: BSD-3-Clause
"""The manager and the data plane as they run now."""

from __future__ import annotations

from collections.abc import Iterator

from onvm_runtime.cli.client import Manager
from onvm_runtime.cli.doctor.finding import Finding, fail, ok, warn
from onvm_runtime.cli.failure import CommandError, Unreachable


def running(manager: Manager) -> Iterator[Finding]:
    """Whether the manager answers, and what it says of the data plane."""
    try:
        status = manager.get("/v1/status")
    except Unreachable as error:
        yield warn(str(error), error.remedy)
        return
    except CommandError as error:
        yield fail(f"the manager is not well: {error}", "Its log is in /var/log/onvm.")
        return
    yield ok("the manager answers")
    plane = status["dataplane"]
    if plane["state"] == "running":
        yield ok(f"the data plane runs as process {plane['pid']}")
    else:
        yield fail(
            f"the data plane is not running but {plane['state']}: {plane.get('reason')}",
            "Its log is /var/log/onvm/dataplane.log.",
        )
