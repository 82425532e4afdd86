# SPDX-License-Identifier: BSD-3-Clause
"""Chains: from YAML to what the data plane takes.  Pure, without input or output.

    check(text, source, catalogue, ports, cpus) -> LabSpec  all that can be wrong, at once
    load(text, source) -> LabSpec                      what the file alone can tell
    validate(spec, catalogue, ports, cpus)             what the node has to say about it
    dump(spec) -> text                                 a file that says the same
    groups(spec) -> [Group]                            services that share processes
    instances(spec) -> [Instance]                      the NFs that shall run
    compile_plan(spec, previous, draining) -> Plan     chains and rules with ids
    diff(old, new) -> [Change]                         what an apply would change

Whatever is refused is refused by SpecError, with all problems in it.
"""

from onvm_runtime.chains.catalogue import NF, Catalogue
from onvm_runtime.chains.compile import Entrance, OutOfIds, compile_plan, entrances
from onvm_runtime.chains.diff import Change, diff
from onvm_runtime.chains.fusion import Group, groups, scaled_with
from onvm_runtime.chains.instances import instances, replica
from onvm_runtime.chains.load import check, dump, load, validate
from onvm_runtime.chains.plan import (
    Plan,
    PlannedArrival,
    PlannedChain,
    PlannedRule,
    PlannedSpread,
)
from onvm_runtime.chains.problem import Problem, SpecError
from onvm_runtime.chains.spec import (
    Autoscale,
    Chain,
    Egress,
    Exit,
    Instance,
    LabSpec,
    LinkEnd,
    Match,
    Service,
    Version,
)

__all__ = [
    "NF",
    "Autoscale",
    "Catalogue",
    "Chain",
    "Change",
    "Egress",
    "Entrance",
    "Exit",
    "Group",
    "Instance",
    "LabSpec",
    "LinkEnd",
    "Match",
    "OutOfIds",
    "Plan",
    "PlannedArrival",
    "PlannedChain",
    "PlannedRule",
    "PlannedSpread",
    "Problem",
    "Service",
    "SpecError",
    "Version",
    "check",
    "compile_plan",
    "diff",
    "dump",
    "entrances",
    "groups",
    "instances",
    "load",
    "replica",
    "scaled_with",
    "validate",
]
