#!/usr/bin/python
# SPDX-License-Identifier: BSD-3-Clause
"""Ansible module: takes the lease on the chains of a node, or gives it back."""

import time
from urllib.parse import quote

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.onvm_api import Manager, Refused

DOCUMENTATION = r"""
module: onvm_lease
short_description: Have the chains of a node to oneself for a while
description:
  - While somebody has the lease, nobody else can change the chains of the node. It ends by itself
    after I(seconds), so that a rollout which was cut off blocks nobody for long.
options:
  holder: {type: str, required: true, description: Who takes it; others are told this name.}
  state:
    {type: str, choices: [present, absent], default: present, description: Take it or give it back.}
  seconds: {type: float, default: 60, description: How long it lasts, and again after every change.}
  wait:
    type: float
    default: 0
    description: Seconds to wait for another holder to be done.
  socket: {type: path, default: /run/onvm/manager.sock, description: The manager's socket.}
attributes:
  check_mode: {support: full, details: Nothing is taken.}
  diff_mode: {support: none}
author: The onvm authors
"""

EXAMPLES = r"""
- name: Have the chains to ourselves
  onvm_lease:
    holder: rollout by ann
"""


RETURN = r"""
text:
  type: str
  returned: when it was taken
  description: Text of the chains file in force, which nobody else changes from now on.
"""


def main():
    """Run as an Ansible module."""
    module = AnsibleModule(
        argument_spec={
            "holder": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "seconds": {"type": "float", "default": 60.0},
            "wait": {"type": "float", "default": 0.0},
            "socket": {"type": "path", "default": "/run/onvm/manager.sock"},
        },
        supports_check_mode=True,
    )
    if module.check_mode:
        module.exit_json(changed=False)
    try:
        result = use(module.params, Manager(module.params["socket"]))
    except Refused as refusal:
        module.fail_json(msg=str(refusal))
    module.exit_json(changed=False, **result)  # of what the inventory says, nothing


def use(parameters, manager, clock=time.monotonic, sleep=time.sleep):
    """Take the lease, waiting for it where that is asked for, or give it back.

    Returns what the module returns.
    """
    holder = parameters["holder"]
    if parameters["state"] == "absent":
        manager.ask("DELETE", "/v1/lease/" + quote(holder, safe=""))
        return {}
    give_up = clock() + parameters["wait"]
    while True:
        try:
            manager.ask("PUT", "/v1/lease", {"holder": holder, "seconds": parameters["seconds"]})
            return {"text": manager.ask("GET", "/v1/spec")["text"]}
        except Refused:
            if clock() >= give_up:
                raise
        sleep(1)


if __name__ == "__main__":
    main()
