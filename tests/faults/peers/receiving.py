"""A server that any of the libraries takes for theirs; notes which items it has said yes to."""

from __future__ import annotations

import gzip
import re
import threading
import zlib
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ITEM = re.compile(rb"item-\d+")
OTLP, JSON = "application/x-protobuf", "application/json"


class Receiver:
    """Runs in its ``with`` block. `mood` says what becomes of a request: a status, or None to answer well."""

    def __init__(self, mood: Callable[[], int | None]) -> None:
        self._mood = mood
        self._lock = threading.Lock()
        self.items: Counter[str] = Counter()
        """How often each item was in a request that was answered well."""
        self._http = _Server(("127.0.0.1", 0), _handler(self), bind_and_activate=False)
        self._http.server_bind()
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)

    def listen(self) -> None:
        """Begin to take connections; until then they are refused."""
        self._http.server_activate()
        self._thread.start()

    def __enter__(self) -> Receiver:
        return self

    def __exit__(self, *_exception: object) -> None:
        if self._thread.is_alive():
            self._http.shutdown()
        self._http.server_close()

    def answer(self, path: str, body: bytes) -> tuple[int, str, bytes]:
        """Status, content type and body of the answer."""
        if (status := self._mood()) is not None:
            return status, JSON, b"{}"
        with self._lock:
            self.items.update({item.decode() for item in ITEM.findall(body)})
        if path.endswith("/v1/traces"):
            return 200, OTLP, b""
        if path.endswith("/messages"):
            return 201, JSON, b'{"success":true,"conversationId":"c","messages":[]}'
        return 200, JSON, b'{"status":1}'


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that hang up are part of it."""


def _handler(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            encoding = self.headers.get("content-encoding")
            if encoding is not None:
                body = gzip.decompress(body) if encoding == "gzip" else zlib.decompress(body)
            status, kind, answer = receiver.answer(self.path.partition("?")[0].rstrip("/"), body)
            self.send_response(status)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:
            """Be quiet."""

    return Handler
