# SPDX-License-Identifier: BSD-3-Clause
"""Counters as Python objects, drop reasons, rates and the Prometheus exposition.

    drop_reasons   the table of reasons, from C
    counters       typed copies of what a mapped region holds
    snapshot       all of a node's counters under the names that users know
    rates          what lies between two counts
    prometheus     a snapshot as the text that Prometheus reads

Importing this package reads nothing; take what you need from its modules.
"""
