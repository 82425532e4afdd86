# SPDX-License-Identifier: BSD-3-Clause
"""The places of a node's NF processes, kept up to date as they come and go."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

from onvm_runtime.chains import Instance as Wanted
from onvm_runtime.chains.spec import Placement
from onvm_runtime.chains.values import cpus as parse
from onvm_runtime.manager import topology
from onvm_runtime.manager.config import NodeConfig
from onvm_runtime.manager.placement import Place, assign, cpu_list


class Placing:
    """Where each process runs, by its name."""

    def __init__(self, config: NodeConfig) -> None:
        self._config = config
        self._topology = topology.read()
        self._weights: dict[str, int] = {}
        self._rates: dict[str, int] = {}  # weights of those that follow what arrives
        self.places: dict[str, Place] = {}

    @property
    def known(self) -> frozenset[int]:
        """The CPUs that processes may be placed on, by number."""
        return frozenset(self._topology.cpus)

    def adopt(self, process: str, pid: int) -> None:
        """Learns where a process runs that an earlier manager placed."""
        try:
            self.places[process] = Place(tuple(sorted(os.sched_getaffinity(pid))))
        except OSError:
            return

    def renew(self, wanted: Iterable[Wanted]) -> set[str]:
        """Places all processes anew; returns those whose CPUs or weight are others now.

        An adopted process has the weight with which it was started: that is the same.
        """
        processes = {one.group or one.name: one for one in wanted}
        weights = {name: self._weigh(name, one) for name, one in processes.items()}
        before = {
            name: (place.cpus, self._weights.get(name, weights.get(name)))
            for name, place in self.places.items()
        }
        self._weights = weights
        self.places = assign(
            self._topology,
            self._config.dataplane.cores,
            {name: self._wish(one) for name, one in processes.items()},
            held={name: place.cpus for name, place in self.places.items()},
            allowed=parse(self._config.nf.cpus) if self._config.nf.cpus else None,
        )
        return {
            name
            for name, place in self.places.items()
            if before.get(name) != (place.cpus, self._weights[name])
        }

    def follow(self, weights: Mapping[str, int]) -> None:
        """Takes over the weights of processes that follow what arrives, for `renew`."""
        self._rates = dict(weights)

    def cpus(self, process: str) -> str:
        """The CPUs of a process as a cpuset; empty for no limit."""
        return cpu_list(self.places[process].cpus) if process in self.places else ""

    def weight(self, process: str) -> int:
        """The weight of a process."""
        return self._weights[process]

    def polls(self, process: str) -> bool:
        """Whether a process may spin for work: it shall, and nobody else needs its core."""
        return self._config.nf.dedicated and self.places[process].alone

    def _weigh(self, process: str, wanted: Wanted) -> int:
        if not wanted.by_rate:
            return wanted.cpu_weight
        return self._rates.get(process, wanted.cpu_weight)

    def _wish(self, wanted: Wanted) -> Placement:
        wish = wanted.placement
        return self._config.nf.placement if wish is None else wish
