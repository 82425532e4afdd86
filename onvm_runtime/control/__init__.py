# SPDX-License-Identifier: BSD-3-Clause
"""The data plane as Python sees it: requests, answers, events and mapped counters.

    control = await Control.connect("/run/onvm/control.sock")
    status = await control.request("status")
    counters = await control.node_counters()

Every failure is a DataplaneError with one sentence for the user.
"""

from onvm_runtime.control.client import ABI, Control
from onvm_runtime.control.failure import DataplaneError
from onvm_runtime.control.regions import Region

__all__ = ["ABI", "Control", "DataplaneError", "Region"]
