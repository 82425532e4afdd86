# SPDX-License-Identifier: BSD-3-Clause
"""Compiles the cffi modules; pyproject.toml holds everything else."""

from setuptools import setup

setup(
    cffi_modules=[
        "onvm_runtime/native/build_control.py:ffibuilder",
        "onvm_runtime/native/build_nf.py:ffibuilder",
    ]
)
