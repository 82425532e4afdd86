#!/usr/bin/python
# SPDX-License-Identifier: BSD-3-Clause
"""Ansible module: puts a chains file into force on a node, or reads the one that is."""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.onvm_api import Manager, Refused

DOCUMENTATION = r"""
module: onvm_chain
short_description: Put the service chains of a node into force
description:
  - Asks the manager of the node what a chains file would change, and applies it only when it
    changes something. The rollout is atomic and loses no packet; a file that the manager
    refuses changes nothing.
  - In check mode the difference is returned and nothing else happens.
options:
  text:
    {type: str, description: Text of the chains file; needed with O(state=present).}
  state:
    type: str
    choices: [present, read]
    default: present
    description: Put the file into force, or only return what is in force.
  holder:
    {type: str, description: Who has the lease on the node's chains (module onvm_lease).}
  report:
    type: bool
    default: false
    description:
      - Return RV(error) in place of failing, so that a play can go on on all nodes together.
  patience:
    type: float
    default: 0
    description: Seconds to wait for a manager that is being restarted.
  socket: {type: path, default: /run/onvm/manager.sock, description: The manager's socket.}
attributes:
  check_mode: {support: full}
  diff_mode: {support: full}
author: The onvm authors
"""

EXAMPLES = r"""
- name: Put the chains into force
  onvm_chain:
    text: "{{ lookup('ansible.builtin.file', 'chains.yml') }}"
"""

RETURN = r"""
before: {type: str, returned: always, description: Text that was in force.}
changes: {type: list, elements: dict, returned: always, description: What differs.}
error: {type: str, returned: always, description: Why it failed; empty when it did not.}
"""

SOURCE = "inventory"


def apply(manager, parameters, before, check):
    """Apply a text where it differs from the one in force; return the changes."""
    text = parameters["text"]
    if text == before:
        return []
    changes = manager.ask("POST", "/v1/chains/diff", {"source": SOURCE, "text": text})["changes"]
    if changes and not check:
        body = {"source": SOURCE, "text": text, "holder": parameters["holder"]}
        manager.ask("POST", "/v1/chains/apply", body)
    return changes


def run(parameters, manager, check):
    """Do what the parameters ask for; return what the module returns."""
    result = {"changed": False, "before": "", "changes": [], "error": ""}
    try:
        result["before"] = manager.ask("GET", "/v1/spec")["text"]
        if parameters["state"] == "present":
            result["changes"] = apply(manager, parameters, result["before"], check)
            result["changed"] = bool(result["changes"])
            result["diff"] = {"before": result["before"], "after": parameters["text"]}
    except Refused as refusal:
        result["error"] = str(refusal)
    return result


def main():
    """Run as an Ansible module."""
    module = AnsibleModule(
        argument_spec={
            "text": {"type": "str"},
            "state": {"type": "str", "choices": ["present", "read"], "default": "present"},
            "holder": {"type": "str"},
            "report": {"type": "bool", "default": False},
            "patience": {"type": "float", "default": 0.0},
            "socket": {"type": "path", "default": "/run/onvm/manager.sock"},
        },
        required_if=[("state", "present", ["text"])],
        supports_check_mode=True,
    )
    manager = Manager(module.params["socket"], module.params["patience"])
    result = run(module.params, manager, module.check_mode)
    if result["error"] and not module.params["report"]:
        module.fail_json(msg=result["error"], **result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
