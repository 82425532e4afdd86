# SPDX-License-Identifier: BSD-3-Clause
"""The nodes of an Ansible inventory, and how Ansible would reach them.

Ansible itself reads the inventory, its variables and its configuration, so that whatever
it understands holds here too.  It is imported when it is needed: nodes do not have it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from onvm_runtime.cli.failure import CommandError

REQUIREMENTS = "Use the controller's environment: docs/labs.md says how it is made."
GROUP = "nodes"  # the hosts of our playbooks
SOCKET_VARIABLE = "onvm_chains_socket"  # the role chains says where a manager listens
_PLUGIN = "ssh"
_SSH = ("ssh", "smart", "ansible.builtin.ssh", "paramiko_ssh", "ansible.builtin.paramiko_ssh")
_LOCAL = ("local", "ansible.builtin.local")


@dataclass(frozen=True)
class SshOptions:
    """How Ansible was told to reach a host; what is None is left to OpenSSH's configuration."""

    host: str
    port: int | None = None
    user: str | None = None
    key: str | None = None
    passphrase: str | None = None
    password: str | None = None
    check_host_key: bool = True
    arguments: str = ""


@dataclass(frozen=True)
class LabNode:
    """A node of the lab.

    socket  of its manager, None: where every manager listens
    ssh     how to reach it, None: it is this host
    """

    name: str
    socket: str | None
    ssh: SshOptions | None


def read(inventory: str, limit: str | None) -> list[LabNode]:
    """The nodes of an inventory, in its order; `limit` is a pattern of Ansible's.

    Raises CommandError where Ansible is missing or there are no such nodes.
    """
    try:
        from ansible.errors import AnsibleError
    except ImportError:
        raise CommandError(
            "an inventory is read by Ansible, which is not installed beside onvm",
            remedy=REQUIREMENTS,
        ) from None
    if "," not in inventory and not Path(inventory).exists():
        raise CommandError(
            f"there is no inventory {inventory}", remedy="Name the one that Ansible is given by -i."
        )
    try:
        nodes = [_node(name, reader) for name, reader in _hosts(inventory, limit)]
    except AnsibleError as error:
        raise CommandError(f"{inventory} cannot be used: {error}") from error
    if not nodes:
        pattern = f" that {limit} matches" if limit else ""
        raise CommandError(f"{inventory} has no host in group {GROUP}{pattern}")
    return nodes


def _hosts(inventory: str, limit: str | None) -> Iterator[tuple[str, _Variables]]:
    """Names of hosts, and their variables."""
    from ansible.inventory.manager import InventoryManager
    from ansible.parsing.dataloader import DataLoader
    from ansible.vars.manager import VariableManager

    _start_ansible()
    loader = DataLoader()
    manager = InventoryManager(loader=loader, sources=[inventory])
    manager.subset(limit)
    variables = VariableManager(loader=loader, inventory=manager)
    for host in manager.get_hosts(GROUP):
        yield host.name, _Variables(loader, variables.get_vars(host=host))


@cache
def _start_ansible() -> None:
    """Has it look for its plugins, which it does once."""
    from ansible.plugins.loader import init_plugin_loader

    init_plugin_loader()


class _Variables:
    """A host's variables with their templates worked out, those that are asked for."""

    def __init__(self, loader: Any, raw: Mapping[str, Any]) -> None:
        from ansible.template import Templar

        self._raw = raw
        self._templar = Templar(loader=loader, variables=raw)

    def get(self, name: str, default: Any = None) -> Any:
        """The value of a variable."""
        return self._templar.template(self._raw[name]) if name in self._raw else default

    def ssh_options(self) -> Mapping[str, Any]:
        """The options of Ansible's plugin for SSH: of variables, environment and ansible.cfg."""
        from ansible import constants
        from ansible.playbook.play_context import PlayContext
        from ansible.plugins.loader import connection_loader

        plugin = connection_loader.get(_PLUGIN, PlayContext())
        known = constants.config.get_plugin_vars("connection", _PLUGIN)
        plugin.set_options(
            var_options={name: self.get(name) for name in known if name in self._raw}
        )
        options: Mapping[str, Any] = plugin.get_options()
        return options


def _node(name: str, variables: _Variables) -> LabNode:
    from ansible import constants

    connection = variables.get("ansible_connection", constants.DEFAULT_TRANSPORT)
    socket = variables.get(SOCKET_VARIABLE)
    if connection in _LOCAL:
        return LabNode(name, socket, None)
    if connection not in _SSH:
        raise CommandError(
            f"{name} has ansible_connection: {connection}, by which no socket can be reached",
            remedy="onvm reaches nodes by ssh, or as this host itself by local; leave others out "
            "by --limit.",
        )
    return LabNode(name, socket, _ssh(variables.ssh_options()))


def _ssh(options: Mapping[str, Any]) -> SshOptions:
    """What of the plugin's options matters to a connection that is not OpenSSH's own."""
    arguments = [
        options.get(name) or "" for name in ("ssh_args", "ssh_common_args", "ssh_extra_args")
    ]
    return SshOptions(
        host=options["host"],
        port=options["port"],
        user=options["remote_user"],
        key=options["private_key_file"],
        passphrase=options["private_key_passphrase"],
        password=options["password"],
        check_host_key=options["host_key_checking"],
        arguments=" ".join(arguments),
    )
