# SPDX-License-Identifier: BSD-3-Clause
"""NF modules under test, without a data plane.

    with Module("build/nf_images/firewall.so") as module:
        module.configure({"rules": []})
        [result] = module.handle([Packet(frame)])

onvm_runtime.nf.golden has what golden tables of NFs (``nf_images/<nf>/golden.py``) are made of.
"""

from onvm_runtime.nf.module import Module, ModuleError, Packet, Result, Verdict

__all__ = ["Module", "ModuleError", "Packet", "Result", "Verdict"]
