"""The gateway over gRPC: the same desk, the same answers. Needs the extra ``grpc``.

Bodies reach the desk as bytes and are read where those of HTTP are, so that what cannot be read is answered
alike. gRPC itself undoes gzip, within its bound.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from typing import Any

from greenflash_otel import internal_errors
from greenflash_otel.errors import ConfigurationError
from greenflash_otel.gateway.http import AT_ONCE
from greenflash_otel.gateway.receiver import PRODUCT_HEADER, Desk, Given
from greenflash_otel.gateway.responses import RETRY_AFTER_S, UNAVAILABLE, RefusedError, write_status_to_retry
from greenflash_otel.gateway.signals import SIGNALS, Signal
from greenflash_otel.gateway.tls import Tls

grpc: Any = import_module("grpc")  # has no types
CODES = {code.value[0]: code for code in grpc.StatusCode}


def create_server(desk: Desk, *, max_body_bytes: int) -> Any:
    """A ``grpc.Server`` that has not been started."""
    options = [
        ("grpc.max_receive_message_length", max_body_bytes),
        ("grpc.max_concurrent_streams", 4 * AT_ONCE),  # of one connection; more of them wait at the sender
        ("grpc.so_reuseport", 0),
    ]
    server = grpc.server(ThreadPoolExecutor(AT_ONCE, "greenflash-otel rpc"), options=options)
    server.add_generic_rpc_handlers(
        [
            grpc.method_handlers_generic_handler(
                signal.service, {"Export": grpc.unary_unary_rpc_method_handler(_export(desk, signal))}
            )
            for signal in SIGNALS.values()
        ]
    )
    return server


def _export(desk: Desk, signal: Signal) -> Callable[[bytes, Any], bytes]:
    def export(content: bytes, context: Any) -> bytes:
        headers = {name: value for name, value in context.invocation_metadata() if isinstance(value, str)}
        given = Given(headers.get("authorization", ""), headers.get(PRODUCT_HEADER, ""))
        refused = RefusedError(UNAVAILABLE, "cannot be taken at present")
        with internal_errors.guarded("answer a request"):
            try:
                return desk.take(signal, content, given)
            except RefusedError as error:
                refused = error
        return _refuse(context, refused)

    return export


def _refuse(context: Any, refused: RefusedError) -> bytes:
    trouble = refused.trouble
    if trouble is UNAVAILABLE:
        details = write_status_to_retry(trouble.code, refused.message, RETRY_AFTER_S)
        context.set_trailing_metadata([("grpc-status-details-bin", details)])
    context.set_code(CODES[trouble.code])
    context.set_details(refused.message)
    return b""


def listen(server: Any, address: str, tls: Tls | None) -> int:
    """Bind a server; gives the port. Raises `ConfigurationError`."""
    try:
        if tls is None:
            return int(server.add_insecure_port(address))
        return int(server.add_secure_port(address, grpc.ssl_server_credentials(**tls.for_grpc())))
    except RuntimeError:
        raise ConfigurationError(f"cannot listen on {address} for gRPC") from None
