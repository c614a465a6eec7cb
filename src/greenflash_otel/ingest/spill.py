"""Keep spans that wait for their conversion where memory is short: on disk, or packed in memory.

What must be redacted, or whose content is off, never reaches the disk raw. Such spans are packed in memory,
up to a bound. Everything else goes to the outbox file, and is converted from there, by the next process if
need be.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from greenflash_otel import internal_errors
from greenflash_otel.delivery.batcher import BATCH, BATCH_BYTES
from greenflash_otel.delivery.outbox import Outbox
from greenflash_otel.delivery.threads import Ticket
from greenflash_otel.model.telemetry import Attributes, AttributeValue, SpanEvent, SpanRecord

PACKED_BYTES: Final = 24 * 1024 * 1024
"""What packed spans may take in memory."""
_BYTES: Final = "greenflash.bytes"
"""The name under which bytes are written as base64: JSON has none."""
LONG_TEXT: Final = 1024
"""A text of so many characters is written as it is, and not as JSON."""


class SpanSpill:
    """Where spans wait for which there is no room in memory.

    Args:
        may_use_disk: Whether spans may be written as they were captured.
        reason: Why a span is lost for which there is no room here either.
    """

    def __init__(self, outbox: Outbox, *, may_use_disk: bool, reason: str) -> None:
        self._outbox = outbox
        self._may_use_disk = may_use_disk
        self.reason = reason
        self._packed: deque[tuple[int, bytes]] = deque()
        self._packed_in_bytes = self._packed_out_bytes = 0
        """Each is counted up by one thread only: the writer's, and the ingest thread."""
        self._last_id = 0

    def is_on_disk(self) -> bool:
        """Return whether what is stored here survives the process."""
        return self._may_use_disk and self._outbox.is_file()

    def is_empty(self) -> bool:
        """Return whether nothing waits here."""
        return not self._packed and not self._outbox.captured

    def find_last_id(self) -> int:
        """Return the id of the newest span."""
        return self._last_id

    def run_later(self, act: Callable[[], None]) -> Ticket:
        """Let the writer's thread do something."""
        return self._outbox.run_later(act)

    def store(self, items: Sequence[Any]) -> int:
        """Keep spans; return how many could not be stored. Called by the writer's thread."""
        bodies = []
        for item in items:
            with internal_errors.guarded("keep a span that waits for its conversion"):
                span: Any = item() if callable(item) else item
                bodies.append(write_span(span))
        unreadable = len(items) - len(bodies)
        if not self._packed and self.is_on_disk() and (last_id := self._outbox.put_captured_here(bodies)):
            self._last_id = last_id
            return unreadable
        return unreadable + self._pack(bodies)

    def store_redacted(self, span: SpanRecord) -> bool:
        """Store a span whose texts may be on disk. Return whether it is stored. Called by the writer's thread."""
        body = write_span(span)
        if last_id := self._outbox.put_captured_here([body]):
            self._last_id = max(self._last_id, last_id)
            return True
        return not self._pack([body])

    def begin_in_child(self) -> None:
        """Start empty in a forked child."""
        self._packed.clear()
        self._packed_in_bytes = self._packed_out_bytes = 0

    def fetch(self) -> tuple[list[Any], int]:
        """Return the oldest spans, and the id of the last; those on disk go when they are converted."""
        if rows := self._outbox.read_captured(BATCH, BATCH_BYTES) if self._outbox.captured else []:
            return [span for _, body in rows if (span := _read(body)) is not None], rows[-1][0]
        packed: list[Any] = []
        size = 0
        while self._packed and len(packed) < BATCH and size < BATCH_BYTES:
            _, body = self._packed.popleft()
            self._packed_out_bytes += len(body)
            size += len(body)
            if (span := _read(zlib.decompress(body))) is not None:
                packed.append(span)
        return packed, 0

    def _pack(self, bodies: Sequence[bytes]) -> int:
        for at, body in enumerate(bodies):
            packed = zlib.compress(body, 1)
            if self._packed_in_bytes - self._packed_out_bytes + len(packed) > PACKED_BYTES:
                return len(bodies) - at
            self._last_id += 1
            self._packed.append((self._last_id, packed))
            self._packed_in_bytes += len(packed)
        return 0


def write_span(span: SpanRecord) -> bytes:
    """Write a span as bytes that `read_span` reads again.

    They are a line of JSON and, behind it, the long texts as they are. JSON would look at each character of a
    megabyte, and keep every other thread of the interpreter waiting meanwhile.
    """
    texts: list[bytes] = []
    places: list[tuple[int, str, int]] = []
    named = [span.attributes, *(event.attributes for event in span.events)]
    short = [_split_off(at, attributes, texts, places) for at, attributes in enumerate(named)]
    events = [[event.name, event.time_ns, own] for event, own in zip(span.events, short[1:], strict=True)]
    times = [span.name, span.start_ns, span.end_ns, span.parent_span_id]
    status = [span.status, span.status_description, span.scope, dict(span.resource)]
    value = [span.trace_id, span.span_id, *times, short[0], events, *status, places]
    head = json.dumps(value, separators=(",", ":"), default=_write_unusual).encode()
    return b"".join((head, b"\n", *texts))


def read_span(body: bytes) -> SpanRecord:
    """Read what `write_span` wrote.

    Raises:
        ValueError: It is nothing of the kind.
    """
    end = body.find(b"\n")
    match json.loads(body[:end], object_hook=_restore_unusual):
        case [
            trace_id,
            span_id,
            name,
            start,
            end_ns,
            parent,
            own,
            events,
            status,
            text,
            scope,
            resource,
            places,
        ]:
            named = [own, *(event[2] for event in events)]
            at = end + 1
            for of, attribute, size in places:
                named[of][attribute] = body[at : at + size].decode("utf-8", "surrogatepass")
                at += size
            read_events = tuple(SpanEvent(*event) for event in events)
            return SpanRecord(
                trace_id,
                span_id,
                name,
                start,
                end_ns,
                parent,
                own,
                read_events,
                status,
                text,
                scope,
                resource,
            )
    raise ValueError("not a span")


def _split_off(
    at: int, attributes: Attributes, texts: list[bytes], places: list[tuple[int, str, int]]
) -> dict[str, AttributeValue]:
    """Return attributes without the long texts, and add these to what follows."""
    short = dict(attributes)
    for name, value in attributes.items():
        if isinstance(value, str) and len(value) >= LONG_TEXT:
            texts.append(value.encode("utf-8", "surrogatepass"))
            places.append((at, name, len(texts[-1])))
            short[name] = None  # it keeps its place among the others
    return short


def _read(body: bytes | None) -> SpanRecord | None:
    with internal_errors.guarded("read a span that waited for its conversion", lost="outbox_damaged"):
        if body is None:
            raise ValueError("its checksum is wrong")
        return read_span(body)
    return None


def _write_unusual(value: object) -> object:
    """Write what JSON has no word for: bytes, and mappings and sequences of other kinds."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        return {_BYTES: base64.b64encode(bytes(value)).decode()}
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Sequence):
        return list(value)
    return None


def _restore_unusual(value: dict[str, Any]) -> Any:
    return base64.b64decode(value[_BYTES]) if value.keys() == {_BYTES} else value
