# SPDX-License-Identifier: BSD-3-Clause
"""NF modules under test, without a data plane.

    with Module("build/nf_images/firewall.so") as module:
        module.configure({"rules": []})
        [result] = module.handle([Packet(frame)])

Golden tables of NFs (``nf_images/<nf>/golden.py``) are made of Case, Step and Expected.
"""

from onvm_runtime.nf.golden import Case, Expected, Step
from onvm_runtime.nf.module import Module, ModuleError, Packet, Result, Verdict

__all__ = ["Case", "Expected", "Module", "ModuleError", "Packet", "Result", "Step", "Verdict"]
