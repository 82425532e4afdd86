# SPDX-License-Identifier: BSD-3-Clause
"""What all roles have in common, and what two files must say alike."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import tomllib
import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
ROLES = sorted(path.parent.parent for path in ROOT.glob("roles/*/tasks/main.yml"))
CHANGES_NOTHING = {"preflight", "records"}


def read(path: Path) -> dict:
    return yaml.safe_load(path.read_text()) or {}


@pytest.fixture(params=ROLES, ids=lambda role: role.name)
def role(request) -> Path:
    return request.param


def own_prefix(role: Path) -> str:
    return f"onvm_{role.name.removeprefix('onvm_')}_"


def test_a_role_describes_itself(role):
    assert (role / "README.md").read_text().startswith(f"# {role.name}\n")
    assert read(role / "meta/main.yml")["galaxy_info"]["role_name"] == role.name


def test_a_role_can_be_undone(role):
    assert (role / "tasks/teardown.yml").exists() != (role.name in CHANGES_NOTHING)


def test_a_role_keeps_to_its_own_variables(role):
    names = {*read(role / "defaults/main.yml")}
    if (role / "vars/main.yml").exists():
        names |= {*read(role / "vars/main.yml")}
    assert {name for name in names if not name.startswith(own_prefix(role))} == set()


def test_every_default_is_specified_and_says_the_same(role):
    options = read(role / "meta/argument_specs.yml")["argument_specs"]["main"]["options"]
    for name, value in read(role / "defaults/main.yml").items():
        assert name in options, f"{name} is not in meta/argument_specs.yml"
        if "default" in options[name]:
            assert options[name]["default"] == value, name


def test_every_option_has_a_type_and_a_description(role):
    for spec in read(role / "meta/argument_specs.yml")["argument_specs"].values():
        for name, option in spec.get("options", {}).items():
            assert {"type", "description"} <= option.keys(), name


def test_nodes_install_versions_that_the_package_accepts():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pins: dict[str, list[str]] = {}
    for line in (ROOT / "requirements-node.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            pin = Requirement(line)
            pins.setdefault(pin.name.lower(), []).append(str(pin.specifier).removeprefix("=="))
    for dependency in map(Requirement, project["dependencies"]):
        versions = pins.get(dependency.name.lower())
        assert versions, f"{dependency.name} is not pinned"
        assert all(dependency.specifier.contains(version) for version in versions), dependency


def test_meson_and_python_agree_on_the_version():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    meson = re.search(r"version: '([^']+)'", (ROOT / "meson.build").read_text())
    assert meson
    assert meson[1] == project["version"]
