"""Make spans that only our own pipeline reads: without OpenTelemetry's SDK, and written on the pipeline's thread.

An `OwnSpan` collects what there is to write and hands itself over when it ends. The pipeline's thread writes the
attributes, as they would be on a span of the SDK. To code of the application in the span it is like one of those.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, Protocol, TypeAlias

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.id_generator import IdGenerator, RandomIdGenerator
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import (
    Link,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    Tracer,
    format_span_id,
    format_trace_id,
)
from opentelemetry.util.types import Attributes, AttributeValue

from greenflash_otel.any_json import repair_surrogates
from greenflash_otel.context import get_conversation_context
from greenflash_otel.internal_errors import count, guarded
from greenflash_otel.model import telemetry
from greenflash_otel.model.operation import TURN, Failure, Operation
from greenflash_otel.model.telemetry import OURS, SpanEvent, SpanRecord
from greenflash_otel.model.visit import size_of_value
from greenflash_otel.semconv.genai import (
    CONVERSATION_ID,
    OPERATION_NAME,
    PROVIDER_NAME,
    REQUEST_MODEL,
    Attribute,
    attributes_of,
    span_name_of,
    write_attribute,
)
from greenflash_otel.semconv.registry import recognises
from greenflash_otel.suppression import is_redacting

SPAN_BYTES: Final = 1024
"""What the attributes of a span take without its messages, about."""
SCOPE: Final = InstrumentationScope(OURS)
SAMPLED: Final = int(TraceFlags.SAMPLED)
RANDOM: Final = int(getattr(TraceFlags, "RANDOM_TRACE_ID", 0))
"""Which older versions of OpenTelemetry do not have."""

LazyWrite: TypeAlias = Callable[[], "Operation | Mapping[str, Attribute]"]
"""An operation, or attributes, that the pipeline's thread reads."""

STATUSES: Final[Mapping[StatusCode, telemetry.Status]] = {
    StatusCode.UNSET: "unset",
    StatusCode.OK: "ok",
    StatusCode.ERROR: "error",
}
"""The states of spans in our plain values."""


class OwnSpanSink(Protocol):
    """Where spans go that just ended: a pipeline."""

    def submit(self, span: Callable[[], SpanRecord], size_bytes: int = 0, /) -> object:
        """Hand over a span. Costs a queue entry."""
        ...

    def has_room(self, size_bytes: int, /) -> bool:
        """Return whether as much may wait there to be read."""
        ...


def make_head(operation: Operation) -> dict[str, str]:
    """Return the attributes that a span begins with: what a sampler may want to know; content follows at the end."""
    head = {
        OPERATION_NAME: operation.name,
        PROVIDER_NAME: operation.provider or "",
        REQUEST_MODEL: operation.request_model or "",
    }
    return {name: value for name, value in head.items() if value}


def kind_of(operation: Operation) -> SpanKind:
    """Return the kind of an operation's span: a tool runs in this process, a model elsewhere."""
    return SpanKind.INTERNAL if operation.tool else SpanKind.CLIENT


def make_failed_status(failure: Failure) -> Status:
    """Return the status of a span whose operation failed."""
    return Status(StatusCode.ERROR, repair_surrogates(failure.message) if failure.message else None)


def clean_attributes(attributes: Mapping[str, object]) -> dict[str, Attribute]:
    """Return attributes that every exporter takes, each for itself: one that cannot be written costs no other."""
    values: dict[str, Attribute] = {}
    for name, value in attributes.items():
        with guarded("write an attribute", lost="attribute_not_written"):
            values[name] = write_attribute(value)
    return values


