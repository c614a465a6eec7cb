"""Read of a long input only what is new: how it begins was often read before. Pure but for a bounded memory.

It knows beginnings by digests, so nothing of what was said is retained. What it does not know is read whole:
forgetting costs time only.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import replace

from greenflash_otel.lru import ByteBoundLruDict
from greenflash_otel.model.long_input import Beginning, LongInput, Place
from greenflash_otel.model.operation import MAIN_CALLS, Message, Operation
from greenflash_otel.model.roles import SYSTEM_ROLES
from greenflash_otel.model.telemetry import Attributes, SpanRecord
from greenflash_otel.semconv import registry
from greenflash_otel.semconv.attributes import read_text
from greenflash_otel.semconv.correlation.reading import Reading, read
from greenflash_otel.semconv.genai import INPUT_MESSAGES, OPERATION_NAME
from greenflash_otel.semconv.prompt_attributes import TEMPLATES

LEAST_CHARS = 2_000
"""Characters of a shorter input are cheaper to read than to look up."""
QUESTIONS = 3
"""The newest questions of an input before which a known beginning may end."""
BEGINNINGS = 20_000
BEGINNINGS_BYTES = 4 * 1024 * 1024
"""Of all that are known, roughly."""
BEGINNING_BYTES = 500
"""What one takes besides the name of its conversation."""

OTHER_MARKERS = frozenset[str]().union(
    *(names for convention, names in registry.MARKERS.items() if convention != "OpenTelemetry GenAI"),
    TEMPLATES,
)
"""Attributes with which a span may say its input elsewhere, or say what depends on all of it."""

_read_entry = json.JSONDecoder().raw_decode


class LongInputs:
    """Knows how inputs began. Not thread-safe: its owner serialises access.

    Args:
        least_chars: Of an input that is looked up; None: none is.
    """

    def __init__(self, least_chars: int | None = LEAST_CHARS) -> None:
        self.least_chars = least_chars
        self._known: ByteBoundLruDict[Place, Beginning] = ByteBoundLruDict(
            BEGINNINGS,
            BEGINNINGS_BYTES,
            lambda place, beginning: BEGINNING_BYTES + len(beginning.conversation_id),
        )

    @property
    def size_bytes(self) -> int:
        """Roughly how much memory takes what is known."""
        return self._known.size_bytes

    def list_known(self) -> Iterable[tuple[Place, Beginning]]:
        """Return all that is known, oldest first."""
        return self._known.items()

    def learn(self, place: Place, beginning: Beginning) -> None:
        """Remember what became of what is before a place."""
        self._known.remember(place, beginning)

    def read(self, span: SpanRecord) -> Reading:
        """Read what one span says by itself; of a long input perhaps only what follows a known beginning."""
        document = span.attributes.get(INPUT_MESSAGES)
        if (
            self.least_chars is None
            or not isinstance(document, str)
            or len(document) < self.least_chars
            or not _is_plain(span)
        ):
            return read(span)
        places = _list_questions(document)
        if not places:
            return read(span)
        place = next((place for place in places if place in self._known), None)
        beginning = self._known[place] if place else None
        operation_span = span
        if place and beginning:
            rest = document[: beginning.prompt_end] + document[place.at :]
            operation_span = replace(span, attributes={**span.attributes, INPUT_MESSAGES: rest})
        reading = read(operation_span)
        long_input = _make_long_input(span, document, places[0], beginning)
        if reading.operation is None or long_input is None:
            return read(span) if beginning else reading
        return replace(reading, span=span, operation=replace(reading.operation, long_input=long_input))


def _make_long_input(
    span: SpanRecord, document: str, last_question: Place, beginning: Beginning | None
) -> LongInput | None:
    """Describe an input; None if it is not JSON that is made as expected."""
    try:
        entries = json.loads(f"[{document[last_question.at :]}")
        prompt_end = beginning.prompt_end if beginning else _find_prompt_end(document)
    except (ValueError, RecursionError):
        return None
    if not isinstance(entries, list):
        return None

    def read_whole() -> tuple[Message, ...]:
        operation: Operation | None = registry.read(span)
        return operation.input if operation else ()

    return LongInput(last_question, prompt_end, len(entries), read_whole, beginning)


def _is_plain(span: SpanRecord) -> bool:
    """Return whether a span says in its messages attribute, and nowhere else, what a call was given."""
    attributes: Attributes = span.attributes
    return (
        read_text(attributes, OPERATION_NAME) in MAIN_CALLS
        and not span.events
        and OTHER_MARKERS.isdisjoint(attributes)
    )


def _list_questions(document: str) -> list[Place]:
    """Find where the newest messages of the user begin in a list of messages as JSON, the newest first."""
    mark = '{"role": "user"' if document.startswith('[{"role": ') else '{"role":"user"'
    positions: list[int] = []
    at = len(document)
    while len(positions) < QUESTIONS and (at := document.rfind(mark, 0, at)) > 1:
        if document[at - 1] == "," or document[at - 2 : at] == ", ":
            positions.append(at)
    digest, before, places = hashlib.blake2b(digest_size=16), 0, list[Place]()
    for at in reversed(positions):
        digest.update(document[before:at].encode("utf-8", "surrogatepass"))
        places.append(Place(at, digest.copy().digest()))
        before = at
    return places[::-1]


def _find_prompt_end(document: str) -> int:
    """Return where the first message begins that is no part of the system prompt."""
    at = document.index("[") + 1
    while True:
        entry, end = _read_entry(document, at)
        if not isinstance(entry, dict) or entry.get("role") not in SYSTEM_ROLES:
            return at
        at = document.index("{", end)
