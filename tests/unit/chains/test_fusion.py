# SPDX-License-Identifier: BSD-3-Clause
"""Which services share processes, and what the NFs in them are called."""

from __future__ import annotations

import pytest

from onvm_runtime.chains import Service, SpecError, dump, groups, instances, load

PLAIN, FUSED = "{nf: forward}", "{nf: forward, fuse: true}"

GROUPS = [
    ("neighbours in a path", {"a": FUSED, "b": FUSED}, ["[a, b]"], [("a", "b")]),
    ("one alone is not", {"a": FUSED, "b": PLAIN}, ["[a, b]"], []),
    ("another service in between", {"a": FUSED, "x": PLAIN, "b": FUSED}, ["[a, x, b]"], []),
    ("two groups in a path", {"a": FUSED, "b": FUSED, "x": PLAIN, "c": FUSED, "d": FUSED},
     ["[a, b, x, c, d]"], [("a", "b"), ("c", "d")]),
    ("either order in two chains", {"a": FUSED, "b": FUSED}, ["[a, b]", "[b, a]"], [("a", "b")]),
    ("chains join their groups", {"a": FUSED, "b": FUSED, "c": FUSED}, ["[a, b]", "[b, c]"],
     [("a", "b", "c")]),
    ("one chain makes them neighbours", {"a": FUSED, "x": PLAIN, "b": FUSED},
     ["[a, x, b]", "[a, b]"], [("a", "b")]),
    ("a branch is a neighbour", {"a": "{nf: forward, fuse: true, to: [b]}", "b": FUSED}, ["[a]"],
     [("a", "b")]),
    ("not in any path", {"a": FUSED, "b": FUSED}, ["[a]"], []),
]  # fmt: skip


def lab(services: dict[str, str], paths: list[str]) -> str:
    lines = [f"  {name}: {service}" for name, service in services.items()]
    chains = [
        f"  - {{name: c{n}, match: {{vlan: {n}}}, path: {path}, egress: out}}"
        for n, path in enumerate(paths)
    ]
    return "\n".join(["services:", *lines, "chains:", *chains])


@pytest.mark.parametrize(
    ("services", "paths", "wanted"), [case[1:] for case in GROUPS], ids=[c[0] for c in GROUPS]
)
def test_groups(services: dict[str, str], paths: list[str], wanted: list[tuple[str, ...]]) -> None:
    spec = load(lab(services, paths), "chains.yml")
    assert [group.services for group in groups(spec)] == wanted


def test_replicas_of_one_number_share_a_process() -> None:
    two = "{nf: forward, fuse: true, replicas: 2}"
    spec = load(lab({"a": two, "b": two.replace("forward", "nat")}, ["[a, b]"]), "chains.yml")
    [group] = groups(spec)
    found = {one.name: (one.group, one.fused) for one in instances(spec)}
    assert found == {
        f"{service}-{n}.{group.tag}": (
            f"a-{n}.{group.tag}",
            ((f"a-{n}.{group.tag}", "forward"), (f"b-{n}.{group.tag}", "nat")),
        )
        for service in "ab"
        for n in (1, 2)
    }


def test_instances_of_another_process_have_other_names() -> None:
    """So the new ones can run before the old ones end."""
    texts = [
        lab({"a": PLAIN, "b": PLAIN, "c": PLAIN}, ["[a, b, c]"]),
        lab({"a": FUSED, "b": FUSED, "c": PLAIN}, ["[a, b, c]"]),
        lab({"a": FUSED, "b": FUSED, "c": FUSED}, ["[a, b, c]"]),
    ]
    names = [{one.name for one in instances(load(text, "chains.yml"))} for text in texts]
    assert names[0] & names[1] == {"c-1"}
    assert names[1] & names[2] == set()
    assert names[0] & names[2] == set()


def test_fuse_survives_being_written_out() -> None:
    spec = load(lab({"a": FUSED, "b": PLAIN}, ["[a, b]"]), "chains.yml")
    assert load(dump(spec), "") == spec
    assert spec.services["a"] == Service("a", "forward", fuse=True)


REFUSED = [
    ("{nf: forward, fuse: true, replicas: 2}", "b",
     "chains.yml:3: services.b.replicas: is 2, but 'a', with which it is fused, has 1: "
     "give both the same number"),
    (FUSED, "a-name-of-twenty-three-",
     "services.a-name-of-twenty-three-"),
    ("{nf: forward, fuse: 3}", "b", "services.b.fuse: must be true or false"),
]  # fmt: skip


@pytest.mark.parametrize(("service", "name", "sentence"), REFUSED)
def test_what_cannot_be_fused(service: str, name: str, sentence: str) -> None:
    with pytest.raises(SpecError) as refused:
        load(lab({"a": FUSED, name: service}, [f"[a, {name}]"]), "chains.yml")
    assert sentence in str(refused.value)


def test_a_process_has_room_for_sixteen() -> None:
    names = [f"s{n}" for n in range(17)]
    paths = [f"[{', '.join(names[:9])}]", f"[{', '.join(names[8:])}]"]
    with pytest.raises(SpecError, match="17 services would share a process: at most 16 can"):
        load(lab(dict.fromkeys(names, FUSED), paths), "chains.yml")
