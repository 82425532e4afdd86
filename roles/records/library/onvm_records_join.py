#!/usr/bin/python
# SPDX-License-Identifier: BSD-3-Clause
"""Ansible module: makes one archive of the nodes' archives."""

import tarfile
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: onvm_records_join
short_description: Make one archive of several
options:
  folder: {type: path, required: true, description: Folder of C(.tar.gz) files.}
  archive: {type: path, required: true, description: The C(.tar.gz) to write.}
attributes:
  check_mode: {support: none}
  diff_mode: {support: none}
author: The onvm authors
"""

EXAMPLES = r"""
- name: Join them
  onvm_records_join:
    folder: /tmp/parts
    archive: /tmp/all.tar.gz
"""

RETURN = r"""
parts: {type: int, returned: always, description: How many were joined.}
"""


def join(folder, archive):
    """Write everything that is in the archives of a folder into one; return how many they were."""
    parts = sorted(Path(folder).glob("*.tar.gz"))
    with tarfile.open(archive, "w:gz") as whole:
        for part in parts:
            with tarfile.open(part) as source:
                for entry in source:
                    whole.addfile(entry, source.extractfile(entry))
    return len(parts)


def main():
    """Run as an Ansible module."""
    module = AnsibleModule(
        argument_spec={
            "folder": {"type": "path", "required": True},
            "archive": {"type": "path", "required": True},
        },
    )
    parts = join(module.params["folder"], module.params["archive"])
    module.exit_json(changed=True, parts=parts)


if __name__ == "__main__":
    main()
