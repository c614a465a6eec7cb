"""The conversation store: all that is remembered, with a bound on everything, and its only writer.

Forgetting is safe: a forgotten message is sent again under the id it had, and Greenflash skips it; a
forgotten name costs a parent or, for a conversation nobody named, begins a new one. The store does no I/O: it
returns state records, which ingest commits together with the API requests derived from them, and loads
what it does not know by key.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from greenflash_otel import internal_errors
from greenflash_otel.conversations import persistence
from greenflash_otel.conversations.changes import (
    CallRole,
    Changes,
    Deferral,
    DeferralKey,
    DeferralKind,
    Evidence,
    IndexName,
    Location,
    StateChange,
)
from greenflash_otel.conversations.deferred import ENTRIES_PER_KEY, DeferredQueue
from greenflash_otel.conversations.index import ConversationIndex
from greenflash_otel.conversations.persistence import Waiting
from greenflash_otel.conversations.state import ConversationState
from greenflash_otel.conversations.update import MessageItem, find_repeatable
from greenflash_otel.lru import ByteBoundLruDict
from greenflash_otel.message_ids.ids import namespace_of
from greenflash_otel.model.operation import Json
from greenflash_otel.model.telemetry import LogRecord, SpanRecord
from greenflash_otel.semconv.correlation.long_inputs import LongInputs
from greenflash_otel.state_record import EmptyState, StateReader, StateRecord
from greenflash_otel.values import from_json, to_json

CONVERSATIONS = 10_000
"""Conversations remembered at once; the one unused longest is forgotten first."""
CONVERSATIONS_BYTES = 16 * 1024 * 1024
"""What they may take in memory, roughly; what was pushed out is recalled from the disk when it is needed."""
LAST_MESSAGES_BYTES = 2 * 1024 * 1024
"""Of the newest messages that are remembered, roughly."""
SPANS = 5_000
"""Spans of which log records are remembered, or which may get some; the oldest is forgotten first."""
UNNAMED_BYTES = 32 * 1024 * 1024
"""Of the spans that wait for a name, roughly."""
LOGS = 2_000
"""Log records remembered of one span."""
STEPS = 2_000
"""Steps that wait for the operation that has their turn."""
WAIT_NS = 60_000_000_000
"""How long an operation waits, by the times of the spans that come after it, and an outcome by the clock."""
ANSWER_NS = 600_000_000_000
"""How long a rating waits for the answer that it names, by the clock."""
RUN_NS = 10_000_000_000
"""How long the run of a chain waits for the rest of its trace, by the clock."""
TURN_NS = 3_600_000_000_000
"""How long a step waits for the operation that has its turn: an agent may work for long."""
NEVER_NS = 2**62
"""When a span expires that waits for a name: `ingest.waiting_spans` decides that for whole traces."""
UNCORRELATED_NS = 600_000_000_000
"""How long log records wait for their span, and a span for more of them, by the clock."""


class ConversationStore:
    """Everything the conversation model remembers. Not thread-safe: its owner serialises access.

    Args:
        key: Makes ids from which nobody can see whether they guessed a text; alike in all processes that
            share it; at most 64 bytes.
        reader: Reads what earlier processes stored; None if nothing is ever stored.
        owner: Of what is stored; nobody else finds it.
    """

    def __init__(self, key: bytes = b"", reader: StateReader | None = None, owner: str = "") -> None:
        self._key = key
        self._persists = reader is not None
        self._reader = reader or EmptyState()
        self._owner = _hash(owner, key, 8)
        self._states: ByteBoundLruDict[str, ConversationState] = ByteBoundLruDict(
            CONVERSATIONS, CONVERSATIONS_BYTES, _measure_state, self._reader.expect_recalls
        )
        self._unpersisted: dict[str, ConversationState] = {}
        self._forgotten: dict[str, None] = {}
        self.last_messages: ByteBoundLruDict[str, tuple[MessageItem, int]] = ByteBoundLruDict(
            CONVERSATIONS, LAST_MESSAGES_BYTES, lambda id, measured: len(id) + measured[1]
        )
        """The newest message of each conversation with what it takes, to be repeated with later properties."""
        self._newest: tuple[str | None, ConversationState] = (None, ConversationState(""))
        """The conversation that was asked for last: it is asked for several times in a row."""
        self.index = ConversationIndex(self._recall_name, self._reader.expect_recalls)
        self.deferred: DeferredQueue[Deferral] = DeferredQueue()
        """Operations that wait for what they depend on."""
        self.outcomes: DeferredQueue[SpanRecord] = DeferredQueue()
        """Spans of outcomes and ratings that wait for a model call of their trace, or for the rated answer."""
        self.uncorrelated: DeferredQueue[SpanRecord | LogRecord] = DeferredQueue(SPANS)
        """Spans, and log records of them, that wait for more log records."""
        self.unnamed: DeferredQueue[SpanRecord] = DeferredQueue(SPANS, UNNAMED_BYTES)
        """Spans that wait for an outer span, which may name their conversation, or for an earlier turn."""
        self._queues: dict[str, DeferredQueue[Any]] = {
            "operation": self.deferred,
            "outcome": self.outcomes,
            "log": self.uncorrelated,
            "unnamed": self.unnamed,
        }
        self.long_inputs = LongInputs()
        """How inputs began, so that of one that is resent only what is new is read."""
        self.evidence_counts: Counter[Evidence] = Counter()
        """By what the conversations of emitted operations were found."""
        self.role_counts: Counter[CallRole] = Counter()
        """Which roles emitted operations had."""
        self.dropped_steps = 0
        """Steps that expired without a known conversation: they make none."""

    @property
    def size_bytes(self) -> int:
        """Roughly how many bytes the remembered and the waiting entries take."""
        waiting = sum(queue.size_bytes for queue in self._queues.values())
        total = self._states.size_bytes + self.last_messages.size_bytes + self.index.size_bytes
        return total + self.long_inputs.size_bytes + waiting

    @property
    def has_waiting(self) -> bool:
        """Return whether an operation, an outcome or a run waits."""
        return self.deferred.has_entries or self.outcomes.has_entries

    def choose_namespace(self, name: str) -> str:
        """Return what the ids of something are hashed with."""
        return namespace_of(name, self._key)

    def get_state(self, id: str) -> ConversationState:
        """Return what is known of a conversation: nothing of a new one."""
        if id == self._newest[0]:
            return self._newest[1]
        state = self._states.get(id) or self._unpersisted.get(id) or self._recall_state(id)
        self._states.remember(id, state)
        self._newest = (id, state)
        if self._persists:  # it may have changes that sampling kept from being persisted
            self._unpersisted[id] = state
        return state

    def apply(self, changes: Changes) -> None:
        """Carry out what an operation changes. This is the only writer of what is known of conversations."""
        id = changes.conversation_id
        state = self.get_state(id)
        state.apply(changes.state)
        self._states.remember(id, state)  # it takes more now
        if (newest := find_repeatable(changes.items)) is not None:
            self.last_messages.remember(id, newest)
        self.index.apply(changes.entries)
        self.deferred.release(changes.released)
        for deferral in changes.deferred:
            self._defer(deferral)
        if changes.state.facts is not None:  # it was built, not only deferred or released
            self.evidence_counts[changes.evidence] += 1
            self.role_counts[changes.role] += 1

    def expire(self, now_ns: int | None) -> list[Deferral]:
        """Return operations that waited in vain until ``now_ns``, the time of a span; None: all that wait."""
        return self.deferred.expire(now_ns)

    def withdraw(self, span: SpanRecord) -> None:
        """Let the operation of a span wait no longer: it is known better now, or another span records it."""
        name = (span.trace_id, span.span_id)
        self.deferred.withdraw(lambda waiting: (waiting.span.trace_id, waiting.span.span_id) == name)

    def forget(self, id: str) -> None:
        """Forget a conversation: what arrives of it again is new, under the ids it had."""
        self._states.forget(id)
        self.last_messages.forget(id)
        self._newest = (None, ConversationState(""))
        self._unpersisted.pop(id, None)
        if self._persists:
            self._forgotten[id] = None

    def rollback(self) -> None:
        """Defer again what was released since the last `mark_persisted`: what came of it is not retained."""
        for queue in self._queues.values():
            queue.rollback()

    def restore_deferred(self, now_ns: int) -> None:
        """Defer what waited when an earlier process ended; outcomes and log records as if they were new."""
        for text in self._reader.recall_inherited(self._prefix("waiting")):
            with internal_errors.guarded("read stored state"):
                key, waiting = persistence.read_waiting(text)
                self._restore(key, waiting, now_ns)

    def list_pending_records(
        self,
        redact: Callable[[Waiting], Waiting] = lambda waiting: waiting,
        is_sampled: Callable[[str], bool] = lambda conversation_id: True,
        redact_properties: Callable[[Mapping[str, Json]], Mapping[str, Json]] = lambda properties: properties,
    ) -> list[StateRecord]:
        """Return what is to be stored, in this order. It stays pending until `mark_persisted`.

        Args:
            redact: Redacts what waits.
            is_sampled: Whether to store what is known of a conversation. If not, it stays pending.
            redact_properties: Redacts what was said of a conversation itself.
        """
        if not self._persists:
            return []
        self._unpersisted = {id: state for id, state in self._unpersisted.items() if is_sampled(id)}
        self._newest = (None, self._newest[1])  # it may be pending no more
        records = [StateRecord(self._key_of("conversation", id), None) for id in self._forgotten]
        for index, name, target in self.index.list_pending_changes():
            key = self._key_of(index.value, name)
            records.append(StateRecord(key, persistence.write_target(target)))
        for id, state in self._unpersisted.items():
            if (change := state.take_pending_change()) is not None:
                if change.properties:
                    redacted = redact_properties(dict(change.properties))
                    change = replace(change, properties=tuple(redacted.items()))
                key = self._key_of("conversation", id)
                records.append(StateRecord(key, persistence.write(to_json(change)), appends=True))
        for name, queue in self._queues.items():
            if queue.has_changes:
                records += self._records_of(name, queue, redact)
        return records

    def mark_persisted(self) -> None:
        """Count what `list_pending_records` returned as stored."""
        self.index.mark_persisted()
        for state in self._unpersisted.values():
            state.mark_persisted()
        for queue in self._queues.values():
            if queue.has_changes:
                queue.mark_persisted()
        self._unpersisted.clear()
        self._newest = (None, self._newest[1])  # it is pending again as soon as somebody asks for it
        self._forgotten.clear()

    def _defer(self, deferral: Deferral, *, is_persisted: bool = False) -> None:
        in_turn = deferral.operation.conversation_context.turn_id is not None
        self.deferred.defer(
            deferral.key,
            deferral,
            deferral.span.end_ns + (TURN_NS if in_turn else WAIT_NS),
            max_entries=STEPS if in_turn else ENTRIES_PER_KEY,
            is_persisted=is_persisted,
        )

    def _restore(self, key: DeferralKey, waiting: Waiting, now_ns: int) -> None:
        match waiting:
            case Deferral():
                self._defer(waiting, is_persisted=True)
            case SpanRecord() if key.kind in (DeferralKind.TRACE, DeferralKind.RUN, DeferralKind.ANSWER):
                self.outcomes.defer(key, waiting, now_ns + find_wait_ns(key), is_persisted=True)
            case SpanRecord() if key.kind is DeferralKind.NAME:
                self.unnamed.defer(key, waiting, NEVER_NS, is_persisted=True)
            case record:
                until_ns = now_ns + UNCORRELATED_NS
                self.uncorrelated.defer(key, record, until_ns, max_entries=LOGS, is_persisted=True)

    def _records_of(
        self, name: str, queue: DeferredQueue[Any], redact: Callable[[Waiting], Waiting]
    ) -> list[StateRecord]:
        emptied, unpersisted = queue.list_pending_changes()
        records = [StateRecord(self._hash_deferral_key(name, key), None) for key in emptied]
        for key, entries in unpersisted.items():
            for entry in entries:
                text = persistence.write_waiting(key, redact(entry))
                is_required = name != "operation"
                record_key = self._hash_deferral_key(name, key)
                records.append(StateRecord(record_key, text, appends=True, is_required=is_required))
        return records

    def _recall_state(self, id: str) -> ConversationState:
        state = ConversationState(self.choose_namespace(id))
        texts = () if id in self._forgotten else self._reader.recall(self._key_of("conversation", id))
        for text in texts:
            with internal_errors.guarded("read stored state"):
                state.apply(from_json(StateChange, persistence.read(text)))
        state.mark_persisted()
        return state

    def _recall_name(self, index: IndexName, name: str) -> Sequence[Location | str | None]:
        with internal_errors.guarded("read stored state"):
            texts = self._reader.recall(self._key_of(index.value, name))
            return [persistence.read_target(text) for text in texts]
        return ()

    def _hash_deferral_key(self, queue: str, key: DeferralKey) -> str:
        return self._key_of("waiting", f"{queue} {key.kind.value} {key.id}")

    def _key_of(self, kind: str, name: str) -> str:
        """Return the key of a record; nobody can see the name from it."""
        return f"{kind} {self._owner} {_hash(name, self._key, 16)}"

    def _prefix(self, kind: str) -> str:
        return f"{kind} {self._owner} "


def _hash(text: str, key: bytes, size: int) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), key=key, digest_size=size).hexdigest()


def _measure_state(id: str, state: ConversationState) -> int:
    return len(id) + state.size_bytes


def find_wait_ns(key: DeferralKey) -> int:
    """Return how long an outcome or a rating waits under a key."""
    return ANSWER_NS if key.kind is DeferralKind.ANSWER else WAIT_NS
