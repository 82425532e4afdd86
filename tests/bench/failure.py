# SPDX-License-Identifier: BSD-3-Clause
"""Why something could not be measured."""

from __future__ import annotations


class BenchError(Exception):
    """A sentence that says what is missing and what to do about it."""
