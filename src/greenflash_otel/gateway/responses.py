"""Make the answers to requests, over HTTP and over gRPC. Pure.

| situation                                    | HTTP                    | gRPC                       |
|----------------------------------------------|-------------------------|----------------------------|
| all of it is in the outbox, on disk          | 200                     | OK                         |
| some of it can never be taken                | 200 `partial_success`   | OK `partial_success`       |
| cannot be decoded                            | 400                     | INVALID_ARGUMENT           |
| no token, or a wrong one                     | 401                     | UNAUTHENTICATED            |
| a product that this token is not good for    | 403                     | PERMISSION_DENIED          |
| the head of a request does not arrive        | 408, or 431             | the connection ends        |
| larger than the bound, in bytes or objects   | 413                     | RESOURCE_EXHAUSTED         |
| another content type or encoding             | 415                     | UNIMPLEMENTED              |
| too slow, or more than the sender's share    | 429 `Retry-After`       | UNAVAILABLE `RetryInfo`    |
| the outbox is full, broken or not on disk,   | 503 `Retry-After`       | UNAVAILABLE `RetryInfo`    |
| a bug, a stop                                |                         |                            |

A request that has begun is never answered with 500 or 408, which the Collector's exporter drops on: 429
says to a sender on a slow line that it may try again. Spans that describe no GenAI call are taken.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from google.protobuf.message import Message

rpc_status: Any = import_module("google.rpc.status_pb2")  # have no types
rpc_details: Any = import_module("google.rpc.error_details_pb2")

RETRY_AFTER_S = 5


@dataclass(frozen=True, slots=True)
class OtlpStatus:
    """Why a request is not taken."""

    http_status: int
    code: int
    """Of `google.rpc.Status`, and of gRPC."""
    is_temporary: bool = False
    """The sender shall keep the request and come again."""


MALFORMED = OtlpStatus(400, 3)
UNAUTHENTICATED = OtlpStatus(401, 16)
FORBIDDEN = OtlpStatus(403, 7)
TOO_LARGE = OtlpStatus(413, 8)
UNSUPPORTED = OtlpStatus(415, 3)
BUSY = OtlpStatus(429, 14, is_temporary=True)
UNAVAILABLE = OtlpStatus(503, 14, is_temporary=True)


@dataclass
class RefusedError(Exception):
    """A request that is not taken."""

    status: OtlpStatus
    message: str


def write_response(kind: type[Message], records: str, rejected: int, message: str, *, as_json: bool) -> bytes:
    """Return the answer to a request that was taken, in its encoding; the signal names the `records`."""
    if as_json:
        words = "".join(word.capitalize() for word in records.split("_"))
        partial = {f"rejected{words}": str(rejected), "errorMessage": message}
        return json.dumps({"partialSuccess": partial} if rejected else {}).encode()
    partial_success = {f"rejected_{records}": rejected, "error_message": message}
    return kind(**({"partial_success": partial_success} if rejected else {})).SerializeToString()


def write_status(
    status: OtlpStatus, message: str, *, as_json: bool = False, retry_after_s: int | None = None
) -> bytes:
    """Return a ``google.rpc.Status``, the body of every answer but success.

    Args:
        retry_after_s: When to come back; gRPC senders know it from this alone.
    """
    if as_json:
        return json.dumps({"code": status.code, "message": message}).encode()
    written = rpc_status.Status(code=status.code, message=message)
    if retry_after_s is not None:
        info = rpc_details.RetryInfo()
        info.retry_delay.seconds = retry_after_s
        written.details.add().Pack(info)
    content: bytes = written.SerializeToString()
    return content
