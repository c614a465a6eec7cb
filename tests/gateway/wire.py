"""Senders by hand, for what no client would send: protobuf, HTTP/1.1 and raw sockets."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from greenflash_otel.gateway.limits import ContentLimits, SenderLimits
from greenflash_otel.gateway.receiver import OtlpReceiver, Tenant
from greenflash_otel.gateway.server import Gateway
from tests.conftest import PRODUCT
from tests.gateway.test_gateway import Taker

IDS = {"trace_id": b"\xab" * 16, "span_id": b"\xcd" * 8}


def field(number: int, value: bytes) -> bytes:
    """A field of bytes, a text or a message."""
    size, found = len(value), bytearray([number << 3 | 2])
    while size > 0x7F:
        found.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes([*found, size]) + value


def span(*fields: bytes, number: int = 1) -> bytes:
    """A span with ids, and some fields."""
    return field(1, b"\xab" * 16) + field(2, number.to_bytes(8, "big")) + b"".join(fields)


def attribute(key: bytes, value: bytes) -> bytes:
    """A field of a span: an attribute whose ``AnyValue`` is written already."""
    return field(9, field(1, key) + field(2, value))


def request(*spans: bytes, resource: bytes = b"", scope: bytes = b"") -> bytes:
    """A request with some spans."""
    scopes = field(1, scope) + b"".join(field(2, span) for span in spans)
    return field(1, field(1, resource) + field(2, scopes))


@contextmanager
def gateway(
    taker: Taker | None = None,
    *,
    tokens: tuple[str, ...] = (),
    grpc: bool = False,
    content: Mapping[str, Any] | None = None,
    **limits: Any,
) -> Iterator[Gateway]:
    """A running gateway with limits of its own."""
    receiver = OtlpReceiver(
        [Tenant(PRODUCT, taker or Taker(True))], tokens=tokens, limits=ContentLimits(**(content or {}))
    )
    with Gateway(receiver, port=0, grpc_port=0 if grpc else None, limits=SenderLimits(**limits)) as running:
        yield running


@contextmanager
def connection(port: int) -> Iterator[socket.socket]:
    """A connection that waits ten seconds for anything."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as made:
        yield made


def head(length: int | None = None, *, token: str = "", path: str = "/v1/traces", more: str = "") -> bytes:
    """The head of a request."""
    size = "transfer-encoding: chunked" if length is None else f"content-length: {length}"
    authorization = f"authorization: Bearer {token}\r\n" if token else ""
    headers = f"host: x\r\ncontent-type: application/json\r\n{size}\r\n{authorization}{more}"
    return f"POST {path} HTTP/1.1\r\n{headers}\r\n".encode()


def answer(sender: socket.socket) -> bytes:
    """All that comes until the gateway ends the connection."""
    found = b""
    try:
        while chunk := sender.recv(1 << 16):
            found += chunk
    except ConnectionResetError:
        pass
    return found


def status(sender: socket.socket) -> int:
    """The status of the next answer, which has a length."""
    found = b""
    while b"\r\n\r\n" not in found:
        found += sender.recv(1)
    length = next(line for line in found.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    left = int(length.split(b":")[1])
    while left:
        left -= len(sender.recv(left))
    return int(found.split(b" ", 2)[1])
