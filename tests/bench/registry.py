# SPDX-License-Identifier: BSD-3-Clause
"""The benchmarks, by name: each is a file in benchmarks/ that registers itself."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.bench import benchmarks
from tests.bench.figure import Finding
from tests.bench.setting import Setting

Body = Callable[[Setting], Iterator[Finding]]


@dataclass(frozen=True)
class Benchmark:
    """One benchmark: it yields what it finds as soon as it knows it.

    `quick`: it has a place in the minute of a quick run.
    """

    name: str
    title: str
    body: Body
    quick: bool


_KNOWN: dict[str, Benchmark] = {}


def benchmark(name: str, title: str, quick: bool = True) -> Callable[[Body], Body]:
    """Registers the function below it."""

    def register(body: Body) -> Body:
        _KNOWN[name] = Benchmark(name, title, body, quick)
        return body

    return register


def known() -> list[Benchmark]:
    """All benchmarks, by name."""
    for module in pkgutil.iter_modules(benchmarks.__path__):
        importlib.import_module(f"{benchmarks.__name__}.{module.name}")
    return [_KNOWN[name] for name in sorted(_KNOWN)]
