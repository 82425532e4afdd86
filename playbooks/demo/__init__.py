# SPDX-License-Identifier: BSD-3-Clause
"""The demonstration: a client and a server that meet only through a chain of NFs.

``python -m demo up`` makes the two hosts, ``down`` removes them, ``story`` shows what the chain
does with their traffic and checks every promise. Needs root and the packages of /opt/onvm/venv.
"""
