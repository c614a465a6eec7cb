"""The gateway over HTTP, as an ASGI application. `answers` says what is answered when."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager

from anyio import CapacityLimiter, to_thread
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from greenflash_otel import internal_errors
from greenflash_otel.delivery.stats import Stats
from greenflash_otel.gateway.encoding import TooLargeError, UnknownEncodingError, decoded
from greenflash_otel.gateway.receiver import PRODUCT_HEADER, Desk, Given
from greenflash_otel.gateway.responses import (
    MALFORMED,
    RETRY_AFTER_S,
    TOO_LARGE,
    UNAVAILABLE,
    UNSUPPORTED,
    RefusedError,
    write_status,
)
from greenflash_otel.gateway.signals import SIGNALS

MAX_BODY_BYTES = 64 << 20
"""As the OTLP specification proposes; more than the Collector sends."""
AT_ONCE = 4
"""Requests that are unpacked and converted at the same time: each may need several times its bound."""
PROTOBUF, JSON = "application/x-protobuf", "application/json"


def create_app(desk: Desk, *, max_body_bytes: int = MAX_BODY_BYTES) -> Starlette:
    """The application."""
    limiter: list[CapacityLimiter] = []  # made in the loop that uses it
    bodies = Bodies(max_body_bytes)

    async def answer(request: Request, as_json: bool) -> bytes:
        headers = request.headers
        given = Given(headers.get("authorization", ""), headers.get(PRODUCT_HEADER, ""))
        desk.admit(given)  # before its body is read
        if _media_type(request) not in (JSON, PROTOBUF):
            raise RefusedError(UNSUPPORTED, f"send {PROTOBUF} or {JSON}")
        signal, encoding = SIGNALS[request.url.path], headers.get("content-encoding", "")
        limiter[:] = limiter or [CapacityLimiter(AT_ONCE)]
        async with bodies.read(request) as body:

            def take() -> bytes:
                content = _unpacked(bytes(body), encoding, max_body_bytes)
                return desk.take(signal, content, given, as_json=as_json)

            return await to_thread.run_sync(take, limiter=limiter[0])

    async def export(request: Request) -> Response:
        as_json = _media_type(request) == JSON
        refused = RefusedError(UNAVAILABLE, "cannot be taken at present")  # unless we learn better
        with internal_errors.guarded("answer a request"):
            try:
                return Response(await answer(request, as_json), media_type=JSON if as_json else PROTOBUF)
            except RefusedError as error:
                refused = error
        return _refusal(refused, as_json=as_json)

    async def metrics(request: Request) -> Response:
        return PlainTextResponse("\n".join([*_metrics(desk.stats(), desk.unused()), ""]))

    async def healthy(request: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def ready(request: Request) -> Response:
        stopping = desk.is_stopping()
        return PlainTextResponse("stopping\n" if stopping else "ok\n", 503 if stopping else 200)

    return Starlette(
        routes=[
            *(Route(path, export, methods=["POST"]) for path in SIGNALS),
            Route("/healthz", healthy),
            Route("/readyz", ready),
            Route("/metrics", metrics),
        ]
    )


def _unpacked(body: bytes, encoding: str, max_bytes: int) -> bytes:
    try:
        return decoded(body, encoding, max_bytes)
    except TooLargeError as error:
        raise RefusedError(TOO_LARGE, f"the body is {error}") from None
    except UnknownEncodingError as error:
        raise RefusedError(UNSUPPORTED, str(error)) from None
    except ValueError as error:
        raise RefusedError(MALFORMED, f"the body is {error}") from None


class Bodies:
    """Reads bodies, of which no more are in memory at a time than their bound times `AT_ONCE`."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0

    @asynccontextmanager
    async def read(self, request: Request) -> AsyncIterator[bytearray]:
        """A body, for as long as it is needed. Raises `RefusedError`."""
        body = bytearray()
        try:
            await self._read_into(body, request)
            yield body
        finally:
            self._bytes -= len(body)

    async def _read_into(self, body: bytearray, request: Request) -> None:
        too_large = RefusedError(TOO_LARGE, f"the body is larger than {self._max_bytes} bytes")
        if int(request.headers.get("content-length", "0")) > self._max_bytes:  # no number: the server refused
            raise too_large
        try:
            async for chunk in request.stream():
                body += chunk
                self._bytes += len(chunk)
                if len(body) > self._max_bytes:
                    raise too_large
                if self._bytes > AT_ONCE * self._max_bytes:
                    raise RefusedError(UNAVAILABLE, "too much is under way")
        except ClientDisconnect:
            raise RefusedError(MALFORMED, "the body ended early") from None


def _refusal(refused: RefusedError, *, as_json: bool) -> Response:
    trouble = refused.trouble
    headers = {"retry-after": str(RETRY_AFTER_S)} if trouble is UNAVAILABLE else {}
    content = write_status(trouble.code, refused.message, as_json=as_json)
    return Response(content, trouble.http_status, headers, JSON if as_json else PROTOBUF)


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _metrics(stats: Mapping[str, Stats], unused: Mapping[str, int]) -> Iterator[str]:
    """The counts in Prometheus' text format."""
    for product_id, one in stats.items():
        product = f'product="{product_id}"'
        yield f"greenflash_items_accepted_total{{{product}}} {one.accepted}"
        yield f"greenflash_items_delivered_total{{{product}}} {one.delivered}"
        yield f"greenflash_items_pending{{{product}}} {one.pending}"
        yield f"greenflash_items_rejected{{{product}}} {one.rejected}"
        for reason, number in one.lost.items():
            yield f'greenflash_items_lost_total{{{product},reason="{reason}"}} {number}'
    for reason, number in unused.items():
        yield f'greenflash_records_unused_total{{reason="{reason}"}} {number}'
