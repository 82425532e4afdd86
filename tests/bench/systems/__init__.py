# SPDX-License-Identifier: BSD-3-Clause
"""Systems that forward packets: ours, and those that it is compared with."""
