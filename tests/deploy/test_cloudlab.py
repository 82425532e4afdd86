# SPDX-License-Identifier: BSD-3-Clause
"""CloudLab: what the profile asks for, and what becomes of the answer.

No machine here is on CloudLab. The profile runs with geni-lib's own RSpec classes; the portal's
module, which only the portal has, is a stand-in. Manifests are made from requests by what
CloudLab adds to them.
"""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
import types
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest

from onvm_runtime.chains.document import write
from onvm_runtime.lab import compile_lab, load

ROOT = Path(__file__).resolve().parents[2]
RSPEC = "{http://www.geni.net/resources/rspec/3}"
NS = {"r": RSPEC.strip("{}")}


class Refused(Exception):
    """The portal would show these errors."""


class Context:
    """The part of geni.portal.Context that the profile uses."""

    answers: ClassVar[dict[str, Any]] = {}
    printed: ClassVar[list[str]] = []

    def __init__(self) -> None:
        self._parameters: dict[str, Any] = {}
        self._errors: list[str] = []

    def defineParameter(self, name, _label, _kind, default, legal=None):
        value = self.answers.get(name, default)
        choices = [one[0] if isinstance(one, tuple) else one for one in legal or [value]]
        assert default in choices or legal is None
        self._parameters[name] = value

    def bindParameters(self):
        return types.SimpleNamespace(**self._parameters)

    def reportError(self, error):
        self._errors.append(str(error))

    def verifyParameters(self):
        if self._errors:
            raise Refused("\n".join(self._errors))

    def makeRequestRSpec(self):
        import geni.rspec.pg

        return geni.rspec.pg.Request()

    def printRequestRSpec(self, request):
        self.printed.append(request.toXMLString(ucode=True))


def portal() -> types.ModuleType:
    module = types.ModuleType("geni.portal")
    module.ParameterType = types.SimpleNamespace(
        INTEGER="integer", STRING="string", NODETYPE="nodetype", IMAGE="image"
    )
    module.ParameterError = lambda sentence, names: f"{','.join(names)}: {sentence}"
    module.Context = Context
    return module


@pytest.fixture
def request_of(monkeypatch: pytest.MonkeyPatch) -> Callable[..., ET.Element]:
    """Runs the profile as the portal does; returns the request."""

    def run(**answers: Any) -> ET.Element:
        import geni

        stand_in = portal()
        monkeypatch.setitem(sys.modules, "geni.portal", stand_in)
        monkeypatch.setattr(geni, "portal", stand_in, raising=False)
        Context.answers = {"repository": "https://lab.example/onvm.git", **answers}
        Context.printed = []
        runpy.run_path(str(ROOT / "cloudlab/profile.py"), run_name="__main__")
        return ET.fromstring(Context.printed[0])

    return run


# (nodes, topology, links)
SHAPES = [(1, "line", 0), (3, "line", 2), (5, "star", 4), (4, "mesh", 6)]


@pytest.mark.parametrize(("nodes", "topology", "links"), SHAPES)
def test_a_request_has_its_nodes_and_links(request_of, nodes, topology, links):
    request = request_of(nodes=nodes, topology=topology)
    assert len(request.findall("r:node", NS)) == nodes
    found = request.findall("r:link", NS)
    assert len(found) == links
    interfaces = {i.get("client_id") for i in request.findall("r:node/r:interface", NS)}
    for link in found:
        ends = [end.get("client_id") for end in link.findall("r:interface_ref", NS)]
        assert len(ends) == 2
        assert set(ends) <= interfaces
    addresses = [ip.get("address") for ip in request.findall(".//r:ip", NS)]
    assert len(set(addresses)) == len(addresses) == 2 * links
    assert all(address.startswith("198.18.") for address in addresses)


def test_every_node_is_of_the_type_and_deploys_itself(request_of):
    request = request_of(hardware="c6525-100g", topology="line", branch="v1")
    for number, node in enumerate(request.findall("r:node", NS)):
        assert node.find("r:hardware_type", NS).get("name") == "c6525-100g"
        command = node.find("r:services/r:execute", NS).get("command")
        assert "--branch v1 https://lab.example/onvm.git" in command
        assert ("boot.sh controller" in command) == (number == 0)


def test_a_speed_is_asked_for_in_kilobits(request_of):
    request = request_of(speed=10)
    capacities = {p.get("capacity") for p in request.findall("r:link/r:property", NS)}
    assert capacities == {"10000000"}


