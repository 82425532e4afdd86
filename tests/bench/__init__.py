# SPDX-License-Identifier: BSD-3-Clause
"""Benchmarks: what the data plane does, beside what others do on the same machine at that moment.

`onvm bench` runs them; docs/performance.md says how to read what comes out.
"""
