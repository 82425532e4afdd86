# SPDX-License-Identifier: BSD-3-Clause
"""What must hold in a lab whatever the node: names, references, limits, no service twice.

Rules run on partly read specs too: a value that was refused already is neutral
there (empty text, no match) and none of them says a word about it.
"""

from __future__ import annotations

from collections.abc import Iterator

from onvm_runtime.chains import fusion, limits
from onvm_runtime.chains.document import Problems
from onvm_runtime.chains.match_rules import match_keys
from onvm_runtime.chains.problem import suggest
from onvm_runtime.chains.spec import Exit, LabSpec, versions


def apply(spec: LabSpec, problems: Problems) -> None:
    """Adds every problem that the spec has in itself, its matches apart."""
    found = [
        (key, message) for rule in _RULES for key, message in rule(spec) if not problems.within(key)
    ]
    for key, message in found:
        problems.add(key, spec.places.line(key), message)


Found = Iterator[tuple[str, str]]


def _unknown_branches(spec: LabSpec) -> Found:
    for service in spec.services.values():
        for n, branch in enumerate(service.branches):
            yield from _unknown(spec, f"services.{service.name}.to[{n}]", branch)


def _unknown_hops(spec: LabSpec) -> Found:
    for key, version in versions(spec):
        for n, hop in enumerate(version.path):
            yield from _unknown(spec, f"{key}.path[{n}]", hop)


def _unknown_links(spec: LabSpec) -> Found:
    for key, link in _named_links(spec):
        if link and link not in spec.links:
            yield key, f"no link {link!r}; {suggest(link, spec.links)}"


def _named_links(spec: LabSpec) -> Iterator[tuple[str, str | None]]:
    for key, version in versions(spec):
        if isinstance(version.egress, Exit):
            yield f"{key}.egress.link", version.egress.link
        for match, place in zip(version.match, match_keys(spec, key, version), strict=True):
            yield f"{place}.link", match.link


def _unknown_chains(spec: LabSpec) -> Found:
    names = {chain.name: chain for chain in spec.chains if chain.name}
    for index, chain in enumerate(spec.chains):
        for word, named in (("lanes", chain.lanes), ("backup", chain.backup)):
            for n, name in enumerate(named):
                key = f"chains[{index}].{word}[{n}]"
                if name and name not in names:
                    yield key, f"no chain {name!r}; {suggest(name, names)}"
                elif name and names[name].lanes:
                    yield key, f"{name!r} spreads its flows itself: name its lanes"


def _unknown_ways_back(spec: LabSpec) -> Found:
    names = {chain.name: chain for chain in spec.chains if chain.name}
    for key, version in versions(spec):
        name = version.returns
        if name is not None and name not in names:
            yield f"{key}.returns", f"no chain {name!r}; {suggest(name, names)}"
        elif name is not None and names[name].lanes:
            yield f"{key}.returns", f"{name!r} spreads its flows: name one of its lanes"


def _spreads_that_pass(spec: LabSpec) -> Found:
    """A chain either spreads its flows or carries them."""
    for index, chain in enumerate(spec.chains):
        carries = [
            word
            for word in ("path", "egress", "bidirectional", "returns", "closed")
            if getattr(chain, word)
        ]
        if chain.lanes and carries:
            yield f"chains[{index}].{carries[0]}", "belongs to its lanes: remove it here"
        if chain.backup and not chain.lanes:
            yield f"chains[{index}].backup", "is taken in place of lanes: add some"
        if len(chain.lanes) > limits.LANES or len(chain.backup) > limits.LANES:
            yield f"chains[{index}].lanes", f"at most {limits.LANES} lanes fit"


def _unknown(spec: LabSpec, key: str, name: str) -> Found:
    if name and name not in spec.services:
        yield key, f"no service {name!r}; {suggest(name, spec.services)}"


def _unknown_default(spec: LabSpec) -> Found:
    names = [chain.name for chain in spec.chains if chain.name]
    if spec.default is not None and spec.default not in names:
        yield "default", f"no chain {spec.default!r}; {suggest(spec.default, names)}"


def _repeated_names(spec: LabSpec) -> Found:
    first: dict[str, int] = {}
    for index, chain in enumerate(spec.chains):
        if chain.name in first:
            line = spec.places.line(f"chains[{first[chain.name]}].name")
            yield (
                f"chains[{index}].name",
                f"chain {chain.name!r} is in line {line} already: rename one",
            )
        elif chain.name:
            first[chain.name] = index


def _wrong_weights(spec: LabSpec) -> Found:
    for service in spec.services.values():
        key = f"services.{service.name}.weights"
        if len(service.weights) > service.replicas and not service.autoscale:
            yield (
                key,
                f"{len(service.weights)} are more than {service.replicas} replicas: remove some",
            )
        elif len(service.weights) == service.replicas and not any(service.weights):
            yield key, "all weights are 0: nobody would get a flow"


