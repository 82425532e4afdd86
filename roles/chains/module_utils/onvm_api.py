# SPDX-License-Identifier: BSD-3-Clause
"""The manager's HTTP API, for modules that run with a node's own Python and nothing else."""

import http.client
import json
import socket
import time

SECONDS = 180  # an apply may start containers first, and waits until old chains have drained


class Refused(Exception):
    """The manager said no, or nobody answers; the sentence says why and what to do."""


class _Connection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path, patience):
        super().__init__("manager", timeout=SECONDS)
        self._path = path
        self._give_up = time.monotonic() + patience

    def connect(self):
        """Connect to the socket in place of a host; wait for somebody to listen there."""
        while True:
            self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.sock.settimeout(self.timeout)
            try:
                return self.sock.connect(self._path)
            except (ConnectionRefusedError, FileNotFoundError):
                self.sock.close()
                if time.monotonic() >= self._give_up:
                    raise
            time.sleep(0.2)


class Manager:
    """Requests to the manager of this node; every answer is JSON or nothing."""

    def __init__(self, path, patience=0):
        """patience: seconds to wait for a manager that is being restarted."""
        self._path = path
        self._patience = patience

    def ask(self, method, path, body=None):
        """Send a request; return the answer, or raise Refused."""
        content = self._exchange(method, path, body)
        return json.loads(content) if content else None

    def read(self, path):
        """Return the bytes at a path, or raise Refused."""
        return self._exchange("GET", path, None)

    def _exchange(self, method, path, body):
        connection = _Connection(self._path, self._patience)
        try:
            text = None if body is None else json.dumps(body)
            connection.request(method, path, text, {"Content-Type": "application/json"})
            response = connection.getresponse()
            content = response.read()
        except OSError as error:
            raise Refused(
                f"no manager answers on {self._path} ({error}): is onvm-manager running?"
            ) from error
        finally:
            connection.close()
        if response.status >= 400:
            raise Refused(_sentence(content, response.status))
        return content


def _sentence(content, status):
    """Return what an error says, with the problems of a file one on a line."""
    try:
        said = json.loads(content)
    except ValueError:
        return f"the manager answered HTTP {status}"
    lines = [said.get("error", f"the manager answered HTTP {status}")]
    lines += [f"{one['key']}: {one['message']}" for one in said.get("problems", [])]
    return "\n".join(lines)
