"""What is taken: one row per signal of OTLP."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from greenflash_otel.delivery.stats import Stats
from greenflash_otel.gateway import otlp, otlp_logs
from greenflash_otel.gateway.otlp_values import Request
from greenflash_otel.ingest.attachment import belongs_to_others
from greenflash_otel.model.telemetry import LogRecord, SpanRecord


class Taker(Protocol):
    """Where it goes: the pipeline."""

    def take(self, spans: Iterable[SpanRecord]) -> bool:
        """Convert and keep spans; whether all that they tell is safe."""
        ...

    def take_logs(self, logs: Iterable[LogRecord]) -> bool:
        """Convert and keep log records; whether all that they tell is safe."""
        ...

    def stats(self) -> Stats:
        """What became of everything so far."""
        ...


Records = Request[Any]  # spans or log records, as the row of the signal says


@dataclass(frozen=True, slots=True)
class Signal:
    """A kind of telemetry."""

    path: str
    """Over HTTP."""
    service: str
    """Over gRPC; its method is ``Export``."""
    read_protobuf: Callable[[bytes], Records]
    read_json: Callable[[bytes], Records]
    response: type[Message]
    records: str
    """What a response calls them."""
    take: Callable[[Taker, Iterable[Any]], bool]


TRACES = Signal(
    "/v1/traces",
    "opentelemetry.proto.collector.trace.v1.TraceService",
    otlp.read_protobuf,
    otlp.read_json,
    ExportTraceServiceResponse,
    "spans",
    lambda taker, spans: taker.take(sorted(spans, key=belongs_to_others)),  # behind what they may belong to
)
LOGS = Signal(
    "/v1/logs",
    "opentelemetry.proto.collector.logs.v1.LogsService",
    otlp_logs.read_protobuf,
    otlp_logs.read_json,
    ExportLogsServiceResponse,
    "log_records",
    lambda taker, records: taker.take_logs(records),
)
SIGNALS: Mapping[str, Signal] = {signal.path: signal for signal in (TRACES, LOGS)}