def _wrong_autoscale(spec: LabSpec) -> Found:
    for service in spec.services.values():
        policy, key = service.autoscale, f"services.{service.name}.autoscale"
        if policy is None:
            continue
        if policy.min > policy.max:
            yield f"{key}.min", f"{policy.min} is above max, {policy.max}"
        elif not policy.min <= service.replicas <= policy.max:
            yield (
                f"services.{service.name}.replicas",
                f"must be from {policy.min} to {policy.max}, as autoscale says; or leave it out",
            )
        if service.fuse:
            yield key, "a fused service cannot be scaled by itself: remove `fuse` or the policy"
        if policy.low >= policy.high:
            yield f"{key}.low", f"{policy.low:g} must be below high, {policy.high:g}"


def _too_many(spec: LabSpec) -> Found:
    wanted = sum(
        service.autoscale.max if service.autoscale else service.replicas
        for service in spec.services.values()
    )
    directions = sum(1 + chain.bidirectional + len(chain.also) for chain in spec.chains)
    for key, count, most, what in (
        ("services", len(spec.services), limits.SERVICES, "services"),
        ("links", len(spec.links), limits.LINKS, "links"),
        ("services", wanted, limits.INSTANCES, "instances, all replicas counted,"),
        ("chains", directions, limits.CHAINS, "chains, bidirectional ones counted twice,"),
    ):
        if count > most:
            yield key, f"{count} {what} are too many: a node has room for {most}"


def _too_long(spec: LabSpec) -> Found:
    for service in spec.services.values():
        if len(service.branches) > limits.BRANCHES:
            yield (
                f"services.{service.name}.to",
                f"{len(service.branches)} branches: at most {limits.BRANCHES} fit, remove some",
            )
    for index, chain in enumerate(spec.chains):
        if len(chain.path) > limits.HOPS:
            yield (
                f"chains[{index}].path",
                f"{len(chain.path)} hops: at most {limits.HOPS} fit, shorten the path",
            )


def _branch_cycles(spec: LabSpec) -> Found:
    reported: set[frozenset[str]] = set()
    for name in spec.services:
        cycle = _cycle_through(spec, name)
        if cycle and frozenset(cycle) not in reported:
            reported.add(frozenset(cycle))
            yield (
                f"services.{name}.to",
                f"packets could go round for ever: {' -> '.join([*cycle, name])}; remove one 'to'",
            )


def _cycle_through(spec: LabSpec, start: str) -> list[str]:
    """The services of a shortest cycle of branches from `start`; empty when there is none."""
    ways = [[start]]
    seen: set[str] = set()
    for way in ways:  # grows while it is walked: breadth first
        for branch in _branches(spec, way[-1]):
            if branch == start:
                return way
            if branch not in seen:
                seen.add(branch)
                ways.append([*way, branch])
    return []


def _branches(spec: LabSpec, name: str) -> tuple[str, ...]:
    return spec.services[name].branches if name in spec.services else ()


def _repeated_branches(spec: LabSpec) -> Found:
    for service in spec.services.values():
        for n, branch in enumerate(service.branches):
            if branch and branch in service.branches[:n]:
                yield f"services.{service.name}.to[{n}]", f"{branch!r} is listed twice: remove one"


def _services_met_twice(spec: LabSpec) -> Found:
    """A packet passes a service of its path once, so that NFs count and translate it once."""
    for index, chain in enumerate(spec.chains):
        for n, hop in enumerate(chain.path):
            why = _why_twice(spec, chain.path, n)
            if hop and why:
                yield (
                    f"chains[{index}].path[{n}]",
                    f"packets would pass {hop!r} twice, {why}: "
                    "define another service of the same NF and name that",
                )


def _why_twice(spec: LabSpec, path: tuple[str, ...], n: int) -> str:
    hop = path[n]
    if hop in path[:n]:
        return f"here and as path[{path.index(hop)}]"
    for other in path:
        if other != hop and hop in _reachable(spec, other):
            return f"here and by a branch of {other!r}"
    return ""


def _reachable(spec: LabSpec, name: str) -> list[str]:
    found: dict[str, None] = {}
    todo = list(_branches(spec, name))
    while todo:
        branch = todo.pop()
        if branch not in found:
            found[branch] = None
            todo.extend(_branches(spec, branch))
    return list(found)


def _never_taken(spec: LabSpec) -> Found:
    led_to = {spec.default}
    for chain in spec.chains:
        led_to |= {*chain.lanes, *chain.backup, chain.returns}
        led_to |= {version.returns for version in chain.also}
    for index, chain in enumerate(spec.chains):
        if not (chain.match or chain.closed) and chain.name and chain.name not in led_to:
            yield (
                f"chains[{index}]",
                f"no packet would take chain {chain.name!r}: "
                "give it a match, or make it the default",
            )


_RULES = (
    fusion.problems,
    _unknown_branches,
    _unknown_hops,
    _unknown_links,
    _unknown_chains,
    _unknown_ways_back,
    _spreads_that_pass,
    _unknown_default,
    _repeated_names,
    _wrong_weights,
    _wrong_autoscale,
    _too_many,
    _too_long,
    _branch_cycles,
    _repeated_branches,
    _services_met_twice,
    _never_taken,
)
