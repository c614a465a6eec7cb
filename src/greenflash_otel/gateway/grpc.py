"""The gateway over gRPC: the same receiver, the same answers. Needs the extra ``grpc``.

gRPC's own library undoes no encoding here. It would unpack a message whole, before anybody could look at
it and before the call's token is known. The handlers ask for the token first and for the message
afterwards: that is why they are those of streams, although a call has one message. On the wire there is
no difference.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from importlib import import_module
from typing import Any

from greenflash_otel import internal_errors
from greenflash_otel.errors import ConfigurationError
from greenflash_otel.gateway.connections import choose_max_connections
from greenflash_otel.gateway.receiver import PRODUCT_HEADER, Admission, OtlpReceiver, RequestMetadata
from greenflash_otel.gateway.responses import (
    BUSY,
    MALFORMED,
    RETRY_AFTER_S,
    UNAVAILABLE,
    RefusedError,
    write_status,
)
from greenflash_otel.gateway.shares import RequestBody, Shares
from greenflash_otel.gateway.signals import SIGNALS, Signal
from greenflash_otel.gateway.tls import Tls

grpc: Any = import_module("grpc")  # has no types
aio: Any = import_module("grpc.aio")
CODES = {code.value[0]: code for code in grpc.StatusCode}
GZIP_MAGIC, ZLIB_MAGIC = b"\x1f\x8b", b"\x78"
IDLE_MS = 30_000
AGE_MS, AGE_GRACE_MS = 300_000, 30_000
"""A connection is replaced after so long: nobody occupies one for ever."""
MAX_STREAMS = 64
"""Calls at once on a connection; more of them wait at the sender."""


async def create_server(receiver: OtlpReceiver, shares: Shares) -> Any:
    """Return a ``grpc.aio.Server`` of the running event loop that has not been started."""
    limits = shares.limits
    options = [
        ("grpc.per_message_decompression", 0),
        ("grpc.max_receive_message_length", receiver.limits.max_bytes),
        ("grpc.max_concurrent_streams", MAX_STREAMS),
        ("grpc.max_metadata_size", limits.max_head_bytes),
        ("grpc.absolute_max_metadata_size", limits.max_head_bytes),
        ("grpc.max_allowed_incoming_connections", choose_max_connections(limits)),
        ("grpc.server_handshake_timeout_ms", int(limits.head_s * 1000)),
        ("grpc.max_connection_idle_ms", IDLE_MS),
        ("grpc.max_connection_age_ms", AGE_MS),
        ("grpc.max_connection_age_grace_ms", AGE_GRACE_MS),
        ("grpc.so_reuseport", 0),
    ]
    server = aio.server(options=options)
    server.add_generic_rpc_handlers(
        [
            grpc.method_handlers_generic_handler(
                signal.service,
                {"Export": grpc.stream_unary_rpc_method_handler(_export(receiver, signal, shares))},
            )
            for signal in SIGNALS.values()
        ]
    )
    return server


def _export(receiver: OtlpReceiver, signal: Signal, shares: Shares) -> Callable[[Any, Any], Awaitable[bytes]]:
    async def handle_call(context: Any) -> bytes:
        metadata = _metadata_of(context)
        admission = receiver.admit(metadata)
        with shares.memory.body(admission.sender) as body:
            await _read_message(context, body, admission, shares)

            def take() -> bytes:
                content = body.unpack(_encoding_of(body.content), receiver.limits)
                return receiver.take(signal, content, metadata)

            return await shares.convert(body, take)

    async def export(_messages: object, context: Any) -> bytes:
        refused = RefusedError(UNAVAILABLE, "cannot be taken at present")
        with internal_errors.guarded("answer a request"):
            try:
                return await handle_call(context)
            except RefusedError as error:
                refused = error
        return _refuse(context, refused)

    return export


async def _read_message(context: Any, body: RequestBody, admission: Admission, shares: Shares) -> None:
    """Read the message of a call. Raises `RefusedError`."""
    async with shares.readings.turn(
        admission.sender
    ):  # what is read at once bounds what gRPC keeps in memory
        try:
            message = await asyncio.wait_for(context.read(), shares.limits.message_s)
        except asyncio.TimeoutError:
            raise RefusedError(BUSY, "the message comes too slowly") from None
    if message is aio.EOF:
        raise RefusedError(MALFORMED, "the call has no message")
    body.take(message)


def _encoding_of(content: bytes | bytearray) -> str:
    """Return how a message is packed. Messages of OTLP begin otherwise: with field 1, of bytes."""
    return "gzip" if content.startswith((GZIP_MAGIC, ZLIB_MAGIC)) else ""


def _metadata_of(context: Any) -> RequestMetadata:
    headers = {name: value for name, value in context.invocation_metadata() if isinstance(value, str)}
    peer = context.peer().rpartition(":")[0]  # without the port
    return RequestMetadata(headers.get("authorization", ""), headers.get(PRODUCT_HEADER, ""), peer)


def _refuse(context: Any, refused: RefusedError) -> bytes:
    if refused.status.is_temporary:
        details = write_status(refused.status, refused.message, retry_after_s=RETRY_AFTER_S)
        context.set_trailing_metadata((("grpc-status-details-bin", details),))
    context.set_code(CODES[refused.status.code])
    context.set_details(refused.message)
    return b""


def listen(server: Any, address: str, tls: Tls | None) -> int:
    """Bind a server; return its port. Raises `ConfigurationError`."""
    try:
        if tls is None:
            return int(server.add_insecure_port(address))
        return int(server.add_secure_port(address, grpc.ssl_server_credentials(**tls.make_grpc_arguments())))
    except RuntimeError:
        raise ConfigurationError(f"cannot listen on {address} for gRPC") from None
