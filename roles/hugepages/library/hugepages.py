#!/usr/bin/python
# SPDX-License-Identifier: BSD-3-Clause
"""Ansible module: reserves 2 MB pages beside those that others use, and gives them back."""

import json
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: hugepages
short_description: Reserve 2 MB pages, and give them back
description:
  - Raises the kernel's count of 2 MB pages until I(pages) are there beside those that were in use
    when it first ran. Never lowers the count while O(state=present).
  - Writes what it added into a record, so that a later run changes nothing and O(state=absent)
    gives back exactly that.
  - Adds nothing unless the kernel can supply all of it.
options:
  pages: {type: int, default: 0, description: Pages of 2 MB that the testbed needs.}
  state:
    {type: str, choices: [present, absent], default: present, description: Reserve or give back.}
  record: {type: path, required: true, description: File that remembers what was added.}
attributes:
  check_mode: {support: full}
  diff_mode: {support: full}
author: The onvm authors
"""

POOL = Path("/sys/kernel/mm/hugepages/hugepages-2048kB")
COMPACT = Path("/proc/sys/vm/compact_memory")


class Shortage(Exception):
    """The kernel supplied fewer pages than were asked for."""


class Pool:
    """The kernel's pool of 2 MB pages."""

    def __init__(self, folder=POOL, compact=COMPACT):
        self.folder = folder
        self.compact = compact

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
        return self.total - self.read("free_hugepages") + self.read("resv_hugepages")

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
            raise Shortage(f"Only {reached} of {pages} pages of 2 MB could be reserved")


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


def reserve(pool, pages, path, check):
    """Bring the pool to its size; returns (size before, size after, changed, the record)."""
    record, total = read_record(path), pool.total
    wanted = plan(total, pool.used, pages, record)
    after = max(total, base(total, record) + wanted["added"])
    if not check and after > total:
        pool.grow(after)
    if not check and wanted != record:
        write_record(path, wanted)
    return total, after, after > total or wanted != record, wanted


def give_back(pool, path, check):
    """Take away what was added; returns as reserve does."""
    record, total = read_record(path), pool.total
    if record is None:
        return total, total, False, None
    after = base(total, record)
    if not check and after != total:
        pool.resize(after)
    if not check:
        path.unlink()
    return total, after, True, None


def run(parameters, pool, check):
    """Do what the parameters ask for; returns as reserve does."""
    path = Path(parameters["record"])
    if parameters["state"] == "absent":
        return give_back(pool, path, check)
    return reserve(pool, parameters["pages"], path, check)


def main():
    """Run as an Ansible module."""
    module = AnsibleModule(
        argument_spec={
            "pages": {"type": "int", "default": 0},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "record": {"type": "path", "required": True},
        },
        supports_check_mode=True,
    )
    try:
        before, after, changed, record = run(module.params, Pool(), module.check_mode)
    except Shortage as shortage:
        module.fail_json(
            msg=f"{shortage}. Free memory, or boot with hugepages=N, or ask for fewer pages."
        )
    except OSError as error:
        module.fail_json(msg=f"The kernel's pool of 2 MB pages is out of reach: {error}.")
    diff = {"before": f"vm.nr_hugepages = {before}\n", "after": f"vm.nr_hugepages = {after}\n"}
    module.exit_json(changed=changed, before=before, after=after, record=record, diff=diff)


if __name__ == "__main__":
    main()
