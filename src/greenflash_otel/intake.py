"""The one way through: a finished span becomes an operation, messages, requests, and rests in the outbox.

Whoever calls it has durability when it returns. A span that cannot be converted is counted and does not
keep the others back.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol, cast

from greenflash_otel import faults
from greenflash_otel.api import events, messages, organizations, ratings, users
from greenflash_otel.api.messages import Address
from greenflash_otel.api.request import ApiRequest
from greenflash_otel.conversations.assemble import assemble, assemble_overdue
from greenflash_otel.conversations.memory import Memory
from greenflash_otel.conversations.messages import ConversationUpdate, MessageItem
from greenflash_otel.conversations.notes import Note
from greenflash_otel.conversations.stitching import fallback_id
from greenflash_otel.operations import MAIN_CALLS, Affiliation, Json, Operation, PromptTemplate
from greenflash_otel.outcomes.feedback import Organization, Rating, User
from greenflash_otel.outcomes.outcome import Outcome
from greenflash_otel.outcomes.outcome import read as read_outcome
from greenflash_otel.redaction import Redact, redacted
from greenflash_otel.redaction.operations import redacted_operation
from greenflash_otel.sampling import Sampler
from greenflash_otel.semconv import reading, trace
from greenflash_otel.semconv.joining import Joiner
from greenflash_otel.semconv.recent import Recent
from greenflash_otel.semconv.wrappers import RUN, as_call
from greenflash_otel.settings import KEEP_ON
from greenflash_otel.spans import LogRecord, SpanRecord


class Store(Protocol):
    """Where requests go: the outbox."""

    def put(self, requests: Iterable[ApiRequest], notes: Sequence[Note] = ()) -> Sequence[ApiRequest]:
        """Keep requests; they are safe once this returns. Gives back those that were refused.

        Args:
            notes: Kept with them, or not at all.
        """
        ...


class Intake:
    """Converts spans and outcomes and puts them into the outbox. Thread-safe.

    Args:
        memory: What is known of conversations; its notes go into the store.
        sampler: Decides which conversations are kept; None keeps all.
        keep_on: What makes it keep one it would not; see the setting of that name.
    """

    def __init__(
        self,
        store: Store,
        address: Address,
        redact: Redact | None = None,
        *,
        memory: Memory | None = None,
        sampler: Sampler | None = None,
        keep_on: Sequence[str] = KEEP_ON,
    ) -> None:
        self._store = store
        self._address = address
        self._redact = redact
        self._sampler = sampler
        self._keep_on = keep_on
        self._memory = memory or Memory()
        self._joiner = Joiner()
        self._recent = Recent()
        self._lock = threading.Lock()

    def take(self, spans: Iterable[SpanRecord], *, outcomes: bool = True) -> bool:
        """Convert and keep what the spans tell; whether the store took it all.

        Spans that tell of nothing are passed over. After a refusal it helps to give the spans again.

        Args:
            spans: In any order; a span seen before adds nothing.
            outcomes: False where `take_outcome` was already given what outcome spans tell.
        """
        with self._lock:
            self._memory.recall_waiting()
            return self._take([self._joiner.take_span(span) for span in spans], outcomes)

    def take_logs(self, logs: Iterable[LogRecord]) -> bool:
        """Join log records to the spans they belong to, whichever comes first; whether the store took all.

        A record of a span that has not come yet tells nothing, and is remembered for it.
        """
        with self._lock:
            self._memory.recall_waiting()
            return self._take(self._joiner.take_logs(logs), outcomes=False)

    def _together(self, readings: list[trace.Reading]) -> list[trace.Reading]:
        with faults.guarded("convert a span"):
            return self._recent.take(readings)
        return readings

    def _take(self, spans: Sequence[SpanRecord], outcomes: bool) -> bool:
        requests: list[ApiRequest] = []
        for one in self._together([_read(span) for span in spans]):
            span = one.span
            with faults.guarded("convert a span"):
                requests.extend(self._late(span.end_ns))
                requests.extend(self._requests_of(span, one.operation, outcomes))
        return self._keep(requests)

    def settle(self) -> None:
        """Convert and keep what still waits for the operation that it belongs to."""
        with self._lock, faults.guarded("convert a span"):
            self._memory.recall_waiting()
            self._keep(list(self._late(None)))

    def take_outcome(self, outcome: Outcome, affiliation: Affiliation, trace_id: str | None) -> Outcome:
        """Keep an outcome; gives it back with the conversation it was attached to."""
        with self._lock:
            outcome = self._attached(outcome, affiliation, trace_id)
            self._keep([*self._held(outcome.conversation_id), self._request_of(outcome)])
        return outcome

    def take_feedback(self, told: Rating | User | Organization) -> bool:
        """Keep what was told of a conversation or a user, its texts redacted; whether it is kept."""
        conversation_id = None
        if isinstance(told, Rating):
            conversation_id = told.conversation_id
            feedback = told.feedback and self._cleaned(told.feedback, "rating.feedback")
            request = ratings.request_of(replace(told, feedback=cast("str | None", feedback)), self._address)
        elif isinstance(told, User):
            request = users.request_of(
                replace(told, properties=self._cleaned(told.properties, "user.properties"))
            )
        else:
            request = organizations.request_of(
                replace(told, properties=self._cleaned(told.properties, "organization.properties"))
            )
        with self._lock:
            return self._keep([*self._held(conversation_id), request])

    def _cleaned(self, value: Any, path: str) -> Any:  # the same type that goes in comes out
        return value if self._redact is None else self._redacted(value, path)

    def forget_lock(self) -> None:
        """In a forked child: the lock may have been held by a thread that does not exist here."""
        self._lock = threading.Lock()

    def _keep(self, requests: Sequence[ApiRequest]) -> bool:
        """Of what the store refuses nothing must be known here: told once more, it is news."""
        notes = self._memory.news(self._clean_operation, self._is_kept)
        refused: Sequence[ApiRequest] = requests
        try:
            refused = self._store.put(requests, notes) if requests or notes else ()
        finally:
            for request in refused:
                self._memory.forget(request.conversation_id)
            if refused:
                self._recent = Recent()
        if not refused:
            self._memory.noted()
        return not refused

    def _is_kept(self, conversation_id: str) -> bool:
        return self._sampler is None or self._sampler.keeps(conversation_id)

    def _clean_operation(self, operation: Operation) -> Operation:
        return operation if self._redact is None else redacted_operation(operation, self._redacted)

    def _late(self, now_ns: int | None) -> Iterable[ApiRequest]:
        for update in assemble_overdue(self._memory, now_ns):
            yield from self._sifted(update)

    def _requests_of(
        self, span: SpanRecord, operation: Operation | None, outcomes: bool
    ) -> Iterable[ApiRequest]:
        if (outcome := read_outcome(span)) is not None:
            if self._memory.traces.knows(span.trace_id):
                # Told by another service, which knows no conversation.
                outcome = self._attached(outcome, Affiliation(), span.trace_id)
            return [*self._held(outcome.conversation_id), self._request_of(outcome)] if outcomes else ()
        if operation and operation.name == RUN:
            operation = as_call(operation, told=self._memory.traces.knows(span.trace_id))
        if operation is None:
            return ()
        if operation.name in MAIN_CALLS and not reading.has_content(operation):
            self._joiner.await_logs(span)
        return self._sifted(assemble(self._memory, span, operation))

    def _sifted(self, update: ConversationUpdate) -> Iterable[ApiRequest]:
        """The requests of an update, if its conversation is one that is kept."""
        requests = messages.requests_of(self._clean(update), self._address)
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

    def _attached(self, outcome: Outcome, affiliation: Affiliation, trace_id: str | None) -> Outcome:
        id = outcome.conversation_id or fallback_id(self._memory, trace_id, affiliation) or None
        known = self._memory.conversation(id) if id else None
        return replace(
            outcome,
            conversation_id=id,
            user_id=outcome.user_id or (known.user_id if known else None),
            organization_id=outcome.organization_id or (known.organization_id if known else None),
        )

    def _request_of(self, outcome: Outcome) -> ApiRequest:
        if self._redact is not None:
            properties = self._redacted(outcome.properties, "outcome.properties")
            value = self._redacted(outcome.value, "outcome.value")
            outcome = replace(
                outcome, value=cast(str, value), properties=cast("Mapping[str, Json]", properties)
            )
        return events.request_of(outcome, self._address)

    def _clean(self, update: ConversationUpdate) -> ConversationUpdate:
        if self._redact is None:
            return update
        return replace(
            update,
            system_prompt=cast("str | None", self._redacted(update.system_prompt, "system_prompt")),
            prompt=update.prompt and self._clean_prompt(update.prompt),
            properties=cast("Mapping[str, Json]", self._redacted(update.properties, "properties")),
            messages=tuple(self._clean_message(message) for message in update.messages),
        )

    def _clean_message(self, message: MessageItem) -> MessageItem:
        names = ("content", "input", "output", "context", "properties")
        fields: dict[str, Any] = {
            name: self._redacted(getattr(message, name), f"messages.{name}") for name in names
        }
        return replace(message, **fields)

    def _clean_prompt(self, prompt: PromptTemplate) -> PromptTemplate:
        variables = self._redacted(prompt.variables, "system_prompt.variables")
        return replace(prompt, variables=cast("Mapping[str, Json]", variables))

    def _redacted(self, value: Json, path: str) -> Json:
        redact = cast(Redact, self._redact)
        return redacted(value, path, redact, lambda error: faults.count("redact a text", error))


def _read(span: SpanRecord) -> trace.Reading:
    with faults.guarded("convert a span"):
        return trace.read(span)
    return trace.Reading(span)


def _tells_of_an_error(message: MessageItem) -> bool:
    return message.type == "tool_error" or "error" in message.properties
