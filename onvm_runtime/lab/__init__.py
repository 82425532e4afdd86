# SPDX-License-Identifier: BSD-3-Clause
"""Chains over several nodes: from one description of a lab to one chains file a node.

Pure, like `onvm_runtime.chains`, whose chains files it writes.  docs/labs.md
describes the document.
"""

from onvm_runtime.lab.compile import compile_lab
from onvm_runtime.lab.document import load
from onvm_runtime.lab.phases import Phases, phases
from onvm_runtime.lab.probes import Visit, Way, decisions, loss, new_ways
from onvm_runtime.lab.spec import End, Endpoint, Hop, Lab, LabChain, LabService, Link

__all__ = [
    "End",
    "Endpoint",
    "Hop",
    "Lab",
    "LabChain",
    "LabService",
    "Link",
    "Phases",
    "Visit",
    "Way",
    "compile_lab",
    "decisions",
    "load",
    "loss",
    "new_ways",
    "phases",
]
