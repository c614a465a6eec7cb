"""Serve recorded answers of OpenAI, as an OpenAI-compatible server on this machine.

A request gets the recorded answer to its last message; the recordings are in ``recordings.json``. The server
listens on loopback only.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from types import TracebackType
from typing import Any

LONGEST_REQUEST_BYTES = 1_000_000


class Replay:
    """The server, as a context: it runs while the context lasts."""

    def __init__(self, answers: Sequence[Mapping[str, Any]] | None = None) -> None:
        """Answer with the demo's recordings, or with ``answers`` of the same form."""
        handler = type("Handler", (_Handler,), {"answers": read_recordings() if answers is None else answers})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, name="replay", daemon=True)

    @property
    def base_url(self) -> str:
        """What an OpenAI client takes as ``base_url``."""
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    def __enter__(self) -> Replay:
        self._thread.start()
        return self

    def __exit__(
        self, type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    answers: Sequence[Mapping[str, Any]] = ()

    def do_POST(self) -> None:
        """Answer as recorded; 404 to a question without a recorded answer."""
        length = int(self.headers.get("Content-Length") or 0)
        if length > LONGEST_REQUEST_BYTES:
            return self._send(413, "application/json", b'{"error": {"message": "too long"}}')
        question = _find_last_message(json.loads(self.rfile.read(length)))
        for answer in self.answers:
            if answer["to"] == question and answer["path"] == self.path:
                body = answer["body"]
                text = body if isinstance(body, str) else json.dumps(body)
                return self._send(answer["status"], answer["content_type"], text.encode())
        error = {"error": {"message": f"no recorded answer to {question!r} at {self.path}"}}
        return self._send(404, "application/json", json.dumps(error).encode())

    def log_message(self, format: str, *args: Any) -> None:
        """Stay quiet."""

    def _send(self, status: int, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _find_last_message(body: Any) -> object:  # Any: whatever JSON a client sends
    messages = body.get("messages") or body.get("input")
    return messages[-1].get("content") if isinstance(messages, list) else messages


def read_recordings() -> list[dict[str, Any]]:
    """Read the demo's recordings."""
    text = (files("greenflash_otel.demo") / "recordings.json").read_text(encoding="utf-8")
    answers: list[dict[str, Any]] = json.loads(text)["answers"]
    return answers
