"""The one way through: a finished span becomes an operation, messages, requests, and rests in the outbox.

Whoever calls it has durability when it returns; also what waits for something that has not come yet rests
there. A span that cannot be converted is counted and does not keep the others back.
"""

from __future__ import annotations

import math
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from greenflash_otel import internal_errors
from greenflash_otel.conversations.assemble import assemble, assemble_overdue
from greenflash_otel.conversations.store import ConversationStore
from greenflash_otel.conversations.update import ConversationUpdate
from greenflash_otel.greenflash_api import events, messages
from greenflash_otel.greenflash_api.messages import Address
from greenflash_otel.greenflash_api.request import ApiRequest
from greenflash_otel.ingest import feedback_requests
from greenflash_otel.ingest.attachment import (
    Answer,
    attach_outcome,
    attach_rating,
    attach_span,
    belongs_to_others,
    read_identity,
)
from greenflash_otel.ingest.chain_runs import defer_run, release_runs, settle_run
from greenflash_otel.ingest.conversion import CONVERSION_FAILED, Converting, StateStore
from greenflash_otel.ingest.log_correlation import Joiner
from greenflash_otel.ingest.notes import Notes, NoteStore
from greenflash_otel.ingest.process_facts import ProcessFacts
from greenflash_otel.ingest.redaction import Feedback, Redaction
from greenflash_otel.ingest.sampling import Sampler, has_error
from greenflash_otel.ingest.waiting_feedback import WaitingFeedback
from greenflash_otel.ingest.waiting_spans import WaitingSpans
from greenflash_otel.model.operation import ConversationContext, Operation
from greenflash_otel.model.telemetry import OURS, LogRecord, SpanRecord
from greenflash_otel.outcomes.identity_span import is_identity
from greenflash_otel.outcomes.outcome import Outcome
from greenflash_otel.outcomes.ratings import Rating
from greenflash_otel.redaction.redact import Redact
from greenflash_otel.semconv.conventions.agent_runs import RUN, make_call
from greenflash_otel.semconv.correlation import trace
from greenflash_otel.semconv.correlation.names import name_by_resource
from greenflash_otel.semconv.correlation.recent_spans import Recent
from greenflash_otel.settings import KEEP_ON, NAME_WAIT_S


