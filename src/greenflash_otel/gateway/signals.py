"""List the signals of OTLP that the gateway accepts: one row each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from greenflash_otel.delivery.stats import Stats
from greenflash_otel.gateway import otlp, otlp_logs
from greenflash_otel.gateway.encoding import Content
from greenflash_otel.gateway.limits import ContentLimits
from greenflash_otel.gateway.otlp_values import OtlpRequest
from greenflash_otel.ingest.attachment import belongs_to_others
from greenflash_otel.model.telemetry import LogRecord, SpanRecord


class OtlpSink(Protocol):
    """Where records go: the pipeline of a tenant."""

    def take(self, spans: Iterable[SpanRecord], failed: Counter[str] | None = None) -> bool:
        """Convert and keep spans; return whether everything in them is stored.

        Args:
            failed: Gets the number of spans that could not be converted, by reason; they count as lost.
        """
        ...

    def take_logs(self, logs: Iterable[LogRecord], failed: Counter[str] | None = None) -> bool:
        """Convert and keep log records, as `take` does spans."""
        ...

    def is_durable(self) -> bool:
        """Return whether what is stored would survive the end of this process."""
        ...

    def own_stats(self) -> Stats:
        """Return what became of everything so far."""
        ...


Records = OtlpRequest[Any]  # spans or log records, as the row of the signal says


@dataclass(frozen=True, slots=True)
class Signal:
    """A kind of telemetry."""

    path: str
    """Over HTTP."""
    service: str
    """Over gRPC; its method is ``Export``."""
    read_protobuf: Callable[[Content, ContentLimits, int], Records]
    read_json: Callable[[Content, ContentLimits, int], Records]
    response: type[Message]
    records: str
    """What a response calls them."""
    take: Callable[[OtlpSink, Iterable[Any], Counter[str]], bool]


TRACES = Signal(
    "/v1/traces",
    "opentelemetry.proto.collector.trace.v1.TraceService",
    otlp.read_protobuf,
    otlp.read_json,
    ExportTraceServiceResponse,
    "spans",
    # Outcomes and ratings last, behind what they may belong to.
    lambda sink, spans, failed: sink.take(sorted(spans, key=belongs_to_others), failed),
)
LOGS = Signal(
    "/v1/logs",
    "opentelemetry.proto.collector.logs.v1.LogsService",
    otlp_logs.read_protobuf,
    otlp_logs.read_json,
    ExportLogsServiceResponse,
    "log_records",
    lambda sink, records, failed: sink.take_logs(records, failed),
)
SIGNALS: Mapping[str, Signal] = {signal.path: signal for signal in (TRACES, LOGS)}