class OwnTracer(Tracer):
    """Makes the spans of a process whose spans nobody else reads.

    Args:
        sink: The pipeline.
        resource: What its spans say of the process.
        ids: Makes the ids of its spans.
    """

    def __init__(self, sink: OwnSpanSink, resource: Resource, ids: IdGenerator | None = None) -> None:
        self.sink: OwnSpanSink | None = sink
        self.resource = resource
        self.ids = ids or RandomIdGenerator()

    def stop(self) -> None:
        """Let all spans pass from now on."""
        self.sink = None

    def begin(self, operation: Operation, context: Context | None = None) -> OwnSpan:
        """Start the span of an operation in ``context``, by default the current one."""
        span = OwnSpan(self, context, kind_of(operation))
        span.head = operation
        if context is not None:  # the current one's conversation is the operation's already
            named = operation.conversation_context.conversation_id
            span.conversation_id = named or get_conversation_context(context).conversation_id
        return span

    def start_span(
        self,
        name: str,
        context: Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Attributes = None,
        links: Sequence[Link] | None = (),
        start_time: int | None = None,
        record_exception: bool = True,
        set_status_on_exception: bool = True,
    ) -> OwnSpan:
        """Start a span as any tracer does. What is no operation by its end, it does not hand over."""
        span = OwnSpan(self, context, kind, name)
        span.set_attributes(attributes or {})
        return span

    def start_as_current_span(self, *args: Any, **kwargs: Any) -> Any:
        """Start one that is the current one within a ``with`` block, and ends with it."""
        return trace.use_span(self.start_span(*args, **kwargs), end_on_exit=True)


