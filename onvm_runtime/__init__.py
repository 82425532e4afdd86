# SPDX-License-Identifier: BSD-3-Clause
"""The Python side of the testbed: chains, manager, telemetry and the command line."""
