# SPDX-License-Identifier: BSD-3-Clause
"""A unix socket of another host, through SSH.

`ssh -G` says what OpenSSH, and so Ansible, would do: which address, keys, known hosts and jump
hosts.  The connection itself is paramiko's, with a channel of the kind
direct-streamlocal@openssh.com (OpenSSH's PROTOCOL, section 2.4): nothing listens on either side.
"""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import paramiko

from onvm_runtime.cli.failure import Unreachable
from onvm_runtime.cli.remote.inventory import SshOptions

CHANNEL = "direct-streamlocal@openssh.com"
_TOKENS = {"%h": "hostname", "%p": "port", "%r": "user"}
_UNCHECKED = ("false", "no", "off")


@dataclass(frozen=True)
class _Settings:
    """What OpenSSH makes of it: values of its configuration by their lower-case names."""

    values: Mapping[str, Sequence[str]]

    def one(self, name: str, default: str = "") -> str:
        return self.values.get(name, (default,))[0]

    def files(self, *names: str) -> list[str]:
        """The files that are there, of those that these settings list."""
        listed = [
            path
            for name in names
            for line in self.values.get(name, ())
            for path in shlex.split(line)
        ]
        return [str(path) for path in map(_expand, listed) if path.is_file()]

    def proxy(self) -> str | None:
        """The command whose standard input and output lead to the host."""
        jump, command = self.one("proxyjump", "none"), self.one("proxycommand", "none")
        if jump != "none":
            nearer, _, last = jump.rpartition(",")
            chain = f"-J {shlex.quote(nearer)} " if nearer else ""
            return f"ssh {chain}-W [{self.one('hostname')}]:{self.one('port')} {shlex.quote(last)}"
        if command == "none":
            return None
        for token, name in _TOKENS.items():
            command = command.replace(token, self.one(name))
        return command


class _Transport(paramiko.Transport):
    """Paramiko's, which also says in a request for a channel which unix socket is meant."""

    socket_path: str | None = None

    def _send_user_message(self, data: Any) -> None:
        if self.socket_path is not None:
            data.add_string(self.socket_path)
            data.add_string("")
            data.add_int(0)
            self.socket_path = None
        super()._send_user_message(data)


class SshHost:
    """A host that is reached by SSH.  One connection carries all streams; the first makes it."""

    def __init__(self, options: SshOptions) -> None:
        self._options = options
        self._client: Any = None

    def open_socket(self, path: str, seconds: float) -> Any:
        """A stream to a unix socket of the host; each step may take `seconds`.

        Raises Unreachable, whose sentence says which step failed.
        """
        try:
            if self._client is None or not self._client.get_transport().is_active():
                self._client = _connected(self._options, seconds)
            return _channel(self._client, path, seconds)
        except paramiko.BadHostKeyException as error:
            raise Unreachable(
                f"SSH to {self._options.host}: its host key is not the one in known_hosts "
                f"({error.key.get_name()})",
                remedy="Somebody may be in between. If the host was installed anew: "
                f"ssh-keygen -R {self._options.host}",
            ) from error
        except (paramiko.SSHException, OSError, EOFError) as error:
            raise Unreachable(f"SSH to {self._options.host}: {_said(error)}") from error

    def close(self) -> None:
        """Ends the connection, if there is one."""
        if self._client is not None:
            self._client.close()


def _said(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error or type(error).__name__)


def _settings(options: SshOptions) -> _Settings:
    command = ["ssh", "-G", *shlex.split(options.arguments)]
    wishes = {
        "Port": options.port,
        "User": options.user,
        "IdentityFile": options.key,
        "StrictHostKeyChecking": None if options.check_host_key else "no",
    }
    for name, value in wishes.items():
        if value is not None:
            command += ["-o", f"{name}={value}"]
    done = subprocess.run(
        [*command, options.host],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    if done.returncode != 0:
        raise Unreachable(f"ssh refuses its settings: {done.stderr.strip()}")
    values: dict[str, list[str]] = {}
    for line in done.stdout.splitlines():
        name, _, value = line.partition(" ")
        values.setdefault(name, []).append(value)
    return _Settings(values)


def _connected(options: SshOptions, seconds: float) -> Any:
    """A client that is connected and logged in; raises what paramiko raises."""
    settings = _settings(options)
    client = paramiko.SSHClient()
    _check_host_key(client, settings)
    proxy = settings.proxy()
    try:
        client.connect(
            settings.one("hostname", options.host),
            port=int(settings.one("port", "22")),
            username=settings.one("user"),
            password=options.password,
            passphrase=options.passphrase,
            key_filename=settings.files("identityfile"),
            look_for_keys=False,
            allow_agent=settings.one("identitiesonly") != "yes",
            sock=paramiko.ProxyCommand(proxy) if proxy else None,
            timeout=seconds,
            banner_timeout=seconds,
            auth_timeout=seconds,
            channel_timeout=seconds,
            transport_factory=_Transport,
        )
    except BaseException:
        client.close()
        raise
    return client


def _check_host_key(client: Any, settings: _Settings) -> None:
    """As StrictHostKeyChecking says; nobody is there to be asked, so `ask` is `yes`."""
    strict = settings.one("stricthostkeychecking")
    if strict in _UNCHECKED:
        client.set_missing_host_key_policy(paramiko.MissingHostKeyPolicy())
        return
    for path in settings.files("userknownhostsfile", "globalknownhostsfile"):
        client.load_system_host_keys(path)
    accept = strict == "accept-new"
    client.set_missing_host_key_policy(
        paramiko.MissingHostKeyPolicy() if accept else paramiko.RejectPolicy()
    )


def _channel(client: Any, path: str, seconds: float) -> Any:
    transport = client.get_transport()
    transport.socket_path = path
    try:
        channel = transport.open_channel(CHANNEL, timeout=seconds)
    except paramiko.ChannelException as error:
        raise Unreachable(
            f"no manager answers on {path} ({error.text})",
            remedy="Is onvm-manager running there, and may the SSH user use its socket "
            "(root and its group may)? sshd must allow AllowStreamLocalForwarding.",
        ) from error
    channel.settimeout(seconds)
    return channel


def _expand(path: str) -> Path:
    return Path(path).expanduser()