class Ingest:
    """Convert spans and outcomes and put them into the outbox. Not thread-safe: the ingest thread owns it.

    Args:
        conversations: What is known of conversations; its records go into the store.
        sampler: Decides which conversations are stored; None keeps all, whatever rates they have.
        keep_on: What makes it keep one it would not; see the setting of that name.
        name_wait_s: How long spans of others wait for a name; see the setting of that name.
        now_ns: The time, Unix nanoseconds.
        shared_notes: What other processes of the destination noted, and can read.
        process_facts: What every message and outcome says.
    """

    def __init__(
        self,
        store: StateStore,
        address: Address,
        redact: Redact | None = None,
        *,
        conversations: ConversationStore | None = None,
        sampler: Sampler | None = None,
        keep_on: Sequence[str] = KEEP_ON,
        name_wait_s: float = NAME_WAIT_S,
        now_ns: Callable[[], int] = time.time_ns,
        shared_notes: NoteStore | None = None,
        process_facts: ProcessFacts | None = None,
    ) -> None:
        self._store = store
        self._address = address
        self._redaction = Redaction(redact)
        self._process_facts = process_facts or ProcessFacts()
        self._sampler = sampler
        self._keep_on = keep_on
        self._now_ns = now_ns
        self._notes = Notes(shared_notes)
        self._conversations = conversations or ConversationStore()
        self._feedback = WaitingFeedback(self._conversations, self._notes)
        self._joiner = Joiner(self._conversations.uncorrelated)
        self._recent = Recent()
        self.waiting = WaitingSpans(self._conversations, int(name_wait_s * 1e9), self._joiner.await_logs)
        """Spans of others that wait for a name."""
        self._pid = os.getpid()
        self._restored: list[trace.Reading] = []
        self._behind_ns = 0
        """How far the time of the last span was behind the clock: what is imported is long past."""
        self._batch: list[ApiRequest] | None = None
        self.lost: Counter[str] = Counter()
        """What could not be converted, by reason; a span counts as one."""

    def begin_batch(self) -> None:
        """Collect the requests of what follows until `commit_batch`, which keeps them together."""
        self._batch = []

    def commit_batch(self, converted_id: int = 0) -> bool:
        """Keep what was collected. Return whether the store took it all.

        Args:
            converted_id: Spans that the store has up to this id are converted now, and go.
        """
        requests, self._batch = self._batch or [], None
        return self._keep(requests, converted_id)

    def take(
        self, spans: Iterable[SpanRecord], *, outcomes: bool = True, failed: Counter[str] | None = None
    ) -> bool:
        """Convert and keep what the spans report. Return whether the store took it all.

        Spans that describe nothing are passed over. After a refusal it helps to give the spans again.

        Args:
            spans: In any order; a span seen before adds nothing.
            outcomes: False where `take_outcome` was already given what outcome spans report.
            failed: Gets the number of spans that could not be converted, by reason; they count as lost.
        """
        now_ns = self._begin()
        return self._take([self._attach_logs(span, now_ns) for span in spans], outcomes, now_ns, failed)

    def take_logs(self, logs: Iterable[LogRecord], *, failed: Counter[str] | None = None) -> bool:
        """Join log records to the spans they belong to, whichever comes first. Return whether the store took all.

        A record of a span that has not come yet says nothing, and is stored for it.
        """
        now_ns = self._begin()
        spans: dict[tuple[str, str], SpanRecord] = {}
        for log in logs:
            with self._begin_conversion(failed):
                joined = self._joiner.take_logs([log], now_ns)
                spans.update({(span.trace_id, span.span_id): span for span in joined})
        return self._take(list(spans.values()), False, now_ns, failed)

    def find_due_s(self) -> float:
        """Return in how many seconds `emit_overdue` has something to do; infinity if nothing waits."""
        due_ns = [at for at in (self.waiting.find_due_ns(), self._feedback.find_due_ns()) if at is not None]
        return (min(due_ns) - self._now_ns()) / 1e9 if due_ns else math.inf

    def emit_overdue(self) -> None:
        """Convert and keep what has waited too long, also where nothing comes. To be called now and then."""
        now_ns = self._begin()
        requests = self._convert_waiting(now_ns)
        self._finish([*requests, *self._convert_late(now_ns - self._behind_ns)], now_ns)

    def emit_all_waiting(self) -> None:
        """Convert and keep all that still waits for what it belongs to."""
        self._begin()
        requests = self._convert_waiting(None)
        self._finish([*requests, *self._convert_late(None)], None)

    def take_outcome(
        self,
        outcome: Outcome,
        conversation_context: ConversationContext,
        trace_id: str | None,
        redacted: Outcome | None = None,
    ) -> Outcome:
        """Keep an outcome; return it with the conversation it was attached to.

        Args:
            redacted: The same with its texts redacted, where that was done already.
        """
        attached = attach_outcome(self._conversations, outcome, conversation_context, trace_id, self._notes)
        if self._sampler is not None and attached.conversation_id is not None:
            self._sampler.note(attached.conversation_id, conversation_context)
        if redacted is None:
            sent = self._redaction.redact_outcome(attached)
        else:
            ids = (attached.conversation_id, attached.user_id, attached.organization_id)
            sent = replace(redacted, conversation_id=ids[0], user_id=ids[1], organization_id=ids[2])
        self._keep([*self._release_sampled(attached.conversation_id), self.request_of_outcome(sent)])
        return attached

    def take_rating(
        self,
        rating: Rating,
        conversation_context: ConversationContext,
        trace_id: str | None,
        redacted: Rating | None = None,
    ) -> Rating | None:
        """Keep a rating, attached as an outcome is; None if there is nothing that it could rate.

        It waits if nobody knows the rated answer yet.
        """
        answer = self._feedback.find_answer(rating)
        if self._feedback.defer_rating(rating, answer, conversation_context, trace_id, self._now_ns()):
            self._keep(())
            return rating
        attached = attach_rating(self._conversations, rating, conversation_context, trace_id, answer)
        if attached is None:
            return None
        if redacted is None:
            self.take_feedback(attached)
        else:
            sent = replace(redacted, conversation_id=attached.conversation_id, message_id=attached.message_id)
            self.take_feedback(sent, is_redacted=True)
        return attached

    def take_feedback(self, feedback: Feedback, *, is_redacted: bool = False) -> bool:
        """Keep what was said of a conversation or a user, its texts redacted. Return whether it is stored."""
        conversation_id = feedback.conversation_id if isinstance(feedback, Rating) else None
        request = self.request_of_feedback(feedback, is_redacted)
        return self._keep([*self._release_sampled(conversation_id), request])

    def request_of_feedback(self, feedback: Feedback, is_redacted: bool = False) -> ApiRequest:
        """Make the request of a rating, a user or an organization."""
        redacted = feedback if is_redacted else self._redaction.redact_feedback(feedback)
        return feedback_requests.request_of(redacted, self._address)

    def request_of_outcome(self, redacted: Outcome) -> ApiRequest:
        """Make the request of an outcome whose texts are redacted already."""
        return events.request_of(self._process_facts.add_to_outcome(redacted), self._address)

    def _begin(self) -> int:
        """Take up what another process left, and forget what is too old; gives the time."""
        now_ns = self._now_ns()
        if self._pid != os.getpid():
            self._pid = os.getpid()
            self.waiting.begin_in_child()
        self._conversations.restore_deferred(now_ns)
        self._joiner.forget(now_ns)
        self._restored += self.waiting.restore(now_ns)
        return now_ns

    def _attach_logs(self, span: SpanRecord, now_ns: int) -> SpanRecord:
        with internal_errors.guarded("join log records to a span", lost=CONVERSION_FAILED):
            return self._joiner.take_span(span, now_ns)
        return span

    def _take(
        self, spans: Sequence[SpanRecord], outcomes: bool, now_ns: int, failed: Counter[str] | None
    ) -> bool:
        readings = [*self._restored, *(self._read(span, failed) for span in spans)]
        self._restored = []
        requests = self._convert_waiting(now_ns)
        ready = self.waiting.select_ready(readings, self._recent, now_ns)
        requests += self._convert(ready, now_ns, outcomes, failed)
        for continuing in self.waiting.iterate_continuing():
            requests += self._convert(continuing, now_ns)
        return self._finish(requests, now_ns)

    def _convert_waiting(self, now_ns: int | None) -> list[ApiRequest]:
        """Convert the spans whose time to wait is over; None converts all that wait."""
        expired = self.waiting.expire(now_ns)
        return self._convert(expired, now_ns or self._now_ns(), may_wait=False) if expired else []

    def _convert(
        self,
        readings: list[trace.Reading],
        now_ns: int,
        outcomes: bool = True,
        failed: Counter[str] | None = None,
        *,
        may_wait: bool = True,
    ) -> list[ApiRequest]:
        requests: list[ApiRequest] = []
        combined: Iterable[trace.Reading] = self._combine(readings)
        scopes = {reading.span.scope for reading in readings}
        if scopes != {OURS}:  # ours say themselves all that there is to say
            for reading in readings:
                self._joiner.await_logs(reading.span, reading.operation, now_ns)
            combined = self.waiting.iterate_recordable(readings, [*combined], now_ns, may_wait=may_wait)
        for reading in combined:
            requests += self._convert_late(reading.span.end_ns)
            with self._begin_conversion(failed):
                requests += self._requests_of(reading, outcomes, now_ns)
                self._behind_ns = now_ns - reading.span.end_ns
        return requests

    def _read(self, span: SpanRecord, failed: Counter[str] | None = None) -> trace.Reading:
        with self._begin_conversion(failed):
            return self._conversations.long_inputs.read(span)
        return trace.Reading(span)

    def _begin_conversion(self, failed: Counter[str] | None = None) -> Converting:
        return Converting(self.lost) if failed is None else Converting(self.lost, failed)

    def _combine(self, readings: list[trace.Reading]) -> list[trace.Reading]:
        with internal_errors.guarded("combine spans"):
            return self._recent.take(readings)
        return readings

    def _requests_of(self, reading: trace.Reading, outcomes: bool, now_ns: int) -> Iterable[ApiRequest]:
        span, operation = reading.span, reading.operation
        if belongs_to_others(span):
            return self._convert_feedback_span(span, now_ns) if outcomes else ()
        if is_identity(span):
            identity = read_identity(span) if outcomes else None
            return () if identity is None else (self.request_of_feedback(identity),)
        if operation and operation.name == RUN:
            is_emitted = self._conversations.index.traces.has(span.trace_id)
            operation = make_call(operation, already_emitted=is_emitted)
            self._joiner.await_logs(span, operation, now_ns)  # of any other call `_convert` did
        if reading.already_emitted:
            self._conversations.withdraw(span)
        if operation is None:
            return ()
        if defer_run(self._conversations, self._recent, reading, now_ns):
            return ()
        return self._assemble(span, operation)

    def _convert_feedback_span(self, span: SpanRecord, now_ns: int) -> Sequence[ApiRequest]:
        """Convert an outcome that came as a span; to nothing yet if it has to wait for its conversation."""
        answer = self._feedback.find_answer(span)
        if self._feedback.defer(span, answer, now_ns):
            return ()
        return self._requests_of_late(span, answer)

    def _assemble(self, span: SpanRecord, operation: Operation) -> list[ApiRequest]:
        named = self._process_facts.add_to_operation(name_by_resource(operation, span), span)
        updates = assemble(self._conversations, span, named).list_in_order()
        return [request for update in updates for request in self._sift_requests(update)]

    def _convert_late(self, now_ns: int | None) -> list[ApiRequest]:
        """Convert the operations that waited in vain until a span's time."""
        requests: list[ApiRequest] = []
        if not self._conversations.has_waiting:
            return requests
        with self._begin_conversion():
            for run in release_runs(self._conversations, now_ns):  # steps may wait for its question
                requests += self._requests_of_late(run)
            for update in assemble_overdue(self._conversations, now_ns):
                requests += self._sift_requests(update)
        return requests

    def _finish(self, requests: list[ApiRequest], now_ns: int | None) -> bool:
        """Keep requests, and behind them the outcomes that waited for them, or in vain."""
        if self._conversations.has_waiting:
            with self._begin_conversion():
                for span, answer in self._feedback.release(now_ns):
                    requests += self._requests_of_late(span, answer)
        return self._keep(requests)

    def _keep(self, requests: Sequence[ApiRequest], converted_id: int = 0) -> bool:
        """Store requests. Of what the store refuses nothing must be known here: seen once more, it is new."""
        if self._batch is not None:
            self._batch += requests
            return True
        redaction, is_sampled = self._redaction, self._sampler.keeps if self._sampler else lambda _: True
        notes = self._conversations.list_pending_records(
            redaction.redact_waiting, is_sampled, redaction.redact_properties
        )
        refused: Sequence[ApiRequest] = requests
        try:
            if converted_id:
                refused = self._store.put(requests, notes, converted_id=converted_id)
            else:
                refused = self._store.put(requests, notes) if requests or notes else ()
        finally:
            for request in refused:
                self._conversations.forget(request.conversation_id)
            if refused:
                self._conversations.rollback()
                self._recent = Recent()
            self._notes.share(are_stored=not refused)
        if not refused:
            self._conversations.mark_persisted()
        return not refused

    def _sift_requests(self, update: ConversationUpdate) -> Iterable[ApiRequest]:
        """Return the requests of an update, if its conversation is one that is stored."""
        self._notes.add(update)
        requests = messages.requests_of(self._redaction.update(update), self._address)
        if self._sampler is None:
            return requests
        self._sampler.note(update.conversation_id, update)
        if self._sampler.keeps_all:
            return requests
        if "error" in self._keep_on and any(map(has_error, update.messages)):
            return [*self._sampler.keep(update.conversation_id), *requests]
        return self._sampler.sift(update.conversation_id, requests)

    def _release_sampled(self, conversation_id: str | None) -> Sequence[ApiRequest]:
        """Return what was buffered of a conversation that an outcome makes worth keeping."""
        if self._sampler is None or not conversation_id or "outcome" not in self._keep_on:
            return ()
        return self._sampler.keep(conversation_id)

    def _requests_of_late(self, span: SpanRecord, answer: Answer | None = None) -> Sequence[ApiRequest]:
        """Convert an outcome or a rating that came as a span, or a chain that nothing else reports."""
        if not belongs_to_others(span):
            run = settle_run(self._conversations, self._recent, span)
            return self._assemble(span, run) if run else ()
        attached = attach_span(self._conversations, span, self._notes, answer)
        if attached is None:
            return ()
        buffered = self._release_sampled(attached.conversation_id)
        if isinstance(attached, Rating):
            return [*buffered, self.request_of_feedback(attached)]
        return [*buffered, self.request_of_outcome(self._redaction.redact_outcome(attached))]
