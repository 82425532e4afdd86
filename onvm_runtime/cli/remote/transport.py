# SPDX-License-Identifier: BSD-3-Clause
"""HTTP over a stream that somebody else opens."""

from __future__ import annotations

from collections.abc import Callable
from http.client import HTTPConnection, HTTPException
from typing import Any

import httpx

# Opens a stream; each step may take so many seconds.
Open = Callable[[float], Any]


class StreamTransport(httpx.BaseTransport):
    """Carries each request over a stream of its own, which has the methods of a socket."""

    def __init__(self, open_stream: Open, close: Callable[[], None]) -> None:
        """`close` is called at the end."""
        self._open = open_stream
        self._close = close

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Sends a request, returns the answer; raises httpx.TransportError."""
        seconds = request.extensions["timeout"]
        connection = HTTPConnection(request.url.host)
        try:
            connection.sock = self._open(seconds["connect"])
            connection.sock.settimeout(seconds["read"])
            return _exchange(connection, request)
        except TimeoutError as error:
            raise httpx.ReadTimeout(str(error), request=request) from error
        except (OSError, HTTPException) as error:
            raise httpx.ReadError(str(error), request=request) from error
        finally:
            connection.close()

    def close(self) -> None:
        """Ends what the streams ran over."""
        self._close()


def _exchange(connection: HTTPConnection, request: httpx.Request) -> httpx.Response:
    target = request.url.raw_path.decode("ascii")
    connection.request(request.method, target, request.read(), dict(request.headers))
    answer = connection.getresponse()
    return httpx.Response(answer.status, headers=answer.getheaders(), content=answer.read())
