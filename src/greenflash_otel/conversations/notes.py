"""What is remembered, as text that outlives the process. Pure.

`Memory` writes notes of what changed, and asks for them again by topic when it needs what it does not know.
Whoever keeps them, keeps them in the order given. A note holds hashes, ids and times; only that of an
operation that waits holds what was said, and its owner redacts that first.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from greenflash_otel.conversations.thread import Position
from greenflash_otel.operations import Operation
from greenflash_otel.semconv import genai
from greenflash_otel.spans import SpanRecord

VERSION = 1
"""Of all that is written here. A note of another version is not understood."""

_ENCODER = json.JSONEncoder(separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class Note:
    """Something to be kept."""

    topic: str
    value: str | None
    """None: what was noted on the topic no longer holds."""
    adds: bool = False
    """Whether it stands beside earlier notes on the topic, or in place of them."""


class Notebook(Protocol):
    """Who keeps notes beyond the end of the process: the outbox."""

    def recall(self, topic: str) -> Sequence[str]:
        """What an earlier process noted on a topic, oldest first."""
        ...

    def recall_found(self, beginning: str) -> Sequence[str]:
        """The same, of all topics that begin so; each note once."""
        ...


class Blank:
    """A notebook that has nothing in it."""

    def recall(self, topic: str) -> Sequence[str]:
        """Nothing."""
        return ()

    def recall_found(self, beginning: str) -> Sequence[str]:
        """Nothing."""
        return ()


def write(value: object) -> str:
    """A note's text."""
    return _ENCODER.encode([VERSION, value])


def read(text: str) -> Any:  # what was given to `write`, tuples as lists
    """The value of a note.

    Raises:
        ValueError: It is of another version, or no note at all.
    """
    version, value = json.loads(text)
    if version != VERSION:
        raise ValueError(f"version {version}")
    return value


def write_position(position: Position) -> list[object]:
    """A place in a conversation."""
    one = position
    return [one.tip, one.visible, one.asked, one.requested, one.agentic, one.calls]


def read_position(values: Sequence[Any]) -> Position:
    """The place that was written."""
    tip, visible, asked, requested, agentic, calls = values
    return Position(tip, visible, asked, requested, agentic, tuple((call, id) for call, id in calls))


def write_held(span: SpanRecord, operation: Operation) -> list[object]:
    """An operation that waits, with what counts of its span."""
    told = [span.trace_id, span.span_id, span.name, span.start_ns, span.end_ns, span.status]
    failure = operation.failure
    return [*told, failure.message if failure else None, genai.attributes_of(operation)]


def read_held(values: Sequence[Any]) -> tuple[SpanRecord, Operation]:
    """The operation that was written.

    Raises:
        ValueError: It is none.
    """
    trace_id, span_id, name, start_ns, end_ns, status, message, attributes = values
    span = SpanRecord(
        trace_id,
        span_id,
        name,
        start_ns,
        end_ns,
        attributes=attributes,
        status=status,
        status_description=message,
    )
    operation = genai.read(span)
    if operation is None:
        raise ValueError(name)
    return span, operation
