#!/usr/bin/python
# SPDX-License-Identifier: BSD-3-Clause
"""Ansible module: sends probe packets into chains of a node, and says what became of them."""

import time

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.onvm_api import Manager, Refused

DOCUMENTATION = r"""
module: onvm_probe
short_description: See whether chains can be passed
description:
  - Sends probe packets into chains of the node, or waits for those that pass it. They go through
    the NFs and over the links of the lab, and do not leave it.
options:
  state:
    type: str
    required: true
    choices: [linked, sent, seen]
    description:
      - V(linked) waits until O(links) are up, V(sent) sends a few probes along each of O(ways),
        V(seen) waits until each of O(probes) has left the node or ended there.
  links: {type: list, elements: str, default: [], description: Names of links.}
  ways:
    type: list
    elements: dict
    default: []
    description:
      - The versions of chains to enter, each with a C(number) of its own, C(chain) and C(version).
  probes: {type: list, elements: int, default: [], description: Ids of probes.}
  length: {type: int, default: 128, description: Bytes of the frame of a probe that is sent.}
  seconds: {type: float, default: 10, description: How long to wait.}
  socket: {type: path, default: /run/onvm/manager.sock, description: The manager's socket.}
attributes:
  check_mode: {support: full, details: Nothing is sent.}
  diff_mode: {support: none}
author: The onvm authors
"""

EXAMPLES = r"""
- name: Send a probe
  onvm_probe:
    state: sent
    ways:
      - number: 0
        chain: web
        version: {path: [filter], egress: {link: ab, path_id: 7, index: 254}}
"""

RETURN = r"""
ids:
  type: dict
  returned: always
  description: Lists of the ids of the probes that were sent, by the number of their way.
passages:
  type: list
  elements: dict
  returned: always
  description: What is known here of the probes that were asked for.
error: {type: str, returned: always, description: Why it failed; empty when it did not.}
"""

PAUSE = 0.05
PROBES = 3  # along each way: where all are busy, one may be lost as packets are
PATH = "/v1/probes"


def wait_for(look, seconds, clock=time.monotonic, sleep=time.sleep):
    """Return what `look` finds, a pair of a value and whether to wait no longer, at last."""
    give_up = clock() + seconds
    while True:
        value, done = look()
        if done or clock() >= give_up:
            return value
        sleep(PAUSE)


def passages_of(manager, probes):
    """Return what is known of the probes."""
    seen = manager.ask("GET", PATH)["passages"]
    return [passage for passage in seen if passage["id"] in probes]


def linked(manager, parameters):
    """Wait until the links are up."""

    def look():
        up = {link["name"] for link in manager.ask("GET", "/v1/links")["links"] if link["up"]}
        down = [name for name in parameters["links"] if name not in up]
        return down, not down

    down = wait_for(look, parameters["seconds"])
    if down:
        raise Refused(f"no word from the other end of {', '.join(down)}: the link is not up")
    return {}


def sent(manager, parameters):
    """Send a few probes along each way."""
    ways = parameters["ways"]
    return {"ids": {str(way["number"]): send(manager, parameters, way) for way in ways}}


def send(manager, parameters, way):
    """Send probes; again where a node further on says that its link was down still."""
    body = {"chain": way["chain"], "version": way["version"], "length": parameters["length"]}

    def look():
        sent = [manager.ask("POST", PATH, body)["probes"][0]["id"] for _ in range(PROBES)]
        reasons = {passage["reason"] for passage in passages_of(manager, sent)}
        return sent, "link_down" not in reasons

    return wait_for(look, parameters["seconds"])


def seen(manager, parameters):
    """Wait until the probes have passed."""

    def look():
        found = passages_of(manager, parameters["probes"])
        gone = {passage["id"] for passage in found if passage["end"] != "lost"}
        return found, gone.issuperset(parameters["probes"])

    return {"passages": wait_for(look, parameters["seconds"])}


STATES = {"linked": linked, "sent": sent, "seen": seen}


def main():
    """Run as an Ansible module."""
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "required": True, "choices": [*STATES]},
            "links": {"type": "list", "elements": "str", "default": []},
            "ways": {"type": "list", "elements": "dict", "default": []},
            "probes": {"type": "list", "elements": "int", "default": []},
            "length": {"type": "int", "default": 128},
            "seconds": {"type": "float", "default": 10.0},
            "socket": {"type": "path", "default": "/run/onvm/manager.sock"},
        },
        supports_check_mode=True,
    )
    result = {"changed": False, "ids": {}, "passages": [], "error": ""}
    if module.check_mode:
        module.exit_json(**result)
    try:
        result |= STATES[module.params["state"]](Manager(module.params["socket"]), module.params)
    except Refused as refusal:
        result["error"] = str(refusal)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
