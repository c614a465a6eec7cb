"""Describe a finished span as plain frozen values, whatever recorded it and however it arrived.

The exporter makes these from OpenTelemetry SDK spans, the gateway from OTLP. Everything above
reads spans only in this form, so that none of it imports OpenTelemetry.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

NS_PER_MS = 1_000_000

OURS = "greenflash_otel"
"""Scope of the spans that we make."""

AttributeValue: TypeAlias = (
    str | bool | int | float | bytes | Sequence["AttributeValue"] | Mapping[str, "AttributeValue"] | None
)
"""What an attribute can contain: OTLP's AnyValue. SDK 1.45 and newer also give nested maps and lists."""

Attributes: TypeAlias = Mapping[str, AttributeValue]
Status: TypeAlias = Literal["unset", "ok", "error"]


ENVIRONMENTS = ("deployment.environment.name", "deployment.environment")
"""Attributes of a resource that say where a process runs; the first that is there counts."""
RELEASE = "service.version"
"""The attribute of a resource that says which release of the application a process is."""


@dataclass(frozen=True, slots=True)
class SpanEvent:
    """A span event, e.g. ``exception``, or a message in conventions that put content there."""

    name: str
    time_ns: int
    attributes: Attributes = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SpanRecord:
    """A finished span."""

    trace_id: str
    """32 lower-case hex digits."""
    span_id: str
    """16 lower-case hex digits."""
    name: str
    start_ns: int
    """Unix time in nanoseconds."""
    end_ns: int
    """Unix time in nanoseconds."""
    parent_span_id: str | None = None
    attributes: Attributes = field(default_factory=dict)
    events: tuple[SpanEvent, ...] = ()
    status: Status = "unset"
    status_description: str | None = None
    scope: str = ""
    """Name of the instrumentation scope that recorded it."""
    resource: Attributes = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LogRecord:
    """A log record of OpenTelemetry's, in which some conventions put what was said during a span."""

    trace_id: str
    """32 lower-case hex digits."""
    span_id: str
    """16 lower-case hex digits: the span it was emitted in."""
    event_name: str
    """The record's own, which older SDKs do not have: they put it into the attribute ``event.name``."""
    time_ns: int
    """Unix time in nanoseconds; of its observation where the record has no time."""
    body: AttributeValue = None
    attributes: Attributes = field(default_factory=dict)
    scope: str = ""
    """Name of the instrumentation scope that recorded it."""
    resource: Attributes = field(default_factory=dict)
