#!/usr/bin/python
# SPDX-License-Identifier: BSD-3-Clause
"""Ansible module: binds NICs to drivers that DPDK uses, and gives them back."""

import json
from dataclasses import asdict
from pathlib import Path

from ansible.module_utils import onvm_nics
from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: dpdk_nic
short_description: Bind NICs to drivers that DPDK uses, and give them back
description:
  - Binds each NIC to C(vfio-pci) where an IOMMU protects memory from it, else to
    C(uio_pci_generic). NICs of the drivers C(mlx4_core) and C(mlx5_core) stay as they are, since
    DPDK shares those with the kernel.
  - Refuses a NIC that carries the default route or the SSH session, also through a bond, bridge or
    VLAN; one that shares its IOMMU group with a device in use; and one that a process holds.
  - Decides everything before it changes anything. When a NIC cannot be bound, all get their former
    drivers back.
  - Writes what the NICs were into a record. A later run knows them by it, a boot binds them again,
    and O(state=absent) gives them back. NICs that are no longer listed are given back, too.
options:
  nics:
    type: list
    elements: str
    default: []
    description: NICs by PCI address, MAC address or interface name.
  driver:
    type: str
    choices: [auto, vfio-pci, uio_pci_generic]
    default: auto
    description: The driver, or V(auto) to choose one for each NIC.
  no_iommu:
    type: bool
    default: false
    description: Use vfio also without an IOMMU. The NIC can then write to all memory.
  state: {type: str, choices: [present, absent], default: present, description: Bind or give back.}
  record: {type: path, required: true, description: File that remembers what the NICs were.}
attributes:
  check_mode: {support: full}
  diff_mode: {support: full}
author: The onvm authors
"""

EXAMPLES = r"""
- name: Give two NICs to the data plane
  dpdk_nic:
    nics: ["0000:03:00.1", "52:54:00:12:34:56"]
    record: /var/lib/onvm/deployment/nic_binding.json
"""

RETURN = r"""
nics:
  description: Each NIC's address, its driver before and after, and why.
  returned: success
  type: list
  elements: dict
"""


def write_record(path, record):
    """Keep the record for the runs and boots to come; an empty one is removed."""
    if not record:
        path.unlink(missing_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record, indent=1) + "\n")


def run(parameters, check):
    """Do what the parameters ask for; returns (steps, changed)."""
    path = Path(parameters["record"])
    before = onvm_nics.read_record(path)
    nics = parameters["nics"] if parameters["state"] == "present" else []
    wish = onvm_nics.Wish(tuple(nics), parameters["driver"], parameters["no_iommu"])
    steps = onvm_nics.plan(wish, before, onvm_nics.protected(), onvm_nics.available())
    after = onvm_nics.remember(steps, before, wish.no_iommu)
    if not check:
        onvm_nics.Binder().apply(steps, wish.no_iommu)
        if after != before:
            write_record(path, after)
    return steps, after != before or any(step.before != step.after for step in steps)


def drivers(steps, which):
    """Return one line a NIC: its driver before or after."""
    return "".join(f"{s.address} {getattr(s, which) or 'no driver'}\n" for s in steps)


def main():
    """Run as an Ansible module."""
    module = AnsibleModule(
        argument_spec={
            "nics": {"type": "list", "elements": "str", "default": []},
            "driver": {"type": "str", "choices": ["auto", *onvm_nics.DRIVERS], "default": "auto"},
            "no_iommu": {"type": "bool", "default": False},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "record": {"type": "path", "required": True},
        },
        supports_check_mode=True,
    )
    try:
        steps, changed = run(module.params, module.check_mode)
    except onvm_nics.Refusal as refusal:
        module.fail_json(msg=str(refusal), reasons=list(refusal.reasons))
    diff = {"before": drivers(steps, "before"), "after": drivers(steps, "after")}
    module.exit_json(changed=changed, nics=[asdict(step) for step in steps], diff=diff)


if __name__ == "__main__":
    main()
