# SPDX-License-Identifier: BSD-3-Clause
"""The control plane of one node: keeps the data plane, the ports, the NFs and the chains right.

    config      node.yml
    node        the parts below, put together
    dataplane   starts or adopts onvm-dataplane, and starts it again
    ports       opens what node.yml lists
    fleet       all instances; instance is one of them, driver_* run it
    rollout     from one spec to the next
    state       what survives the manager
    api         HTTP and JSON on a unix socket

The manager may be killed at any time: packets do not pass through it.
"""
