# SPDX-License-Identifier: BSD-3-Clause
"""What the manager refuses, and the HTTP status that says so."""

from __future__ import annotations


class ManagerError(Exception):
    """One sentence: what was wrong and what to do.  `status` is the HTTP status."""

    status = 500


class NotFound(ManagerError):
    """What was named does not exist."""

    status = 404


class Conflict(ManagerError):
    """Not now: something else is under way, or the node is in another state."""

    status = 409


class Failed(ManagerError):
    """It was tried, failed and was undone."""

    status = 424


class Unavailable(ManagerError):
    """The data plane, or Docker, does not answer."""

    status = 503


class NoSpace(ManagerError):
    """The desired state cannot be kept."""

    status = 507


class DriverError(ManagerError):
    """An NF could not be run."""

    status = 503
