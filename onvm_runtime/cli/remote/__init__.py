# SPDX-License-Identifier: BSD-3-Clause
"""The managers of a whole lab: which nodes there are, how to reach them, all asked at once."""

from onvm_runtime.cli.remote.inventory import REQUIREMENTS, LabNode, SshOptions, read
from onvm_runtime.cli.remote.parallel import Outcome, ask_all

__all__ = ["REQUIREMENTS", "LabNode", "Outcome", "SshOptions", "ask_all", "read"]
