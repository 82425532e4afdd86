# SPDX-License-Identifier: BSD-3-Clause
"""The version of the manager: that of the package it was installed from."""

from importlib.metadata import version

VERSION = version("onvm-runtime")
