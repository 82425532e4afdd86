# SPDX-License-Identifier: BSD-3-Clause
"""Ansible filters: from the description of a lab to the chains files of its nodes.

They run on the controller and use onvm_runtime of the checkout that this role is in.
"""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path

from ansible.errors import AnsibleFilterError

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from onvm_runtime.chains import SpecError
from onvm_runtime.chains.document import Problems, parse, write
from onvm_runtime.lab import Visit, Way, compile_lab, decisions, load, loss, new_ways, phases

SOURCE = "inventory"


def plain(value):
    """Return a value of Ansible's without its tags, proxies and lazy containers."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    for kind in (str, bool, int, float):
        if isinstance(value, kind):
            return kind(value)
    return value


def lab_files(lab, nodes, groups):
    """Return the content of every node's chains file, as far as the lab says it.

    lab: links, services and chains. nodes: the names of each node's ports, by node. groups: the
    nodes of each group of the inventory.
    """
    try:
        return compile_lab(load(write(plain(lab)), SOURCE, plain(nodes), plain(groups)))
    except SpecError as error:
        lines = [f"{problem.key}: {problem.message}" for problem in error.problems]
        raise AnsibleFilterError("The lab cannot be:\n" + "\n".join(lines)) from error


def with_own(lab, own):
    """Return a node's part of the lab together with the chains that the node has to itself."""
    for kind, names in (("service", own["services"]), ("chain", _names(own["chains"]))):
        known = lab["services"] if kind == "service" else _names(lab["chains"])
        both = sorted(set(names) & set(known))
        if both:
            raise AnsibleFilterError(
                f"The {kind} {both[0]} is defined for the lab and for this node: rename one"
            )
    return {
        **plain(lab),
        **plain({key: value for key, value in own.items() if key not in ("services", "chains")}),
        "services": {**plain(lab["services"]), **plain(own["services"])},
        "chains": [*plain(lab["chains"]), *plain(own["chains"])],
    }


def _names(chains):
    return [chain.get("name", "") for chain in chains]


def content(text):
    """Return the content of a chains file; raise on what is no YAML."""
    problems = Problems(SOURCE)
    root = parse(plain(text), problems) if text.strip() else None
    if problems.found:
        raise AnsibleFilterError("\n".join(map(str, problems.found)))
    return {"services": {}, "chains": [], **(root.plain() if root else {})}


def rollout(before, wanted):
    """Return the texts of a node's chains file in every phase of a rollout.

    before: the text in force, in whatever phase. wanted: the content that shall be.
    """
    steps = phases(content(before), plain(wanted))
    return {phase: write(file) for phase, file in vars(steps).items()}


def ways(nodes, hostvars):
    """Return the ways of the probes that verify a rollout, once all nodes are prepared."""
    files = {node: content(hostvars[node]["onvm_chains_texts"]["prepare"]) for node in nodes}
    return [
        {"number": number, "node": way.node, "chain": way.chain, **asdict(way)}
        for number, way in enumerate(new_ways(files))
    ]


def probe_links(ways, node):
    """Return the links of a node that probes meet."""
    visits = [visit for way in ways for visit in way["visits"] if visit["node"] == node]
    return sorted({visit[end] for visit in visits for end in ("came", "link") if visit[end]})


def probes_at(ways, node, hostvars):
    """Return the ids of the probes that are to pass a node."""
    passing = [way for way in ways if node in [visit["node"] for visit in way["visits"]]]
    return [probe for way in passing for probe in _probes(way, hostvars)]


def _probes(way, hostvars):
    return hostvars[way["node"]]["onvm_chains_sent"]["ids"][str(way["number"])]


def probe_results(ways, nodes, hostvars):
    """Return sentences about ways whose probes were all lost, and about those that NFs dropped."""
    passages = {node: _seen(node, hostvars) for node in nodes}
    lost, dropped = failures(nodes, hostvars, "onvm_chains_seen"), []
    for told in ways:
        way = Way(told["version"], tuple(Visit(**visit) for visit in told["visits"]))
        name, probes = f"the probe of chain {way.chain} from {way.node}", _probes(told, hostvars)
        why = [loss(way, probe, passages) for probe in probes]
        said = [one for probe in probes for one in decisions(way, probe, passages)]
        lost += [f"{name} {why[-1]}"] if all(why) else []
        dropped += [f"{name} {sentence}" for sentence in dict.fromkeys(said)]
    return {"lost": lost, "dropped": dropped}


def _seen(node, hostvars):
    return plain(hostvars[node].get("onvm_chains_seen", {}).get("passages", []))


def failures(nodes, hostvars, variable):
    """Return a sentence for every node that did not do the last step.

    variable: the name under which each node registered it. One that could not be reached has none.
    """
    said = []
    for node in nodes:
        step = hostvars[node].get(variable)
        if step is None or step.get("unreachable"):
            said.append(f"{node}: could not be reached")
        elif step.get("error") or step.get("failed"):
            said.append(f"{node}: {step.get('error') or step.get('msg')}")
    return said


def change_sentence(change):
    """Return what differs between a node and the inventory, of one change that would mend it."""
    verb = {"added": "is missing", "removed": "is not in the inventory"}.get(change["action"])
    if verb is None:
        verb = f"has another {', '.join(change['after'] or change['before'])} than in the inventory"
    return f"{change['kind']} {change['name']} {verb}: run playbooks/chains.yml"


class FilterModule:
    """What Ansible loads."""

    def filters(self):
        """Return the filters by name."""
        return {
            "onvm_lab_files": lab_files,
            "onvm_with_own_chains": with_own,
            "onvm_chains_content": content,
            "onvm_rollout": rollout,
            "onvm_new_ways": ways,
            "onvm_probe_links": probe_links,
            "onvm_probes_at": probes_at,
            "onvm_probe_results": probe_results,
            "onvm_failures": failures,
            "onvm_change_sentence": change_sentence,
        }
