"""Remember next to a span whose conversation it belongs to, so that nothing has to be written on it.

The application may export a span anywhere, so user and properties must not be on it. A table has them from the
moment the span starts, and an exporter of ours joins them to the span when it reads it.

No lock is taken: spans start in signal handlers and in ``__del__`` too.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any, Final, TypeAlias

from opentelemetry.context import Context
from opentelemetry.sdk.trace import Span
from opentelemetry.trace import SpanContext

from greenflash_otel import internal_errors
from greenflash_otel.context import get_conversation_context
from greenflash_otel.model.operation import ConversationContext
from greenflash_otel.semconv.genai import CONVERSATION_ID, Attribute, attributes_of_context
from greenflash_otel.semconv.registry import recognises
from greenflash_otel.suppression import is_redacting

MAX_OPEN: Final = 10_000
"""Spans that are remembered while they run."""
MAX_ENDED: Final = 10_000
"""Spans that are remembered after their end, for exporters that get them later."""
MAX_BYTES: Final = 8 * 1024 * 1024
"""Text in what is remembered of each kind, roughly; conversations that several spans share count once."""
MAX_OPEN_S: Final = 24 * 3600.0
"""Age at which a span that never ended is forgotten."""
MAX_ENDED_S: Final = 600.0
"""Time for which an exporter can still ask for a span that ended."""
CHECK_EVERY: Final = 256
"""Spans after which age and size are checked."""
NODES: Final = 500
"""Values in the properties of a conversation that are measured; more are estimated."""

Key: TypeAlias = tuple[int, int]
NOBODY: Final = ConversationContext()


@dataclass(frozen=True, slots=True)
class SpanNote:
    """What is remembered of a span."""

    conversation_context: ConversationContext = NOBODY
    is_ignored: bool = False
    """Whether no exporter of ours may read it: it began in a redaction function."""
    recorded_by: int | None = None
    """The pipeline, by ``id()``, that has what the span says already."""


_NOTHING: Final = SpanNote()


class _Notes:
    """Notes by span: bounded in entries, in bytes, and in age."""

    def __init__(self, step: str | None, limit: int, max_age_s: float, now_s: Callable[[], float]) -> None:
        self._step = step
        """Where to count it that a note had to go before its time; None: that is usual."""
        self._limit, self._max_age_s, self._now_s = limit, max_age_s, now_s
        self._notes: OrderedDict[Key, tuple[SpanNote, float]] = OrderedDict()
        self._count = count(1)
        self._unchecked_bytes = 0
        self._measured = NOBODY
        """What was measured last: the spans of a conversation tend to follow each other."""
        self._checking = threading.Lock()
        """No thread waits for it: one that finds it locked leaves the check to its owner."""

    def put(self, key: Key, note: SpanNote) -> None:
        self._notes[key] = (note, self._now_s())
        if len(self._notes) > self._limit:
            self._drop_oldest()
        context = note.conversation_context
        if (context.properties or context.message_properties) and context is not self._measured:
            self._measured = context
            self._unchecked_bytes += text_bytes_of(context)
        if next(self._count) % CHECK_EVERY == 0 or self._unchecked_bytes > MAX_BYTES // 8:
            self._check()

    def get(self, key: Key) -> SpanNote | None:
        entry = self._notes.get(key)
        return None if entry is None else entry[0]

    def pop(self, key: Key) -> SpanNote | None:
        entry = self._notes.pop(key, None)
        return None if entry is None else entry[0]

    def clear(self) -> None:
        self._notes.clear()
        self._measured = NOBODY

    def __len__(self) -> int:
        return len(self._notes)

    def text_bytes(self) -> int:
        distinct = {
            id(note.conversation_context): note.conversation_context for note, _ in self._copy_notes()
        }
        return sum(map(text_bytes_of, distinct.values()))

    def _copy_notes(self) -> list[tuple[SpanNote, float]]:
        try:
            return list(self._notes.values())
        except RuntimeError:  # another thread changed it meanwhile; the next check comes soon
            return []

    def _check(self) -> None:
        if not self._checking.acquire(blocking=False):
            return
        try:
            self._unchecked_bytes = 0
            oldest_s = self._now_s() - self._max_age_s
            entries = self._copy_notes()
            for _, noted_s in entries:
                if noted_s >= oldest_s:
                    break
                self._drop_oldest(is_expected=True)
            self._shrink(entries)
        finally:
            self._checking.release()

    def _shrink(self, entries: list[tuple[SpanNote, float]]) -> None:
        """Drop the oldest notes until the others are small enough."""
        seen, total, retained = set[int](), 0, 0
        for note, _ in reversed(entries):
            if id(note.conversation_context) not in seen:
                seen.add(id(note.conversation_context))
                total += text_bytes_of(note.conversation_context)
                if total > MAX_BYTES:
                    break
            retained += 1
        while len(self._notes) > retained and retained < len(entries):
            self._drop_oldest()

    def _drop_oldest(self, *, is_expected: bool = False) -> None:
        try:
            self._notes.popitem(last=False)
        except KeyError:  # another thread was quicker
            return
        if self._step is not None and not is_expected:
            internal_errors.count(self._step, OverflowError())


def text_bytes_of(conversation_context: ConversationContext) -> int:
    """Estimate the size of the texts of a conversation context, in bytes."""
    texts = (
        conversation_context.conversation_id,
        conversation_context.user_id,
        conversation_context.organization_id,
    )
    total, nodes = sum(len(text) for text in texts if text), 0
    prompt = conversation_context.prompt
    stack: list[object] = [conversation_context.properties, conversation_context.message_properties]
    if prompt is not None:
        stack += [prompt.template, prompt.variables, *(component.content for component in prompt.components)]
    while stack:
        value, nodes = stack.pop(), nodes + 1
        if nodes > NODES:
            return total + len(stack) * max(1, total // nodes)
        if isinstance(value, (str, bytes)):
            total += len(value)
        elif isinstance(value, Mapping):
            stack += [*value.keys(), *value.values()]
        elif isinstance(value, (list, tuple)):
            stack += value
        else:
            total += 8
    return total


def _key_of(context: SpanContext | None) -> Key:
    return (context.trace_id, context.span_id) if context is not None else (0, 0)


class SpanContexts:
    """A bounded table of spans that run, and of those that ended a while ago."""

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._open = _Notes("remember whose conversation a span belongs to", MAX_OPEN, MAX_OPEN_S, now_s)
        self._ended = _Notes(None, MAX_ENDED, MAX_ENDED_S, now_s)
        self._readers: weakref.WeakSet[object] = weakref.WeakSet()

    def add_reader(self, reader: object) -> None:
        """Add a reader, which will look up spans."""
        self._readers.add(reader)

    def remove_reader(self, reader: object) -> None:
        """Remove a reader. Without any reader, nothing is remembered."""
        self._readers.discard(reader)
        if not self._readers:
            self.clear()

    def note_start(self, span: Span, parent_context: Context | None) -> None:
        """Remember whose conversation a span belongs to that starts in ``parent_context``."""
        if is_redacting(parent_context):
            self._open.put(_key_of(span.get_span_context()), SpanNote(is_ignored=True))
            return
        conversation_context = get_conversation_context(parent_context)
        if not (
            conversation_context.conversation_id
            or conversation_context.scope_id
            or conversation_context.internal
            or conversation_context.tool_call_id
            or conversation_context.message_properties
        ):
            return
        self._open.put(_key_of(span.get_span_context()), SpanNote(conversation_context))
        if conversation_context.conversation_id:
            own = span.attributes
            if own and CONVERSATION_ID not in own and recognises(own):
                span.set_attribute(CONVERSATION_ID, conversation_context.conversation_id)

    def note_recorded(self, context: SpanContext, pipeline: object) -> None:
        """Remember that ``pipeline`` has what the span says, so that it does not take it again."""
        self._open.put(_key_of(context), SpanNote(recorded_by=id(pipeline)))

    def note_end(self, context: SpanContext | None, *, keep: bool) -> SpanNote:
        """Return what is known of a span that ended.

        Args:
            keep: Whether an exporter may ask for it later.
        """
        key = _key_of(context)
        note = self._open.pop(key)
        if keep and note is not None:
            self._ended.put(key, note)
        return note or _NOTHING

    def find(self, context: SpanContext | None) -> SpanNote:
        """Return what is known of a span, whether it runs or ended a while ago."""
        key = _key_of(context)
        return self._open.get(key) or self._ended.get(key) or _NOTHING

    def __len__(self) -> int:
        return len(self._open) + len(self._ended)

    @property
    def text_bytes(self) -> int:
        """Size of the text in what is remembered, roughly."""
        return self._open.text_bytes() + self._ended.text_bytes()

    def clear(self) -> None:
        """Forget all spans."""
        self._open.clear()
        self._ended.clear()

    def reset_for_tests(self) -> None:
        """Forget spans and readers, so that one test does not see what another did."""
        self._readers.clear()
        self.clear()


SPAN_CONTEXTS: Final = SpanContexts()
"""Those of the process."""


def join_conversation(
    attributes: Mapping[str, object], conversation_context: ConversationContext
) -> dict[str, Any]:
    """Return the attributes of a span with its conversation joined; what its author wrote wins."""
    found = attributes_of_context(conversation_context)
    return {**{name: value for name, value in found.items() if value is not None}, **attributes}


def select_conversation(conversation_context: ConversationContext) -> dict[str, Attribute]:
    """Return the one attribute that any span may carry."""
    return (
        {CONVERSATION_ID: conversation_context.conversation_id}
        if conversation_context.conversation_id
        else {}
    )