class OwnSpan(Span, ReadableSpan):
    """One of them. It is read once, after its end."""

    def __init__(self, tracer: OwnTracer, context: Context | None, kind: SpanKind, name: str = "") -> None:
        around = trace.get_current_span(context).get_span_context()
        parent = around if around.is_valid else None
        super(Span, self).__init__(
            name,
            parent=parent,
            resource=tracer.resource,
            events=[],
            kind=kind,
            start_time=time.time_ns(),
            instrumentation_scope=SCOPE,
        )
        self._tracer = tracer
        self._is_ignored = is_redacting(context)
        self._trace_id = parent.trace_id if parent else tracer.ids.generate_trace_id()
        self._span_id = tracer.ids.generate_span_id()
        self._writes: list[Operation | LazyWrite | Mapping[str, Attribute]] = []
        self._size_bytes = SPAN_BYTES
        self._record: SpanRecord | None = None
        self.head: Operation | None = None
        """What its operation was when it began."""
        self.conversation_id: str | None = None
        """The conversation of the code that began it."""

    def get_span_context(self) -> SpanContext:
        """Return its ids, which most spans need at their end only."""
        if self._context is None:
            parent = self._parent
            is_random = parent.trace_flags if parent else RANDOM
            flags, state = TraceFlags(SAMPLED | (is_random & RANDOM)), parent.trace_state if parent else None
            self._context = SpanContext(self._trace_id, self._span_id, False, flags, state)
        return self._context

    @property
    def context(self) -> SpanContext:
        """Its ids."""
        return self.get_span_context()

    @property
    def name(self) -> str:
        """Its name, as the convention wants it."""
        return self._name or (span_name_of(self.head) if self.head else "")

    @property
    def attributes(self) -> Attributes:
        """Its attributes by now."""
        return self._write() if self._record is None else self._record.attributes

    def is_recording(self) -> bool:
        """Return whether it has not ended."""
        return self._end_time is None

    def write(self, operation: Operation | LazyWrite, size_bytes: int) -> None:
        """Queue an operation to be written, which does not change any more; its texts take ``size_bytes``."""
        self._size_bytes += size_bytes
        self._writes.append(operation)

    def set_attributes(self, attributes: Mapping[str, AttributeValue]) -> None:
        values = clean_attributes(attributes)
        self._size_bytes += sum(map(size_of_value, values.values()))
        self._writes.append(values)

    def set_attribute(self, key: str, value: AttributeValue) -> None:
        self.set_attributes({key: value})

    def add_event(self, name: str, attributes: Attributes = None, timestamp: int | None = None) -> None:
        values = clean_attributes(attributes or {})
        self._size_bytes += sum(map(size_of_value, values.values()))
        self._events.append(Event(name, values, timestamp))  # type: ignore[attr-defined]  # a list

    def add_link(self, context: SpanContext, attributes: Attributes = None) -> None:
        """Do nothing: we read no links."""

    def update_name(self, name: str) -> None:
        self._name = name

    def set_status(self, status: Status | StatusCode, description: str | None = None) -> None:
        new_status = status if isinstance(status, Status) else Status(status, description)
        if self._status.status_code is not StatusCode.OK and new_status.status_code is not StatusCode.UNSET:
            self._status = new_status

    def record_exception(
        self,
        exception: BaseException,
        attributes: Attributes = None,
        timestamp: int | None = None,
        escaped: bool = False,
    ) -> None:
        lines = traceback.format_exception(type(exception), exception, exception.__traceback__)
        about = {
            "exception.type": type(exception).__qualname__,
            "exception.message": str(exception),
            "exception.stacktrace": "".join(lines),
            "exception.escaped": str(escaped),
        }
        self.add_event("exception", {**about, **(attributes or {})}, timestamp)

    def end(self, end_time: int | None = None) -> None:
        """Hand it over, once. Where there is no room for what is to be read, it is read here."""
        sink = self._tracer.sink
        if self._end_time is not None or sink is None or self._is_ignored:
            return
        self._end_time = end_time or time.time_ns()
        try:
            if self.head is None and not recognises(self._write()):
                return
            size_bytes = self._size_bytes
            if not sink.has_room(size_bytes):
                size_bytes = _size_of(self.read())
                self._writes.clear()
            sink.submit(self.read, size_bytes)
        except Exception as error:  # noqa: BLE001 - as `guarded`, on the caller's path of every span
            count("hand over a span", error, lost="span_not_readable")

    def read(self) -> SpanRecord:
        """Return it as our plain values, with everything written."""
        if self._record is None:  # what is read is read once: a history is shortened by what is known by then
            self._record = self._make_record()
        return self._record

    def _make_record(self) -> SpanRecord:
        attributes = self._write()
        events = tuple(
            SpanEvent(event.name, event.timestamp, event.attributes or {}) for event in self._events
        )
        return SpanRecord(
            trace_id=format_trace_id(self._trace_id),
            span_id=format_span_id(self._span_id),
            parent_span_id=format_span_id(self._parent.span_id) if self._parent else None,
            name=self.name,
            start_ns=self._start_time or 0,
            end_ns=self._end_time or 0,
            attributes=attributes,
            events=events,
            status=STATUSES[self._status.status_code],
            status_description=self._status.description,
            scope=OURS,
            resource=self._resource.attributes,
        )

    def _write(self) -> dict[str, Attribute]:
        attributes: dict[str, Attribute] = {}
        if self.head is not None:
            attributes |= make_head(self.head)
            if self.conversation_id:
                attributes[CONVERSATION_ID] = self.conversation_id
        for write in list(self._writes):
            with guarded("write an operation to its span", lost="operation_not_written"):
                attributes |= self._read_write(write() if callable(write) else write)
        return attributes

    def _read_write(self, write: Operation | Mapping[str, Attribute]) -> Mapping[str, Attribute]:
        if not isinstance(write, Operation):
            return write
        self._name_model(write)
        if write.failure:
            self.set_status(make_failed_status(write.failure))
        return clean_attributes(attributes_of(write))

    def _name_model(self, operation: Operation) -> None:
        """Name the model where it was not read yet when the span began; a turn's name has none."""
        if self.head is not None and self.head.request_model is None and self.head.name != TURN:
            self.head = replace(self.head, request_model=operation.request_model)


def _size_of(record: SpanRecord) -> int:
    """Return what the texts of a span take in memory, about."""
    size = sum(map(size_of_value, record.attributes.values()))
    return size + sum(size_of_value(value) for event in record.events for value in event.attributes.values())
