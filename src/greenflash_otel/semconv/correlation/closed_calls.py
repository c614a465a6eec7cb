"""Recognise model calls that no other span says anything about. Pure.

Spans are read together because one often says what another leaves out. For most calls there is no other: their
trace has nothing else, and they say all of themselves. Those are read alone, however much was read before.

| a call is read with others if                             | because                                       |
|-----------------------------------------------------------|-----------------------------------------------|
| its trace has other spans                                 | they may name it, contain it, or be part of it |
| it failed, or lacks its question or its answer            | another layer of it may say that              |
| it has calls of tools, or their results                   | they are linked with other spans              |
| one of another scope ran within it, or around it          | both may be layers of one call                |
| something was embedded or looked up shortly before        | that may have been for it                     |
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Sequence

from greenflash_otel.model.operation import MAIN_CALLS, Media, Reasoning, Text
from greenflash_otel.model.roles import TOOL
from greenflash_otel.semconv.correlation.layer_kinds import LOOKUPS
from greenflash_otel.semconv.correlation.rag import SOON_NS
from greenflash_otel.semconv.correlation.reading import Reading

PLAIN = frozenset({Text, Reasoning, Media})
"""Types of parts that no other span has to explain."""


def find_closed(
    readings: Sequence[Reading], known_readings: Iterable[Reading], traces: Container[str]
) -> list[Reading]:
    """Find the calls among new readings that neither each other nor known readings say anything about.

    Args:
        known: What was read before and may concern any trace.
        traces: Those of which something was read before.
    """
    counts = Counter([reading.span.trace_id for reading in readings])
    closed = [
        reading
        for reading in readings
        if counts[reading.span.trace_id] == 1 and reading.span.trace_id not in traces and _is_whole(reading)
    ]
    others = [reading for reading in (*known_readings, *readings) if reading.operation is not None]
    return [reading for reading in closed if not _concerns_any(reading, others)]


def _is_whole(reading: Reading) -> bool:
    """Return whether a span of another instrumentation records a call that says all of itself."""
    operation = reading.operation
    if operation is None or operation.name not in MAIN_CALLS or reading.is_ours:
        return False
    if operation.failure is not None or operation.ending != "completed" or reading.already_emitted:
        return False
    if not operation.input or not operation.output or operation.conversation_context.tool_call_id:
        return False
    for message in (*operation.input, *operation.output):
        if message.role == TOOL:
            return False
        for part in message.parts:
            if type(part) not in PLAIN:
                return False
    return True


def _concerns_any(call: Reading, others: Iterable[Reading]) -> bool:
    """Return whether any of other operations may be a layer of a call, or may have been made for it."""
    scope, start_ns, end_ns = call.span.scope, call.span.start_ns, call.span.end_ns
    for other in others:
        span, operation = other.span, other.operation
        if span.scope != scope and (
            start_ns <= span.start_ns <= span.end_ns <= end_ns
            or span.start_ns <= start_ns <= end_ns <= span.end_ns
        ):
            return True
        is_lookup = operation is not None and operation.name in LOOKUPS
        if is_lookup and span.end_ns <= start_ns <= span.end_ns + SOON_NS:
            return True
    return False
