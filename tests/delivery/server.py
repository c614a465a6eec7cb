"""A small real HTTP server on loopback whose answers a test writes down."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Reply:
    """What the server answers; with ``wait_for``, not before that is set; ``cut`` instead of an answer."""

    status: int = 201
    body: bytes = b'{"success":true}'
    headers: Mapping[str, str] = field(default_factory=dict)
    wait_for: threading.Event | None = None
    cut: bool = False
    missing_bytes: int = 0
    """Promised in Content-Length and never sent."""


@dataclass(frozen=True)
class Received:
    """A request as it arrived."""

    path: str
    headers: Mapping[str, str]
    body: bytes


class Server:
    """Gives the replies in turn, the default one after them."""

    def __init__(self) -> None:
        self.replies: list[Reply] = []
        self.default = Reply()
        self.received: list[Received] = []
        self.arrived = threading.Event()
        self._http = _HTTPServer(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}/api/v1"

    def next_reply(self) -> Reply:
        """The reply whose turn it is."""
        return self.replies.pop(0) if self.replies else self.default

    @contextmanager
    def running(self) -> Iterator[Server]:
        """Serve until the block is left."""
        thread = threading.Thread(target=self._http.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield self
        finally:
            self._http.shutdown()
            thread.join()
            self._http.server_close()


class _HTTPServer(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that hang up are part of the tests."""


def _handler(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            server.received.append(Received(self.path, headers, body))
            server.arrived.set()
            reply = server.next_reply()
            if reply.wait_for is not None:
                reply.wait_for.wait()
            if reply.cut:
                self.close_connection = True
                return
            self.send_response_only(reply.status)  # without a Date of its own
            for name, value in reply.headers.items():
                self.send_header(name, value)
            if reply.status != 204:
                self.send_header("content-length", str(len(reply.body) + reply.missing_bytes))
            self.end_headers()
            self.wfile.write(reply.body if reply.status != 204 else b"")
            self.close_connection = self.close_connection or bool(reply.missing_bytes)

        def log_message(self, format: str, *args: object) -> None:
            """Be quiet."""

    return Handler
