# SPDX-License-Identifier: BSD-3-Clause
"""What was found, as a table, as JSON and as a plot."""
