"""Wire one pipeline from `Settings`: capture hands spans in, requests go out.

    submit() ─▶ batcher ─▶ ingest thread: convert, redact, sample ─▶ writer thread: outbox ─▶ sender threads
                   │ too much
                   └─▶ spill (disk, or packed memory)

A public function waits for the thread that does its work, for a limited time, and never on a thread of ours.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, TypeVar, cast

import httpx

from greenflash_otel import internal_errors
from greenflash_otel.delivery import files, metrics
from greenflash_otel.delivery.answered_ids import DeliveredConversation
from greenflash_otel.delivery.answered_notes import AnsweredNotes, OnDelivered
from greenflash_otel.delivery.batcher import Work
from greenflash_otel.delivery.delivery import Delivery
from greenflash_otel.delivery.destination import Destination
from greenflash_otel.delivery.opening import open_outbox
from greenflash_otel.delivery.stats import Stats, add_process_counts
from greenflash_otel.delivery.threads import is_our_thread, is_waiting
from greenflash_otel.delivery.writer import WRITER, Job
from greenflash_otel.errors import ConfigurationError
from greenflash_otel.greenflash_api.client import Client
from greenflash_otel.greenflash_api.request import ApiRequest
from greenflash_otel.greenflash_api.stand_in import is_stand_in
from greenflash_otel.ingest.redaction import Redaction
from greenflash_otel.ingest.waiting_feedback import LATE_OUTCOME, make_span
from greenflash_otel.model.operation import ConversationContext
from greenflash_otel.model.telemetry import LogRecord, SpanRecord
from greenflash_otel.outcomes.outcome import Outcome
from greenflash_otel.outcomes.ratings import Organization, Rating, User
from greenflash_otel.pipeline_parts import make_conversation_store, make_converter, make_spill
from greenflash_otel.redaction.presets import find_redact
from greenflash_otel.settings import MEMORY, Settings

LazySpanRecord = Callable[[], SpanRecord]
"""A finished span that is read on a thread of ours."""

T = TypeVar("T")

FIND_S: Final = 1.0
"""How long a block waits to learn which conversation its calls continue."""
FINISH_S: Final = 0.25
"""How long the end waits for the callback of the application to see the last answers."""
IN_TURN_S: Final = 1.0
"""How long an outcome waits for the spans before it. Then it is stored without them."""
TAKE_S: Final = 60.0
"""How long spans may take that somebody waits to have acknowledged."""
COMMIT_S: Final = 10.0
"""How long a public function waits for a disk at most."""


class Pipeline:
    """From finished spans to Greenflash. `instrument()` returns the one of the process.

    Raises:
        ConfigurationError: No product id, or a redaction function that cannot be found.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        http_client: httpx.Client | None = None,
        on_delivered: OnDelivered | None = None,
    ) -> None:
        if settings.product_id is None:
            raise ConfigurationError("product_id is missing: set it to the UUID of a Greenflash product")
        self.settings = settings
        is_online = settings.api_key is not None and settings.offline_reason is None
        addressed = Destination(settings.base_url, settings.product_id)
        self.destination = addressed if settings.api_key is not None else addressed.unaddressed
        redact = find_redact(settings.redact)
        self._redaction = Redaction(redact)
        self._outbox = open_outbox(settings.outbox, self.destination, settings.outbox_limit_bytes)
        self._conversations = make_conversation_store(self._outbox, settings)
        self._converter = make_converter(self._outbox, settings, redact, self._conversations)
        self._answered = AnsweredNotes(self._outbox, on_delivered)
        self._spill = make_spill(self._outbox, settings, redact)
        self._delivery = Delivery(
            self._outbox,
            Client(settings.base_url, str(settings.api_key), http_client=http_client) if is_online else None,
            process=self._process,
            spill=self._spill,
            on_idle=self._converter.emit_overdue,
            due_s=self._converter.find_due_s,
            destination=str(self.destination),
            offline_reason=settings.offline_reason or "no API key",
            on_answered=self._answered.note,
        )
        self.submit = self._delivery.submit
        """Hands over a span that just ended, and what it takes in memory: a queue entry for the ingest thread."""
        self.has_room = self._delivery.batcher.has_room
        """Returns whether as many bytes may wait for that thread."""
        if settings.api_key is not None and settings.outbox != MEMORY:
            self._adopt_from_root(Path(settings.outbox))
        metrics.report(self)
        if settings.api_key is None:
            self._warn_of_missing_key()

    def _warn_of_missing_key(self) -> None:
        internal_errors.warn_once(
            f"there is no GREENFLASH_API_KEY: captured conversations wait in the outbox ({self.where()})",
            key=f"no API key {self.destination.key}",
        )

    def where(self) -> str:
        """Return where captured data waits, for people."""
        return "in memory" if self._outbox.folder is None else str(self._outbox.folder)

    def take(self, spans: Iterable[SpanRecord], failed: Counter[str] | None = None) -> bool:
        """Convert and keep spans now: they are in the outbox when this returns True.

        Args:
            failed: Gets the number of spans that could not be converted, by reason; they count as lost.
        """
        records = tuple(spans)
        return self._do(lambda: self._converter.take(records, failed=failed))

    def take_logs(self, logs: Iterable[LogRecord], failed: Counter[str] | None = None) -> bool:
        """Convert and keep log records, which belong to spans: as `take`."""
        records = tuple(logs)
        return self._do(lambda: self._converter.take_logs(records, failed=failed))

    def take_outcome(self, outcome: Outcome, context: ConversationContext, trace_id: str | None) -> Outcome:
        """Keep an outcome now, attached to its conversation; it is in the outbox when this returns.

        The spans before it say which conversation it belongs to. If they take long to convert, the outcome is
        stored without them: it finds its conversation later.
        """
        redacted = self._redaction.redact_outcome(outcome)

        def keep_without_spans() -> Outcome:
            if redacted.conversation_id or not (redacted.link or trace_id or context.scope_id):
                self._keep_now([self._converter.request_of_outcome(redacted)])
            else:
                self._keep_for_later(make_span(redacted, context, trace_id))
            return outcome

        return self._take_in_turn(
            lambda: self._converter.take_outcome(outcome, context, trace_id, redacted),
            keep_without_spans,
            unfinished=outcome,
        )

    def take_outcomes(self, outcomes: Iterable[Outcome]) -> bool:
        """Keep outcomes that name what they belong to: as `take`."""
        records = tuple(outcomes)
        return self._do(
            lambda: (
                len([self._converter.take_outcome(one, ConversationContext(), None) for one in records]) > 0
            )
        )

    def take_rating(
        self, rating: Rating, context: ConversationContext, trace_id: str | None
    ) -> Rating | None:
        """Keep a rating now, attached as an outcome is; None if there is nothing that it could rate."""
        redacted = cast(Rating, self._redaction.redact_feedback(rating))

        def keep_without_spans() -> Rating | None:
            if redacted.conversation_id is not None:
                self._keep_now([self._converter.request_of_feedback(redacted, is_redacted=True)])
            else:
                self._keep_for_later(make_span(redacted, context, trace_id))
            return rating

        unfinished: Rating | None = rating
        return self._take_in_turn(
            lambda: self._converter.take_rating(rating, context, trace_id, redacted),
            keep_without_spans,
            unfinished=unfinished,
        )

    def find_conversation(self, scope_id: str) -> str | None:
        """Return the conversation that the calls of an unnamed block continue; None if nobody knows it in a second."""
        work = self._delivery.run_behind(lambda: self._conversations.index.scopes.get(scope_id))
        return cast("str | None", work.result) if self._delivery.batcher.wait(work, FIND_S) else None

    def find_delivered(self, conversation_id: str) -> DeliveredConversation | None:
        """Return what Greenflash answered about a conversation; None if nothing is known."""
        return None if is_our_thread() else self._answered.find(conversation_id, COMMIT_S)

    def take_feedback(self, feedback: Rating | User | Organization) -> bool:
        """Keep what was said of a conversation or a user; True if it is in the outbox now."""
        redacted = self._redaction.redact_feedback(feedback)
        return self._take_in_turn(
            lambda: self._converter.take_feedback(redacted, is_redacted=True),
            lambda: self._keep_now([self._converter.request_of_feedback(redacted, is_redacted=True)]),
            unfinished=True,
        )

    def take_late(self, feedback: object) -> bool:
        """Keep something after `shutdown`, for the next process. Return whether it is on disk now."""
        if isinstance(feedback, Outcome):
            request = self._converter.request_of_outcome(self._redaction.redact_outcome(feedback))
        elif isinstance(feedback, Rating) and not (feedback.conversation_id or feedback.message_id):
            self.lose("rating_of_nothing")
            return False
        elif isinstance(feedback, (Rating, User, Organization)):
            request = self._converter.request_of_feedback(feedback)
        else:
            return False
        if self._outbox.put_late([request], COMMIT_S):
            return True
        self.lose("after_shutdown")
        return False

    def lose(self, reason: str, items: int = 1) -> None:
        """Count captured things that cannot be delivered."""
        self._delivery.batcher.count_lost(reason, items)

    def is_durable(self) -> bool:
        """Return whether captured data is on disk, or the setting asks for memory.

        Waits for nothing. If it is not, the writer tries the disk again meanwhile.
        """
        return self._outbox.is_durable_or_retries()

    def resume(self) -> None:
        """Record what an earlier process left waiting when its time is over, also if nothing comes."""
        self._delivery.run_behind(self._converter.emit_overdue)

    def flush(self, timeout_s: float = 30.0) -> bool:
        """Deliver what was captured so far; True if Greenflash accepted all of it.

        False when the time ran out, when something of it was rejected, or when delivery is paused: no API
        key, or one that is refused.
        """
        return self._delivery.flush(timeout_s, settle=self._converter.emit_all_waiting)

    def deliver_ready(self, timeout_s: float) -> bool:
        """Do as `flush` does, but let what waits for what it belongs to wait on."""
        return self._delivery.flush(timeout_s)

    def shutdown(self, timeout_s: float | None = None, *, settle: bool = True) -> None:
        """Deliver what can be delivered in time and stop; the outbox keeps what is left.

        Args:
            settle: Whether to emit what still waits for what it belongs to. If not, and the outbox is on
                disk, it waits on in the next process.
        """
        seconds = self.settings.shutdown_timeout_s if timeout_s is None else timeout_s
        settles = settle or self.settings.outbox == MEMORY
        self._delivery.close(seconds, settle=self._converter.emit_all_waiting if settles else lambda: None)
        self._answered.finish(min(seconds, FINISH_S))

    def stats(self) -> Stats:
        """Return what became of everything captured, and the failures of the process. Waits for nothing."""
        return add_process_counts(self.own_stats())

    def own_stats(self) -> Stats:
        """Return the counts of this pipeline alone: to be summed with those of others."""
        stats, unconverted = self._delivery.stats(), self._converter.lost.copy()
        return replace(
            stats,
            accepted=stats.accepted + sum(unconverted.values()),
            waiting=len(self._converter.waiting),
            lost=dict(Counter(stats.lost) + unconverted),
        )

    def _adopt_from_root(self, root: Path) -> None:
        """Take over what was captured for this product before there was a key, or for us in another folder."""
        ours, unaddressed = self.destination.key, self.destination.unaddressed.key
        for folder, key, is_exact in files.find_left(root.absolute(), (ours, unaddressed)):
            if folder == self._outbox.folder:
                continue
            if key == unaddressed and is_stand_in(self.settings.base_url):
                internal_errors.warn_once(
                    f"conversations that were captured without an API key wait in {folder}. They are not "
                    f"delivered to {self.settings.base_url}, which is a test double"
                )
            else:
                self._outbox.adopt_from(folder, key, COMMIT_S, is_exact=is_exact)

    # On the ingest thread.

    def _process(self, items: list[Any], converted_id: int) -> None:
        """Ingest spans and work in order, keep what comes of it in one commit, and only then answer."""
        self._converter.begin_batch()
        spans: list[SpanRecord] = []
        done: list[Work] = []
        for item in items:
            if not isinstance(item, Work):
                with internal_errors.guarded("read a span", lost="capture_failed"):
                    span: Any = item() if callable(item) else item
                    spans.append(span)
                continue
            self._take_spans(spans)
            spans = []
            if item.claim_first():
                with internal_errors.guarded("do what was asked for"):
                    item.result = item.act()
                    done.append(item)
        self._take_spans(spans)
        retained = False
        try:
            self._outbox.waiting = [work.ticket for work in done]
            retained = self._converter.commit_batch(converted_id)
        finally:
            for work in done if not retained else ():
                work.result = False if isinstance(work.result, bool) else work.result

    def _take_spans(self, spans: list[SpanRecord]) -> None:
        """Ingest spans in order. Only outcomes that were stored for later are not in the outbox yet."""
        for is_late, some in itertools.groupby(spans, key=lambda span: span.scope == LATE_OUTCOME):
            self._converter.take(some, outcomes=is_late)

    # Where the ingest thread is too slow.

    def _take_in_turn(self, act: Callable[[], T], otherwise: Callable[[], T], *, unfinished: T) -> T:
        """Let the ingest thread do something behind the spans before it; without them if that takes long.

        Args:
            unfinished: Returned where nothing can be waited for: on a thread of ours, or in a nested call.
        """
        batcher = self._delivery.batcher
        work = self._delivery.run_behind(act)
        if batcher.wait(work, IN_TURN_S):
            return cast(T, work.result)
        if is_our_thread() or is_waiting():
            return unfinished
        if work.claim_first():
            return otherwise()
        batcher.wait(work, COMMIT_S)  # it is being done at this moment
        return cast(T, work.result) if work.ticket.is_complete else unfinished

    def _do(self, act: Callable[[], bool]) -> bool:
        work = self._delivery.run_behind(act)
        return self._delivery.batcher.wait(work, TAKE_S) and bool(work.result)

    def _keep_now(self, requests: Sequence[ApiRequest]) -> bool:
        job = self._outbox.put_later(requests)
        if not WRITER.wait(job, COMMIT_S):
            internal_errors.warn_once(
                f"the disk of the outbox ({self.where()}) is slow: an outcome took more than {COMMIT_S:g} s",
                key=f"slow disk {self.destination.key}",
            )
        return not job.result

    def _keep_for_later(self, span: SpanRecord) -> None:
        """Keep an outcome that has yet to find its conversation, behind the spans that wait."""
        WRITER.wait(WRITER.submit(self._outbox, Job(lambda _: self._spill_outcome(span))), COMMIT_S)

    def _spill_outcome(self, span: SpanRecord) -> None:
        if not self._spill.store_redacted(span):
            self.lose("outbox_full")
        self._delivery.batcher.note_spilled()
