"""The gateway as an ASGI application.

| situation                                        | answer                                       |
|--------------------------------------------------|----------------------------------------------|
| all that the spans tell is in the outbox         | 200, also where they tell of no GenAI call   |
| some spans have no usable ids                    | 200 and `partial_success`: never send again  |
| cannot be decoded                                | 400 and a `google.rpc.Status`                |
| no token, or a wrong one                         | 401                                          |
| larger than the bound, packed or unpacked        | 413                                          |
| another content type or encoding                 | 415                                          |
| the outbox is full or broken, a bug of ours, stop | 503 and `Retry-After`: try again            |

Never 500 or 408, which the Collector's exporter drops on.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from anyio import CapacityLimiter, to_thread
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from greenflash_otel import faults
from greenflash_otel.delivery.stats import Stats
from greenflash_otel.gateway import otlp
from greenflash_otel.gateway.encoding import TooLargeError, UnknownEncodingError, decoded
from greenflash_otel.spans import SpanRecord

MAX_BODY_BYTES = 64 << 20
"""As the OTLP specification proposes; more than the Collector sends."""
RETRY_AFTER_S = 5
AT_ONCE = 4
"""Requests that are unpacked and converted at the same time: each may need several times its bound."""
PROTOBUF, JSON = "application/x-protobuf", "application/json"

INVALID_ARGUMENT, UNAVAILABLE, UNAUTHENTICATED, RESOURCE_EXHAUSTED = 3, 14, 16, 8
"""Codes of `google.rpc.Status`."""


class Taker(Protocol):
    """Where spans go: the pipeline."""

    def take(self, spans: Iterable[SpanRecord]) -> bool:
        """Convert and keep spans; whether all that they tell is safe."""
        ...

    def stats(self) -> Stats:
        """What became of everything so far."""
        ...


@dataclass
class Refused(Exception):
    """A request that is not taken."""

    http_status: int
    code: int
    message: str


def create_app(
    pipeline: Taker,
    *,
    tokens: Iterable[str] = (),
    max_body_bytes: int = MAX_BODY_BYTES,
    is_stopping: Callable[[], bool] = lambda: False,
) -> Starlette:
    """The application.

    Args:
        tokens: Bearer tokens of which a request has to carry one; without any, all requests are taken.
        is_stopping: Asked before each request is taken.
    """
    wanted = tuple(tokens)
    limiter: list[CapacityLimiter] = []  # made in the loop that uses it

    async def traces(request: Request) -> Response:
        as_json = _media_type(request) == JSON
        try:
            _check_token(request, wanted)
            if _media_type(request) not in (JSON, PROTOBUF):
                raise Refused(415, INVALID_ARGUMENT, f"send {PROTOBUF} or {JSON}")
            if is_stopping():
                raise Refused(503, UNAVAILABLE, "the gateway is about to stop")
            body = await _read_body(request, max_body_bytes)
            limiter[:] = limiter or [CapacityLimiter(AT_ONCE)]
            encoding = request.headers.get("content-encoding", "")
            taken = await to_thread.run_sync(
                _take, pipeline, body, encoding, as_json, max_body_bytes, limiter=limiter[0]
            )
        except Refused as refused:
            return _refusal(refused, as_json=as_json)
        message = f"{taken} spans have no usable trace or span id" if taken else ""
        content = otlp.write_response(taken, message, as_json=as_json)
        return Response(content, media_type=JSON if as_json else PROTOBUF)

    async def metrics(request: Request) -> Response:
        return PlainTextResponse(_prometheus(pipeline.stats()))

    async def healthy(request: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def ready(request: Request) -> Response:
        stopping = is_stopping()
        return PlainTextResponse("stopping\n" if stopping else "ok\n", 503 if stopping else 200)

    return Starlette(
        routes=[
            Route("/v1/traces", traces, methods=["POST"]),
            Route("/healthz", healthy),
            Route("/readyz", ready),
            Route("/metrics", metrics),
        ]
    )


def _take(pipeline: Taker, body: bytes, encoding: str, as_json: bool, max_bytes: int) -> int:
    """Unpack, convert and keep a request, in a thread; how many of its spans are unusable."""
    try:
        content = decoded(body, encoding, max_bytes)
        spans = otlp.read_json(content) if as_json else otlp.read_protobuf(content)
    except TooLargeError as error:
        raise Refused(413, RESOURCE_EXHAUSTED, f"the body is {error}") from None
    except UnknownEncodingError as error:
        raise Refused(415, INVALID_ARGUMENT, str(error)) from None
    except ValueError as error:
        raise Refused(400, INVALID_ARGUMENT, f"the body is {error}") from None
    with faults.guarded("take a request"):
        if pipeline.take(spans.records):
            return spans.rejected
    raise Refused(503, UNAVAILABLE, "cannot be kept at present")


def _check_token(request: Request, tokens: Iterable[str]) -> None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    given = token.strip().encode() if scheme.lower() == "bearer" else b""
    matches = [hmac.compare_digest(given, one.encode()) for one in tokens]
    if matches and not any(matches):
        raise Refused(401, UNAUTHENTICATED, "send 'Authorization: Bearer <token>'")


async def _read_body(request: Request, max_bytes: int) -> bytes:
    too_large = Refused(413, RESOURCE_EXHAUSTED, f"the body is larger than {max_bytes} bytes")
    if int(request.headers.get("content-length", "0")) > max_bytes:  # the server refused what is no number
        raise too_large
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > max_bytes:
                raise too_large
    except ClientDisconnect:
        raise Refused(400, INVALID_ARGUMENT, "the body ended early") from None
    return bytes(body)


def _refusal(refused: Refused, *, as_json: bool) -> Response:
    headers = {"retry-after": str(RETRY_AFTER_S)} if refused.http_status == 503 else {}
    content = otlp.write_status(refused.code, refused.message, as_json=as_json)
    return Response(content, refused.http_status, headers, JSON if as_json else PROTOBUF)


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _prometheus(stats: Stats) -> str:
    """The counts in Prometheus' text format."""
    counts = {
        "accepted_total": stats.accepted,
        "delivered_total": stats.delivered,
        "pending": stats.pending,
        "set_aside": stats.set_aside,
    }
    lines = [f"greenflash_items_{name} {count}" for name, count in counts.items()]
    lines += [f'greenflash_items_lost_total{{reason="{reason}"}} {n}' for reason, n in stats.lost.items()]
    return "\n".join([*lines, ""])
