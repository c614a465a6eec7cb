"""A provider on loopback that answers as a test tells it, and can hold back the rest of an answer.

A real socket, because how a stream ends when it is left is a matter of the HTTP library and its
connection, which no transport of a test's own shows.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Literal, TypeAlias

Step: TypeAlias = bytes | Literal["hold", "cut"]
"""Bytes to send; ``hold`` waits until the test is over; ``cut`` breaks the connection."""


@dataclass(frozen=True)
class Reply:
    """What the server answers to one request."""

    steps: tuple[Step, ...]
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


def document(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
    """A JSON document."""
    return Reply(
        (json.dumps(body).encode(),), status, {"content-type": "application/json", **(headers or {})}
    )


def events(payloads: Iterable[Any], *last: Step) -> Reply:
    """Server-sent events, and what comes after them: ``[DONE]`` by default."""
    steps = [b"data: " + json.dumps(payload).encode() + b"\n\n" for payload in payloads]
    return Reply((*steps, *(last or (b"data: [DONE]\n\n",))), 200, {"content-type": "text/event-stream"})


class _HttpServer(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that breaks a connection off is what many tests are about."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class Server:
    """As a context, a server that gives each request the next of its replies."""

    def __init__(self, *replies: Reply) -> None:
        self._replies = list(replies)
        self.bodies: list[Any] = []
        """The decoded bodies of the requests so far; forms as their bytes."""
        self.headers: list[dict[str, str]] = []
        """Their headers."""
        self.over = threading.Event()
        self._http = _HttpServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}/v1"

    def __enter__(self) -> Server:
        self._thread.start()
        return self

    def __exit__(
        self, type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.over.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def _handler(server) -> type[BaseHTTPRequestHandler]:  # `self` is the handler's
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers["content-length"] or 0))
                is_form = (self.headers["content-type"] or "").startswith("multipart/")
                server.bodies.append(content if is_form else json.loads(content or b"null"))
                server.headers.append({name.lower(): value for name, value in self.headers.items()})
                reply = server._replies.pop(0)
                try:
                    self._send(reply)
                except OSError:  # the client has gone
                    self.close_connection = True

            do_GET = do_DELETE = do_POST

            def _send(self, reply: Reply) -> None:
                self.send_response(reply.status)
                for name, value in {**reply.headers, "transfer-encoding": "chunked"}.items():
                    self.send_header(name, value)
                self.end_headers()
                for step in reply.steps:
                    if step == "hold":
                        server.over.wait(30)
                    elif step == "cut":
                        self.close_connection = True
                        return
                    elif step:  # an empty chunk would be the last one
                        self.wfile.write(b"%x\r\n%b\r\n" % (len(step), step))
                        self.wfile.flush()
                self.wfile.write(b"0\r\n\r\n")

            def log_message(self, format: str, *args: Any) -> None:
                """Stay quiet."""

        return Handler
