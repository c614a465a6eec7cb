"""What was read a moment ago, for the spans that arrive after it. Pure but for this memory, which is bounded.

The spans of a trace come in several requests, children before what they ran in. Each request is read
together with what is remembered of its traces and with the last few spans of any. What was recorded before is
only recorded again where it is known better now: a failed call whose input its agent's span had, a tool whose
result another layer had, an embedding that a model call quotes.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from greenflash_otel.lru import ByteBoundLruDict
from greenflash_otel.model.operation import is_bare_failure
from greenflash_otel.model.telemetry import SpanRecord
from greenflash_otel.semconv.correlation.closed_calls import find_closed
from greenflash_otel.semconv.correlation.outermost_runs import make_call_of_run, may_be_call
from greenflash_otel.semconv.correlation.reading import Key, Reading, read, without_long_input
from greenflash_otel.semconv.correlation.trace import combine_spans
from greenflash_otel.semconv.registry import OURS

TRACES = 1_000
"""Traces remembered; the one unused longest goes first."""
EACH = 64
"""Readings remembered of a trace, and the last ones of any."""
SEEN = 4_000
"""Spans that are known again when they are delivered once more."""
SIZE_BYTES = 4 * 1024 * 1024
"""Of the readings of all traces, of the last ones, and of those that are known again: each roughly."""
READING_BYTES = 4_000
"""What a reading takes besides texts."""


class Recent:
    """Reads spans together with those that came before. Not thread-safe: its owner serialises access."""

    def __init__(self) -> None:
        self._traces: ByteBoundLruDict[str, OrderedDict[Key, Reading]] = ByteBoundLruDict(
            TRACES, SIZE_BYTES, lambda id, trace: sum([_measure(reading.span) for reading in trace.values()])
        )
        self._last: ByteBoundLruDict[Key, Reading] = ByteBoundLruDict(
            EACH, SIZE_BYTES, lambda key, reading: _measure(reading.span)
        )
        self._seen: ByteBoundLruDict[Key, SpanRecord] = ByteBoundLruDict(
            SEEN, SIZE_BYTES, lambda key, span: _measure(span)
        )

    @property
    def size_bytes(self) -> int:
        """Roughly how much memory takes what is remembered."""
        return self._traces.size_bytes + self._last.size_bytes + self._seen.size_bytes

    def take(self, readings: Sequence[Reading]) -> list[Reading]:
        """Read new spans, in the order of their ends, and those that are known better through them."""
        if all(reading.span.scope == OURS for reading in readings):
            return combine_spans(readings)
        readings = [reading for reading in readings if self._is_news(reading)]
        combined = self._combine(readings, find_closed(readings, self._last.values(), self._traces))
        self._remember(combined)
        return combined

    def _combine(self, readings: Sequence[Reading], closed: Sequence[Reading]) -> list[Reading]:
        """Combine readings with what came before; those that are closed stay as they are."""
        alone = {reading.key for reading in closed}
        together = [without_long_input(reading) for reading in readings if reading.key not in alone]
        if not together:
            return sorted(closed, key=lambda reading: reading.span.end_ns)
        new = {reading.key for reading in together}
        related = [reading for reading in self._find_related(together) if reading.key not in new]
        before = {reading.key: without_long_input(reading) for reading in related}
        recorded = combine_spans([*before.values(), *together])
        renewed = [
            reading for reading in recorded if reading.key in new or _is_better(before[reading.key], reading)
        ]
        return sorted([*renewed, *closed], key=lambda reading: reading.span.end_ns) if closed else renewed

    def list_known(self, trace_id: str) -> Iterable[Reading]:
        """Return what is remembered of a trace."""
        return self._traces.get(trace_id, {}).values()

    def was_delivered(self, reading: Reading) -> bool:
        """Return whether a span was delivered before, and says nothing more now."""
        return self._seen.get(reading.key) == reading.span

    def forget(self, readings: Iterable[Reading]) -> None:
        """Forget spans that were read and not recorded: they will be delivered once more."""
        for reading in readings:
            self._seen.forget(reading.key)
            self._last.forget(reading.key)
            if trace := self._traces.get(reading.span.trace_id):
                trace.pop(reading.key, None)

    def settle_run(self, span: SpanRecord) -> Reading | None:
        """Make a model call of the run of a chain that has waited; None if other spans of its trace say the same."""
        trace = self._traces.get(span.trace_id) or OrderedDict()
        own = read(span)
        readings = {own.key: own, **{key: without_long_input(reading) for key, reading in trace.items()}}
        readings = {reading.key: reading for reading in combine_spans(readings.values())}
        call = make_call_of_run(readings[own.key], readings.values())
        if call is not None:
            trace[own.key] = replace(call, already_emitted=True)
            self._traces.remember(span.trace_id, trace)
        return call

    def may_be_call(self, run: Reading) -> bool:
        """Return whether the run of a chain may have to be recorded, as far as its trace is known."""
        return may_be_call(run, (self._traces.get(run.span.trace_id) or {run.key: run}).values())

    def has_forgotten(self, trace_id: str) -> bool:
        """Return whether spans of a trace may have come that are not remembered."""
        return len(self._traces.get(trace_id) or ()) in (0, EACH)

    def _is_news(self, reading: Reading) -> bool:
        """Return whether a span was not delivered before, or says more now."""
        was_delivered = self.was_delivered(reading)
        self._seen.remember(reading.key, reading.span)
        return not was_delivered or reading.span.scope == OURS

    def _find_related(self, readings: Iterable[Reading]) -> Iterable[Reading]:
        yield from self._last.values()
        for trace_id in {reading.span.trace_id for reading in readings}:
            yield from self._traces.get(trace_id, {}).values()

    def _remember(self, readings: Iterable[Reading]) -> None:
        changed: dict[str, OrderedDict[Key, Reading]] = {}
        for reading in readings:
            if reading.span.scope == OURS:
                continue
            id = reading.span.trace_id
            trace = changed.pop(id, None) or self._traces.get(id) or OrderedDict()
            trace[reading.key] = emitted = replace(reading, already_emitted=not reading.withheld)
            if len(trace) > EACH:
                trace.popitem(last=False)
            changed[id] = trace
            self._last.remember(reading.key, emitted)
        for id, trace in changed.items():  # once each: all readings of a trace are measured anew
            self._traces.remember(id, trace)


def _is_better(before: Reading, now: Reading) -> bool:
    """Return whether an operation is known better now: where it belongs, or what was said.

    Of a failure of which nothing was known, and of a tool, it is better, too, that another span records it.
    """
    old, new = before.operation, now.operation
    if old is None:
        return new is not None and before.withheld is not None
    if new is None:
        return is_bare_failure(old) or old.tool is not None
    if before.span.trace_id != now.span.trace_id:
        return True
    if is_bare_failure(old) and old.conversation_context != new.conversation_context:
        return True
    if old.tool and new.tool:
        return old.tool.result is None and new.tool.result is not None
    return bool((new.input and not old.input) or (new.output and not old.output))


def _measure(span: SpanRecord) -> int:
    """Return roughly how much memory a reading takes; its operation has the span's texts once more."""
    length = 0
    for attributes in (span.attributes, *[event.attributes for event in span.events]):
        for text in attributes.values():
            if isinstance(text, (str, bytes)):
                length += len(text)
    return READING_BYTES + 2 * length
