"""The gateway over HTTP, as an ASGI application. `responses` says what is answered when.

The order matters: who sends, then what, and only then the body. A refusal ends the connection, so that the
gateway need not read a body that it will not take.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from greenflash_otel import internal_errors
from greenflash_otel.gateway.limits import SenderLimits
from greenflash_otel.gateway.metrics_page import render_metrics
from greenflash_otel.gateway.receiver import PRODUCT_HEADER, OtlpReceiver, RequestMetadata
from greenflash_otel.gateway.responses import (
    BUSY,
    MALFORMED,
    RETRY_AFTER_S,
    TOO_LARGE,
    UNAVAILABLE,
    UNSUPPORTED,
    RefusedError,
    write_status,
)
from greenflash_otel.gateway.shares import RequestBody, Shares
from greenflash_otel.gateway.signals import SIGNALS

PROTOBUF, JSON = "application/x-protobuf", "application/json"
LINGER_S = 1.0
LINGER_BYTES = 1 << 20
"""How much of a refused body the gateway reads and drops, so that its sender gets to see the answer."""


def create_app(
    receiver: OtlpReceiver, *, limits: SenderLimits | None = None, shares: Shares | None = None
) -> Starlette:
    """Return the application.

    Args:
        shares: What the application shares with gRPC; by default it has its own.
    """
    limits = limits or SenderLimits()
    shares = shares or Shares(limits, receiver.limits.max_bytes)

    async def handle_request(request: Request, as_json: bool) -> bytes:
        metadata = _metadata_of(request)
        admission = receiver.admit(metadata)
        if _read_media_type(request) not in (JSON, PROTOBUF):
            raise RefusedError(UNSUPPORTED, f"send {PROTOBUF} or {JSON}")
        signal, encoding = SIGNALS[request.url.path], request.headers.get("content-encoding", "")
        with shares.memory.body(admission.sender) as body:
            await _read_body(request, body, receiver.limits.max_bytes, limits)

            def take() -> bytes:
                content = body.unpack(encoding, receiver.limits)
                return receiver.take(signal, content, metadata, as_json=as_json)

            return await shares.convert(body, take)

    async def export(request: Request) -> Response:
        as_json = _read_media_type(request) == JSON
        refused = RefusedError(UNAVAILABLE, "cannot be taken at present")  # unless we learn better
        with internal_errors.guarded("answer a request"):
            try:
                return Response(
                    await handle_request(request, as_json), media_type=JSON if as_json else PROTOBUF
                )
            except RefusedError as error:
                refused = error
        return _Refusal(refused, as_json=as_json)

    return Starlette(
        routes=[*(Route(path, export, methods=["POST"]) for path in SIGNALS), *_make_pages(receiver)],
    )


def _make_pages(receiver: OtlpReceiver) -> list[Route]:
    """Return the pages for operators."""

    async def show_metrics(request: Request) -> Response:
        accept = request.headers.get("accept", "")
        content, media_type = render_metrics(receiver, _metadata_of(request), accept)
        return Response(content, media_type=media_type)

    async def show_health(request: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def show_readiness(request: Request) -> Response:
        if receiver.is_stopping():
            return PlainTextResponse("stopping\n", 503)
        if not receiver.is_durable():
            return PlainTextResponse("the outbox cannot be opened on disk\n", 503)
        return PlainTextResponse("ok\n")

    return [Route("/healthz", show_health), Route("/readyz", show_readiness), Route("/metrics", show_metrics)]


async def _read_body(request: Request, body: RequestBody, max_bytes: int, limits: SenderLimits) -> None:
    """Read a request's body. Raises `RefusedError` if it is too large, or comes too slowly."""
    too_large = RefusedError(TOO_LARGE, f"the body is larger than {max_bytes} bytes")
    if int(request.headers.get("content-length", "0")) > max_bytes:  # no number: the server refused
        raise too_large
    clock = asyncio.get_running_loop().time
    end_s = clock() + limits.body_s
    while True:
        try:
            message = await asyncio.wait_for(request.receive(), min(limits.stall_s, end_s - clock()))
        except asyncio.TimeoutError:
            raise RefusedError(BUSY, "the body comes too slowly") from None
        if message["type"] == "http.disconnect":
            raise RefusedError(MALFORMED, "the body ended early")
        body.append(message.get("body", b""))
        if len(body.content) > max_bytes:
            raise too_large
        if not message.get("more_body", False):
            return


class _Refusal(Response):
    """A refusal, after which the connection ends."""

    def __init__(self, refused: RefusedError, *, as_json: bool) -> None:
        status = refused.status
        headers = {"connection": "close"}
        if status.is_temporary:
            headers["retry-after"] = str(RETRY_AFTER_S)
        content = write_status(status, refused.message, as_json=as_json)
        super().__init__(content, status.http_status, headers, JSON if as_json else PROTOBUF)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer, then read a little more of the request.

        Closing at once would reset the connection, and the sender might never see the answer.
        """
        headers = self.raw_headers
        await send({"type": "http.response.start", "status": self.status_code, "headers": headers})
        await send({"type": "http.response.body", "body": bytes(self.body), "more_body": True})
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(_drain(receive), LINGER_S)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _drain(receive: Receive) -> None:
    dropped = 0
    while dropped < LINGER_BYTES:
        message = await receive()
        if message["type"] != "http.request" or not message.get("more_body", False):
            return
        dropped += len(message.get("body", b""))


def _metadata_of(request: Request) -> RequestMetadata:
    headers = request.headers
    peer = request.client.host if request.client else ""
    return RequestMetadata(headers.get("authorization", ""), headers.get(PRODUCT_HEADER, ""), peer)


def _read_media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()
