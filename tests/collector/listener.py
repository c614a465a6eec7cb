"""Something that takes spans over OTLP/gRPC as a gateway does, and only notes them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from typing import Any

from greenflash_otel.gateway.otlp import read_protobuf
from greenflash_otel.model.telemetry import SpanRecord

grpc: Any = import_module("grpc")  # has no types
SERVICE = "opentelemetry.proto.collector.trace.v1.TraceService"


class Listener:
    """As a context, it listens on a port of its own."""

    def __init__(self) -> None:
        self.spans: list[SpanRecord] = []
        """What came, in its order."""
        methods = {"Export": grpc.unary_unary_rpc_method_handler(self._export)}
        self._server = grpc.server(ThreadPoolExecutor(1))
        self._server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(SERVICE, methods)])
        self.port: int = self._server.add_insecure_port("127.0.0.1:0")

    def _export(self, content: bytes, _context: object) -> bytes:
        self.spans += read_protobuf(content).records
        return b""

    def __enter__(self) -> Listener:
        self._server.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._server.stop(0).wait()
