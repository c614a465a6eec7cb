"""The one way through: a finished span becomes an operation, messages, requests, and rests in the outbox.

Whoever calls it has durability when it returns; also what waits for something that has not come yet rests
there. A span that cannot be converted is counted and does not keep the others back.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Protocol

from greenflash_otel import internal_errors
from greenflash_otel.conversations.assemble import assemble, assemble_overdue
from greenflash_otel.conversations.changes import DeferralKey, DeferralKind
from greenflash_otel.conversations.deferred import ENTRIES_PER_KEY
from greenflash_otel.conversations.resolve import fallback_conversation_id
from greenflash_otel.conversations.store import WAIT_NS, ConversationStore
from greenflash_otel.conversations.update import ConversationUpdate, MessageItem
from greenflash_otel.greenflash_api import events, messages, organizations, ratings, users
from greenflash_otel.greenflash_api.messages import Address
from greenflash_otel.greenflash_api.request import ApiRequest
from greenflash_otel.ingest.log_correlation import Joiner
from greenflash_otel.ingest.redaction import Feedback, Redaction
from greenflash_otel.ingest.sampling import Sampler
from greenflash_otel.model.operation import MAIN_CALLS, Affiliation
from greenflash_otel.model.telemetry import LogRecord, SpanRecord
from greenflash_otel.outcomes.outcome import Outcome
from greenflash_otel.outcomes.outcome import read as read_outcome
from greenflash_otel.outcomes.ratings import Rating, User
from greenflash_otel.redaction.redact import Redact
from greenflash_otel.semconv import registry
from greenflash_otel.semconv.conventions.agent_runs import RUN, as_call
from greenflash_otel.semconv.correlation import trace
from greenflash_otel.semconv.correlation.recent_spans import Recent
from greenflash_otel.settings import KEEP_ON
from greenflash_otel.state_record import StateRecord


class Store(Protocol):
    """Where requests go: the outbox."""

    def put(self, requests: Iterable[ApiRequest], notes: Sequence[StateRecord] = ()) -> Sequence[ApiRequest]:
        """Keep requests; they are safe once this returns. Gives back those that were refused.

        Args:
            notes: Kept with them, or not at all.

        Raises:
            Exception: A vital note could not be kept; then nothing is.
        """
        ...


class Intake:
    """Converts spans and outcomes and puts them into the outbox. Thread-safe.

    Args:
        conversations: What is known of conversations; its records go into the store.
        sampler: Decides which conversations are kept; None keeps all.
        keep_on: What makes it keep one it would not; see the setting of that name.
        now_ns: The time, Unix nanoseconds.
    """

    def __init__(
        self,
        store: Store,
        address: Address,
        redact: Redact | None = None,
        *,
        conversations: ConversationStore | None = None,
        sampler: Sampler | None = None,
        keep_on: Sequence[str] = KEEP_ON,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._store = store
        self._address = address
        self._redaction = Redaction(redact)
        self._sampler = sampler
        self._keep_on = keep_on
        self._now_ns = now_ns
        self._conversations = conversations or ConversationStore()
        self._joiner = Joiner(self._conversations.uncorrelated)
        self._recent = Recent()
        self._behind_ns = 0
        """How far the time of the last span was behind the clock: what is imported is long past."""
        self._lock = threading.Lock()

    def take(self, spans: Iterable[SpanRecord], *, outcomes: bool = True) -> bool:
        """Convert and keep what the spans tell; whether the store took it all.

        Spans that tell of nothing are passed over. After a refusal it helps to give the spans again.

        Args:
            spans: In any order; a span seen before adds nothing.
            outcomes: False where `take_outcome` was already given what outcome spans tell.
        """
        with self._lock:
            now_ns = self._begin()
            return self._take([self._joiner.take_span(span, now_ns) for span in spans], outcomes, now_ns)

    def take_logs(self, logs: Iterable[LogRecord]) -> bool:
        """Join log records to the spans they belong to, whichever comes first; whether the store took all.

        A record of a span that has not come yet tells nothing, and is kept for it.
        """
        with self._lock:
            now_ns = self._begin()
            return self._take(self._joiner.take_logs(logs, now_ns), False, now_ns)

    def tell_overdue(self) -> None:
        """Convert and keep what has waited too long, also where nothing comes. To be called now and then."""
        with self._lock:
            now_ns = self._begin()
            self._finish(self._late(now_ns - self._behind_ns), now_ns)

    def settle(self) -> None:
        """Convert and keep all that still waits for what it belongs to."""
        with self._lock:
            self._begin()
            self._finish(self._late(None), None)

    def take_outcome(self, outcome: Outcome, affiliation: Affiliation, trace_id: str | None) -> Outcome:
        """Keep an outcome; gives it back with the conversation it was attached to."""
        with self._lock:
            outcome = self._attached(outcome, affiliation, trace_id)
            self._keep([*self._held(outcome.conversation_id), self._request_of(outcome)])
        return outcome

    def take_feedback(self, told: Feedback) -> bool:
        """Keep what was told of a conversation or a user, its texts redacted; whether it is kept."""
        told, conversation_id = self._redaction.feedback(told), None
        if isinstance(told, Rating):
            conversation_id = told.conversation_id
            request = ratings.request_of(told, self._address)
        else:
            request = users.request_of(told) if isinstance(told, User) else organizations.request_of(told)
        with self._lock:
            return self._keep([*self._held(conversation_id), request])

    def forget_lock(self) -> None:
        """In a forked child: the lock may have been held by a thread that does not exist here."""
        self._lock = threading.Lock()

    def _begin(self) -> int:
        """Take up what another process left, and forget what is too old; gives the time."""
        now_ns = self._now_ns()
        self._conversations.restore_deferred(now_ns)
        self._joiner.forget(now_ns)
        return now_ns

    def _take(self, spans: Sequence[SpanRecord], outcomes: bool, now_ns: int) -> bool:
        requests: list[ApiRequest] = []
        for one in self._together([_read(span) for span in spans]):
            with internal_errors.guarded("convert a span"):
                requests += self._late(one.span.end_ns)
                requests += self._requests_of(one, outcomes, now_ns)
                self._behind_ns = now_ns - one.span.end_ns
        return self._finish(requests, now_ns)

    def _together(self, readings: list[trace.Reading]) -> list[trace.Reading]:
        with internal_errors.guarded("convert a span"):
            return self._recent.take(readings)
        return readings

    def _requests_of(self, one: trace.Reading, outcomes: bool, now_ns: int) -> Iterable[ApiRequest]:
        span, operation = one.span, one.operation
        if (outcome := read_outcome(span)) is not None:
            return self._told_elsewhere(outcome, span, now_ns) if outcomes else ()
        if operation and operation.name == RUN:
            operation = as_call(operation, told=self._conversations.index.traces.has(span.trace_id))
        if operation is None:
            return ()
        if (
            operation.name in MAIN_CALLS
            and span.scope != registry.OURS
            and not registry.has_content(operation)
        ):
            self._joiner.await_logs(span, now_ns)
        return self._sifted(assemble(self._conversations, span, operation))

    def _told_elsewhere(self, outcome: Outcome, span: SpanRecord, now_ns: int) -> Sequence[ApiRequest]:
        """What an outcome tells that came as a span; nothing yet if it has to wait for its conversation."""
        if outcome.conversation_id is None and not self._conversations.index.traces.has(span.trace_id):
            waiting, key = self._conversations.outcomes, DeferralKey(DeferralKind.TRACE, span.trace_id)
            if len(waiting.peek(key)) < ENTRIES_PER_KEY:
                waiting.defer(key, span, now_ns + WAIT_NS)
                return ()
        return self._requests_of_outcome(span)

    def _late(self, now_ns: int | None) -> list[ApiRequest]:
        """What operations tell that waited in vain until a span's time."""
        found: list[ApiRequest] = []
        with internal_errors.guarded("convert a span"):
            for update in assemble_overdue(self._conversations, now_ns):
                found += self._sifted(update)
        return found

    def _finish(self, requests: list[ApiRequest], now_ns: int | None) -> bool:
        """Keep requests, and behind them the outcomes that waited for them, or in vain."""
        with internal_errors.guarded("convert a span"):
            waiting, traces = self._conversations.outcomes, self._conversations.index.traces
            known = [DeferralKey(DeferralKind.TRACE, trace_id) for trace_id, _ in traces.pending_changes()]
            for span in (*waiting.release(known), *waiting.expire(now_ns)):
                requests += self._requests_of_outcome(span)
        return self._keep(requests)

    def _keep(self, requests: Sequence[ApiRequest]) -> bool:
        """Of what the store refuses nothing must be known here: told once more, it is news."""
        notes = self._conversations.pending_records(
            self._redaction.waiting, self._is_kept, self._redaction.properties
        )
        refused: Sequence[ApiRequest] = requests
        try:
            refused = self._store.put(requests, notes) if requests or notes else ()
        finally:
            for request in refused:
                self._conversations.forget(request.conversation_id)
            if refused:
                self._conversations.rollback()
                self._recent = Recent()
        if not refused:
            self._conversations.mark_persisted()
        return not refused

    def _is_kept(self, conversation_id: str) -> bool:
        return self._sampler is None or self._sampler.keeps(conversation_id)

    def _sifted(self, update: ConversationUpdate) -> Iterable[ApiRequest]:
        """The requests of an update, if its conversation is one that is kept."""
        requests = messages.requests_of(self._redaction.update(update), self._address)
        if self._sampler is None:
            return requests
        if "error" in self._keep_on and any(map(_tells_of_an_error, update.messages)):
            return [*self._sampler.keep(update.conversation_id), *requests]
        return self._sampler.sift(update.conversation_id, requests)

    def _held(self, conversation_id: str | None) -> Sequence[ApiRequest]:
        """What was held of a conversation that an outcome makes one to keep."""
        if self._sampler is None or not conversation_id or "outcome" not in self._keep_on:
            return ()
        return self._sampler.keep(conversation_id)

    def _requests_of_outcome(self, span: SpanRecord) -> Sequence[ApiRequest]:
        """Those of an outcome that came as a span; of the conversation of its trace, if it has one."""
        outcome = read_outcome(span)
        if outcome is None:
            return ()
        if self._conversations.index.traces.has(span.trace_id):
            outcome = self._attached(outcome, Affiliation(), span.trace_id)
        return [*self._held(outcome.conversation_id), self._request_of(outcome)]

    def _attached(self, outcome: Outcome, affiliation: Affiliation, trace_id: str | None) -> Outcome:
        fallback_id = fallback_conversation_id(self._conversations.index, trace_id, affiliation)
        id = outcome.conversation_id or fallback_id or None
        known = self._conversations.state(id).facts if id else None
        return replace(
            outcome,
            conversation_id=id,
            user_id=outcome.user_id or (known.user_id if known else None),
            organization_id=outcome.organization_id or (known.organization_id if known else None),
        )

    def _request_of(self, outcome: Outcome) -> ApiRequest:
        return events.request_of(self._redaction.outcome(outcome), self._address)


def _read(span: SpanRecord) -> trace.Reading:
    with internal_errors.guarded("convert a span"):
        return trace.read(span)
    return trace.Reading(span)


def _tells_of_an_error(message: MessageItem) -> bool:
    return message.type == "tool_error" or "error" in message.properties
