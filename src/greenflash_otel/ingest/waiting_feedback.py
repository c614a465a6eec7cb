"""Let outcomes and ratings wait for what they belong to: a conversation of their trace, or the rated answer.

A thumb under an answer often arrives in another process than the one that captured the answer. It may come first: the
answer is converted when its stream has ended. So a rating of an answer that nobody knows yet waits. It is looked for in
this process with each commit, and in what other processes noted now and then.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace

from greenflash_otel.conversations.changes import DeferralKey, DeferralKind
from greenflash_otel.conversations.deferred import ENTRIES_PER_KEY
from greenflash_otel.conversations.store import ConversationStore, find_wait_ns
from greenflash_otel.ingest.attachment import (
    Answer,
    awaits_answer,
    belongs_to_others,
    find_answer,
    waits_for_trace,
)
from greenflash_otel.ingest.notes import Notes
from greenflash_otel.model.operation import ConversationContext
from greenflash_otel.model.telemetry import SpanRecord
from greenflash_otel.outcomes import rating_span
from greenflash_otel.outcomes.outcome import Outcome
from greenflash_otel.outcomes.ratings import Rating
from greenflash_otel.outcomes.span import SPAN_NAME, attributes_of
from greenflash_otel.semconv.genai import attributes_of_context

LATE_OUTCOME = "greenflash_otel.late_outcome"
"""Scope of a span that is an outcome or a rating which waits."""
LOOK_NS = 2_000_000_000
"""How often the notes of other processes are read for answers that are waited for."""
MOST_LOOKUPS = 100
"""Answers that are looked for at a time."""


class WaitingFeedback:
    """Spans of outcomes and ratings that wait. Not thread-safe: the ingest thread owns it."""

    def __init__(self, conversations: ConversationStore, notes: Notes) -> None:
        self._conversations = conversations
        self._waiting = conversations.outcomes
        self._notes = notes
        self._look_at_ns = 0

    def find_due_ns(self) -> int | None:
        """Return when to look for rated answers again; None if none is waited for."""
        return self._look_at_ns if self._waiting.has_entries and self._list_awaited() else None

    def find_answer(self, thing: SpanRecord | Rating) -> Answer | None:
        """Find the answer that a rating, or the span of one, names; None for an outcome."""
        rating = thing if isinstance(thing, Rating) else _read_rating(thing)
        return None if rating is None else find_answer(self._conversations, rating, self._notes)

    def defer(self, span: SpanRecord, answer: Answer | None, now_ns: int) -> bool:
        """Store the span of an outcome or a rating if what it belongs to may still come. Return whether it waits.

        Args:
            answer: What `find_answer` found.
        """
        rating = _read_rating(span)
        if rating is not None and rating.message_id is not None:
            return self._defer_rating(rating, answer, span, now_ns)
        is_early = waits_for_trace(self._conversations, span)
        return is_early and self._defer(DeferralKey(DeferralKind.TRACE, span.trace_id), span, now_ns)

    def defer_rating(
        self,
        rating: Rating,
        answer: Answer | None,
        context: ConversationContext,
        trace_id: str | None,
        now_ns: int,
    ) -> bool:
        """Store a rating if nobody knows yet which message the rated answer is. Return whether it waits."""
        return self._defer_rating(rating, answer, make_span(rating, context, trace_id), now_ns)

    def _defer_rating(self, rating: Rating, answer: Answer | None, span: SpanRecord, now_ns: int) -> bool:
        if not awaits_answer(rating, answer):
            return False
        return self._defer(DeferralKey(DeferralKind.ANSWER, str(rating.message_id)), span, now_ns)

    def _defer(self, key: DeferralKey, span: SpanRecord, now_ns: int) -> bool:
        if len(self._waiting.peek(key)) >= ENTRIES_PER_KEY:
            return False
        if key.kind is DeferralKind.ANSWER and not self._list_awaited():
            self._look_at_ns = now_ns + LOOK_NS
        self._waiting.defer(key, span, now_ns + find_wait_ns(key))
        return True

    def release(self, now_ns: int | None) -> list[tuple[SpanRecord, Answer | None]]:
        """Return what waits no longer, in order: what it waited for is known, or its time is over.

        A rating comes with the answer that was found for it.

        Args:
            now_ns: None returns all that waits.
        """
        if not self._waiting.has_entries:
            return []
        index = self._conversations.index
        noted: dict[str | None, Answer] = {}
        known = [DeferralKey(DeferralKind.TRACE, id) for id, _ in index.traces.list_pending_changes()]
        known += [DeferralKey(DeferralKind.ANSWER, id) for id, _ in index.responses.list_pending_changes()]
        if now_ns is not None and now_ns >= self._look_at_ns:
            self._look_at_ns = now_ns + LOOK_NS
            for key in self._list_awaited()[:MOST_LOOKUPS]:
                if (answer := self._notes.find_response(key.id)) is not None:
                    noted[key.id] = answer
                    known.append(key)
        late = (*self._waiting.release(known), *self._waiting.expire(now_ns))
        ordered = sorted(late, key=lambda span: (belongs_to_others(span), span.start_ns))
        return [(span, noted.get(_read_rated_id(span)) or self.find_answer(span)) for span in ordered]

    def _list_awaited(self) -> list[DeferralKey]:
        return [key for key in self._waiting.list_keys() if key.kind is DeferralKind.ANSWER]


def _read_rating(span: SpanRecord) -> Rating | None:
    return rating_span.read(span)[0] if rating_span.is_rating(span) else None


def _read_rated_id(span: SpanRecord) -> str | None:
    rating = _read_rating(span)
    return None if rating is None else rating.message_id


def make_span(thing: Outcome | Rating, context: ConversationContext, trace_id: str | None) -> SpanRecord:
    """Write an outcome or a rating as a span, which can wait as those of others do."""
    if isinstance(thing, Rating):
        at_ns, name, own, key = thing.rated_at_ns, rating_span.SPAN_NAME, rating_span.attributes_of(thing), ""
    else:
        at_ns, name, own, key = thing.event_at_ns, SPAN_NAME, attributes_of(thing), thing.insert_id
    span_id = hashlib.blake2b(f"{key} {at_ns} {own}".encode(errors="replace"), digest_size=8).hexdigest()
    named = {
        mark: v for mark, v in attributes_of_context(replace(context, prompt=None)).items() if v is not None
    }
    return SpanRecord(
        trace_id or "0" * 32, span_id, name, at_ns, at_ns, attributes={**named, **own}, scope=LATE_OUTCOME
    )
