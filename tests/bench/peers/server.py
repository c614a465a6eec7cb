"""A server for all: OpenAI's API with answers that are always the same, and a sink for what peers send.

``python -m tests.bench.peers.server`` prints its port. A bare socket, so that it costs as little as possible,
and a process of its own, so that it counts for nobody.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]

CHUNKS = 200
WORDS = "The shoes you ordered last week were sent on Monday and will be with you tomorrow."


@contextmanager
def serving() -> Iterator[str]:
    """Run the server in another process within the block, which gets its address."""
    command = [sys.executable, "-m", "tests.bench.peers.server"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(running.stdout.readline())}"
        finally:
            running.terminate()


def main() -> None:
    """Serve until the process is ended."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=256)
    print(listening.getsockname()[1], flush=True)
    while True:
        connection, _ = listening.accept()
        threading.Thread(target=_serve, args=(connection,), daemon=True).start()


def _serve(connection: socket.socket) -> None:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with connection, connection.makefile("rb") as received:
        while line := received.readline():
            length, path = 0, line.split(b" ")[1]
            while (header := received.readline()).strip():
                if header.lower().startswith(b"content-length:"):
                    length = int(header.split(b":")[1])
                elif header.lower().startswith(b"transfer-encoding:"):
                    length = -1
            body = received.read(length) if length >= 0 else _read_chunked(received)
            connection.sendall(_answer(path, body))


def _read_chunked(received: Any) -> bytes:
    body = b""
    while size := int(received.readline(), 16):
        body += received.read(size)
        received.readline()
    received.readline()
    return body


def _answer(path: bytes, body: bytes) -> bytes:
    if path.endswith(b"/chat/completions"):
        return STREAMED if b'"stream":true' in body.replace(b" ", b"")[-400:] + body[:400] else COMPLETION
    if path.endswith(b"/responses"):
        return RESPONSE
    if path.endswith(b"/info"):
        return INFO
    return ACCEPTED if b"/api/v1/" in path else EMPTY


def _write(status: str, content_type: str, body: bytes) -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def _write_json(body: Any, status: str = "200 OK") -> bytes:
    return _write(status, "application/json", json.dumps(body).encode())


USAGE = {"prompt_tokens": 30, "completion_tokens": 20, "total_tokens": 50}
MESSAGE = {"role": "assistant", "content": WORDS}
COMMON = {"id": "chatcmpl-1", "created": 1, "model": "gpt-4o-mini"}
COMPLETION = _write_json(
    {
        **COMMON,
        "object": "chat.completion",
        "choices": [{"index": 0, "message": MESSAGE, "finish_reason": "stop"}],
        "usage": USAGE,
    }
)


def _chunk(delta: dict[str, str], reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    return (
        b"data: "
        + json.dumps({**COMMON, "object": "chat.completion.chunk", "choices": [choice]}).encode()
        + b"\n\n"
    )


STREAMED = _write(
    "200 OK",
    "text/event-stream",
    _chunk({"role": "assistant", "content": ""})
    + b"".join(_chunk({"content": f"word{n} "}) for n in range(CHUNKS - 2))
    + _chunk({}, "stop")
    + b"data: [DONE]\n\n",
)
RESPONSE = _write_json(
    {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "status": "completed",
        "model": "gpt-4o-mini",
        "output": [
            {
                "type": "message",
                "id": "msg_1",
                "status": "completed",
                "role": "assistant",
                "content": [{"type": "output_text", "text": WORDS, "annotations": []}],
            }
        ],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": {
            "input_tokens": 30,
            "output_tokens": 20,
            "total_tokens": 50,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens_details": {"reasoning_tokens": 0},
        },
    }
)
ACCEPTED = _write_json({"success": True, "messages": []}, "201 Created")
EMPTY = _write_json({})
INFO = _write_json(
    {
        "version": "0.14.0",
        "instance_flags": {"zstd_compression_enabled": True},
        "batch_ingest_config": {
            "use_multipart_endpoint": True,
            "size_limit": 100,
            "size_limit_bytes": 20_971_520,
            "scale_up_nthreads_limit": 16,
            "scale_up_qsize_trigger": 1_000,
            "scale_down_nempty_trigger": 4,
        },
    }
)
"""What LangSmith's client asks its server for."""

if __name__ == "__main__":
    main()