@pytest.mark.parametrize(
    ("answers", "sentence"),
    [
        ({"nodes": 0}, "nodes: Between 1 and 16"),
        ({"nodes": 6, "topology": "mesh"}, "topology: One node would need 5 links"),
        ({"speed": 100}, "speed: The NICs of d6515 have 25"),
        ({"hardware": "pc3000"}, "hardware: Nothing is known"),
        ({"repository": ""}, "repository: The nodes fetch"),
    ],
)
def test_what_cannot_be_is_refused_with_its_parameter(request_of, answers, sentence):
    with pytest.raises(Refused, match=sentence.replace("(", r"\(")):
        request_of(**answers)


def granted(request: ET.Element) -> str:
    """A manifest for a request: what CloudLab adds, as far as the plugin reads it."""
    request.set("type", "manifest")
    for number, node in enumerate(request.findall("r:node", NS)):
        services = node.find("r:services", NS)
        host = f"amd{number:03}.utah.cloudlab.example"
        login = {"authentication": "ssh-keys", "hostname": host, "port": "22", "username": "ann"}
        ET.SubElement(services, f"{RSPEC}login", login)
        for place, nic in enumerate(node.findall("r:interface", NS)):
            nic.set("mac_address", f"0200000{number:02x}{place:03x}")
    return ET.tostring(request, encoding="unicode")


@pytest.fixture
def inventory(tmp_path: Path, request_of) -> Path:
    """A copy of inventory/cloudlab with the manifest of three nodes in a line."""
    for source in (ROOT / "inventory/cloudlab").rglob("*.yml"):
        copy = tmp_path / source.relative_to(ROOT / "inventory/cloudlab")
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(source.read_text())
    (tmp_path / "manifest.xml").write_text(granted(request_of()))
    return tmp_path


def ansible_inventory(inventory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [Path(sys.executable).parent / "ansible-inventory", "-i", inventory, *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def host_variables(inventory: Path) -> Any:
    listed = ansible_inventory(inventory, "--list").stdout
    return json.loads(listed, object_hook=trusted)["_meta"]["hostvars"]


def trusted(value: dict[str, Any]) -> Any:
    """Text from outside is marked in Ansible's JSON."""
    return value.get("__ansible_unsafe", value)


def test_a_manifest_becomes_an_inventory(inventory):
    graph = ansible_inventory(inventory, "--graph")
    assert graph.returncode == 0, graph.stderr
    for word in ("@nodes:", "@hardware_d6515:", "node0", "node1", "node2"):
        assert word in graph.stdout
    hosts = host_variables(inventory)
    assert hosts["node1"]["ansible_host"] == "amd001.utah.cloudlab.example"
    assert hosts["node1"]["ansible_user"] == "ann"
    names = [nic["name"] for nic in hosts["node1"]["onvm_cloudlab_interfaces"]]
    assert names == ["node1:if0", "node1:if1"]
    assert hosts["node1"]["onvm_cloudlab_interfaces"][1]["mac"] == "02:00:00:00:10:01"
    assert hosts["node0"]["onvm_cloudlab_links"]["link1"] == {
        "ends": [{"node": "node1", "port": "if1"}, {"node": "node2", "port": "if1"}]
    }


def test_its_links_carry_chains_over_all_nodes(inventory):
    hosts = host_variables(inventory)
    nodes = {
        name: [nic["name"].rpartition(":")[2] for nic in host["onvm_cloudlab_interfaces"]]
        for name, host in hosts.items()
    }
    lab = {
        "links": hosts["node0"]["onvm_cloudlab_links"],
        "services": {"mid": {"nf": "forward", "on": "node1"}},
        "chains": [
            {
                "name": "all",
                "ingress": {"node": "node0", "port": "if0"},
                "path": ["mid"],
                "egress": {"node": "node2", "port": "if1"},
            }
        ],
    }
    (chain,) = compile_lab(load(write(lab), "inventory", nodes, {}))["node1"]["chains"]
    assert chain["path"] == ["mid"]
    assert chain["match"][0]["link"] == "link0"
    assert chain["egress"]["link"] == "link1"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("no XML", "it is not XML"),
        ("<rspec/>", "no RSpec of type manifest"),
        (f'<rspec xmlns="{NS["r"]}" type="manifest"/>', "it names no nodes"),
    ],
)
def test_what_is_no_manifest_is_refused_with_a_sentence(inventory, text, why):
    (inventory / "manifest.xml").write_text(text)
    done = ansible_inventory(inventory, "--graph")
    assert why in done.stderr
