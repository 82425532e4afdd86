#!/usr/bin/python
# SPDX-License-Identifier: BSD-3-Clause
"""Ansible module: reserves huge pages beside those that others use, and gives them back."""

import json
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: hugepages
short_description: Reserve huge pages, and give them back
description:
  - Raises a pool of the kernel until I(pages) are there beside those that were in use when it first
    ran. Never lowers it while O(state=present).
  - Writes what it added into a record, so that a later run changes nothing and O(state=absent)
    gives back exactly that.
  - Adds nothing unless the kernel can supply all of it.
options:
  pages: {type: int, default: 0, description: Pages that the testbed needs.}
  size: {type: str, choices: [2M, 1G], default: 2M, description: Size of a page.}
  node: {type: int, description: NUMA node. Without it the kernel spreads them over all nodes.}
  at_boot:
    type: bool
    default: false
    description:
      - What to do when memory has no room for them now. Yes means to record them as added and
        return C(pending), for the caller to have them reserved at the next boot; no means to fail.
  state:
    {type: str, choices: [present, absent], default: present, description: Reserve or give back.}
  record: {type: path, required: true, description: File that remembers what was added.}
attributes:
  check_mode: {support: full}
  diff_mode: {support: full}
author: The onvm authors
"""

RETURN = r"""
pending: {description: Whether they are there only after a boot., returned: success, type: bool}
record: {description: What was in use and what was added., returned: success, type: dict}
"""

SYSFS = Path("/sys")
COMPACT = Path("/proc/sys/vm/compact_memory")
KILOBYTES = {"2M": 2048, "1G": 1048576}


class Shortage(Exception):
    """The kernel supplied fewer pages than were asked for."""


def pool_folder(size, node, sysfs=SYSFS):
    """Return the folder of the kernel's pool of a size, of one NUMA node or of all (None)."""
    above = "kernel/mm" if node is None else f"devices/system/node/node{node}"
    return sysfs / above / "hugepages" / f"hugepages-{KILOBYTES[size]}kB"


class Pool:
    """One of the kernel's pools of huge pages. size: for people."""

    def __init__(self, folder, compact=COMPACT, size="2M"):
        self.folder = folder
        self.compact = compact
        self.size = size

    def read(self, name):
        """Return one of the pool's counts, in pages."""
        return int((self.folder / name).read_text())

    @property
    def total(self):
        """Pages in the pool, in use or not."""
        return self.read("nr_hugepages")

    @property
    def used(self):
        """Pages in use or promised to somebody."""
        promised = (self.folder / "resv_hugepages").exists()  # a node's pool does not say
        reserved = self.read("resv_hugepages") if promised else 0
        return self.total - self.read("free_hugepages") + reserved

    def resize(self, pages):
        """Ask for this many pages in all; the kernel may supply fewer."""
        (self.folder / "nr_hugepages").write_text(str(pages))

    def grow(self, pages):
        """Reserve this many pages in all, or leave the pool as it was.

        Raises Shortage. Free memory may be there in pieces: it is compacted before giving up.
        """
        before = self.total
        self.resize(pages)
        if self.total < pages and self.compact.exists():
            self.compact.write_text("1")
            self.resize(pages)
        if self.total < pages:
            reached = self.total
            self.resize(before)
            raise Shortage(f"Only {reached} of {pages} pages of {self.size}B could be reserved")


def base(total, record):
    """Return the pool's size without what was added; a reboot may have taken that away before."""
    return max(0, total - record["added"]) if record else total


def plan(total, used, pages, record):
    """Return the record to keep: what others used, what was added, the pool with it.

    total, used: the pool now. pages: wanted for the testbed. record: the one of an earlier run, or
    None. What others use was seen in the first run, when nothing of the testbed was running.
    """
    before = base(total, record)
    others = record["others"] if record else used
    kept = record["added"] if record else 0
    added = max(kept, others + pages - before)
    if record and added == kept:
        return record
    return {"others": others, "added": added, "total": before + added}


def read_record(path):
    """Return the record of an earlier run, or None."""
    return json.loads(path.read_text()) if path.exists() else None


def write_record(path, record):
    """Keep the record for the runs to come."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record) + "\n")


def reserve(pool, pages, path, check, at_boot=False):
    """Bring the pool to its size; returns (size before, size after, changed, record, pending)."""
    stored, total = read_record(path), pool.total
    record = arrived(total, stored)
    wanted = plan(total, pool.used, pages, record)
    after = max(total, base(total, record) + wanted["added"])
    pending = not check and after > total and not grown(pool, after, at_boot)
    if pending:
        wanted = {"others": wanted["others"], "added": 0, "total": total, "boot": after - total}
    if not check and wanted != stored:
        write_record(path, wanted)
    changed = wanted != stored or (after > total and not pending)
    return total, total if pending else after, changed, wanted, pending


def arrived(total, record):
    """Return the record with what a boot has added since, if it has."""
    if record and "boot" in record and total >= record["total"] + record["boot"]:
        return {"others": record["others"], "added": record["boot"], "total": total}
    return record


def grown(pool, pages, at_boot):
    """Grow the pool and return whether it worked; raises Shortage unless a boot will do."""
    try:
        pool.grow(pages)
    except Shortage:
        if not at_boot:
            raise
        return False
    return True


def give_back(pool, path, check):
    """Take away what was added; returns as reserve does."""
    total = pool.total
    record = arrived(total, read_record(path))
    if record is None:
        return total, total, False, None, False
    after = base(total, record)
    if not check and after != total:
        pool.resize(after)
    if not check:
        path.unlink()
    return total, after, True, None, False


def run(parameters, pool, check):
    """Do what the parameters ask for; returns as reserve does."""
    path = Path(parameters["record"])
    if parameters["state"] == "absent":
        return give_back(pool, path, check)
    return reserve(pool, parameters["pages"], path, check, parameters["at_boot"])


def main():
    """Run as an Ansible module."""
    module = AnsibleModule(
        argument_spec={
            "pages": {"type": "int", "default": 0},
            "size": {"type": "str", "choices": list(KILOBYTES), "default": "2M"},
            "node": {"type": "int"},
            "at_boot": {"type": "bool", "default": False},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "record": {"type": "path", "required": True},
        },
        supports_check_mode=True,
    )
    size = module.params["size"]
    folder = pool_folder(size, module.params["node"])
    try:
        before, after, changed, record, pending = run(
            module.params, Pool(folder, size=size), module.check_mode
        )
    except Shortage as shortage:
        module.fail_json(
            msg=f"{shortage}. Free memory, or boot with hugepages=N, or ask for fewer pages."
        )
    except OSError as error:
        module.fail_json(msg=f"The kernel's pool {folder} is out of reach: {error}.")
    plain = size == "2M" and module.params["node"] is None
    name = "vm.nr_hugepages" if plain else folder / "nr_hugepages"
    diff = {"before": f"{name} = {before}\n", "after": f"{name} = {after}\n"}
    module.exit_json(
        changed=changed, before=before, after=after, record=record, pending=pending, diff=diff
    )


if __name__ == "__main__":
    main()
