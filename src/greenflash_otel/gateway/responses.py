"""What is answered, over HTTP and over gRPC. Pure.

| situation                                    | HTTP                    | gRPC                       |
|----------------------------------------------|-------------------------|----------------------------|
| all that was told is in the outbox           | 200                     | OK                         |
| some of it can never be taken                | 200 `partial_success`   | OK `partial_success`       |
| cannot be decoded                            | 400                     | INVALID_ARGUMENT           |
| no token, or a wrong one                     | 401                     | UNAUTHENTICATED            |
| a product that this token is not good for    | 403                     | PERMISSION_DENIED          |
| larger than the bound, packed or unpacked    | 413                     | RESOURCE_EXHAUSTED         |
| another content type or encoding             | 415                     | UNIMPLEMENTED              |
| the outbox is full or broken, a bug, a stop  | 503 `Retry-After`       | UNAVAILABLE `RetryInfo`    |

Never 500 or 408, which the Collector's exporter drops on. Spans that tell of no GenAI call are taken.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from google.protobuf.message import Message

RETRY_AFTER_S = 5


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a request is not taken."""

    http_status: int
    code: int
    """Of `google.rpc.Status`, and of gRPC."""


MALFORMED = Trouble(400, 3)
UNAUTHENTICATED = Trouble(401, 16)
FORBIDDEN = Trouble(403, 7)
TOO_LARGE = Trouble(413, 8)
UNSUPPORTED = Trouble(415, 3)
UNAVAILABLE = Trouble(503, 14)


@dataclass
class RefusedError(Exception):
    """A request that is not taken."""

    trouble: Trouble
    message: str


def write_response(kind: type[Message], records: str, rejected: int, message: str, *, as_json: bool) -> bytes:
    """The answer to a request that was taken, in its encoding; ``records`` is what the signal calls them."""
    if as_json:
        words = "".join(word.capitalize() for word in records.split("_"))
        partial = {f"rejected{words}": str(rejected), "errorMessage": message}
        return json.dumps({"partialSuccess": partial} if rejected else {}).encode()
    partial_success = {f"rejected_{records}": rejected, "error_message": message}
    return kind(**({"partial_success": partial_success} if rejected else {})).SerializeToString()


def write_status(code: int, message: str, *, as_json: bool) -> bytes:
    """A ``google.rpc.Status``, the body of every other answer."""
    if as_json:
        return json.dumps({"code": code, "message": message}).encode()
    return _number(1, code) + _bytes(2, message.encode())


def write_status_to_retry(code: int, message: str, retry_after_s: int) -> bytes:
    """A ``google.rpc.Status`` with a ``RetryInfo``, by which gRPC senders know when to come back."""
    delay = _bytes(1, _number(1, retry_after_s))
    info = _bytes(1, b"type.googleapis.com/google.rpc.RetryInfo") + _bytes(2, delay)
    return write_status(code, message, as_json=False) + _bytes(3, info)


def _number(field: int, number: int) -> bytes:
    return _varint(field << 3) + _varint(number)


def _bytes(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*found, number])
