# SPDX-License-Identifier: BSD-3-Clause
"""The manager's HTTP API, over its unix socket."""

from __future__ import annotations

from typing import Any

import httpx

from onvm_runtime.cli.failure import CommandError, SpecInvalid, Unreachable

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 120.0  # an apply may start containers first


class Manager:
    """Requests to the manager; every answer is JSON, every failure a CommandError."""

    def __init__(
        self,
        socket: str,
        transport: httpx.BaseTransport | None = None,
        seconds: float = ANSWER_SECONDS,
    ) -> None:
        """`transport` leads to the socket; None: it is of this host.  `seconds`: for an answer."""
        self._socket = socket
        self._seconds = seconds
        self._http = httpx.Client(
            transport=transport or httpx.HTTPTransport(uds=socket),
            base_url="http://manager",
            timeout=httpx.Timeout(seconds, connect=min(seconds, CONNECT_SECONDS)),
        )

    def get(self, path: str, **query: Any) -> Any:
        """The JSON at a path; parameters that are None are left out."""
        return self._ask("GET", path, params={k: v for k, v in query.items() if v is not None})

    def post(self, path: str, body: Any = None) -> Any:
        """Sends JSON, returns JSON."""
        return self._ask("POST", path, json=body)

    def put(self, path: str, body: Any = None) -> Any:
        """Replaces what is at a path by JSON, returns JSON."""
        return self._ask("PUT", path, json=body)

    def delete(self, path: str) -> Any:
        """Deletes what is at a path."""
        return self._ask("DELETE", path)

    def close(self) -> None:
        """Ends the connection to the manager."""
        self._http.close()

    def _ask(self, method: str, path: str, **arguments: Any) -> Any:
        try:
            response = self._http.request(method, path, **arguments)
        except httpx.TimeoutException:
            raise Unreachable(
                f"the manager on {self._socket} did not answer within {self._seconds:g} s",
                remedy="See what it is doing: its log is in /var/log/onvm.",
            ) from None
        except httpx.TransportError as error:
            raise self._unreachable(error) from None
        if response.is_success:
            return _content(response)
        raise _refusal(response)

    def _unreachable(self, error: Exception) -> Unreachable:
        if "ermission denied" in str(error):
            return Unreachable(
                f"not allowed to use the manager's socket {self._socket}",
                remedy="Run onvm as root, or as a member of the socket's group.",
            )
        return Unreachable(
            f"no manager answers on {self._socket}",
            remedy="Start onvm-manager, or name its socket by --socket or ONVM_MANAGER.",
        )


def _content(response: httpx.Response) -> Any:
    try:
        return response.json()
    except ValueError:
        raise CommandError(
            f"the manager's answer to {response.request.url.path} is not JSON",
            remedy="Is something else listening on that socket? Check --socket.",
        ) from None


def _refusal(response: httpx.Response) -> CommandError:
    try:
        said = response.json()
    except ValueError:
        said = {}
    body = said if isinstance(said, dict) else {}
    error = str(body.get("error") or f"the manager answered HTTP {response.status_code}")
    problems = body.get("problems") or []
    return SpecInvalid(error, problems) if problems else CommandError(error)
