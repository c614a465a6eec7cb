"""What is remembered of conversations, with a bound on everything.

Forgetting is safe: a forgotten message is sent again under the id it had, and Greenflash skips it; a
forgotten link costs a parent or, for a conversation nobody named, begins a new one. What there is to know
can be noted (`Memory.news`), for whoever comes after.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from greenflash_otel import internal_errors
from greenflash_otel.conversations import persistence
from greenflash_otel.conversations.deferred import EACH, Waiting
from greenflash_otel.conversations.index import Links, Place, claim, read_link, write_link
from greenflash_otel.conversations.persistence import Held, Record
from greenflash_otel.conversations.state import Known
from greenflash_otel.lru import Bounded
from greenflash_otel.message_ids.ids import namespace_of
from greenflash_otel.model.operation import Json, Operation
from greenflash_otel.model.telemetry import SpanRecord
from greenflash_otel.state_record import EmptyState, StateReader, StateRecord

CONVERSATIONS = 10_000
"""Conversations remembered at once; the one unused longest goes first."""
SPANS = 5_000
"""Spans of which log records are remembered, or which may get some; the oldest goes first."""
LOGS = 2_000
"""Log records remembered of one span."""
STEPS = 2_000
"""Steps that wait for the operation that tells their turn."""
WAIT_NS = 60_000_000_000
"""How long an operation waits, by the times of the spans that come after it, and an outcome by the clock."""
TURN_NS = 3_600_000_000_000
"""How long a step waits for the operation that tells its turn: an agent may work for long."""
UNJOINED_NS = 600_000_000_000
"""How long log records wait for their span, and a span for more of them, by the clock."""


class Memory:
    """Everything the conversation model remembers. Not thread-safe: its owner serialises access.

    Args:
        key: Makes ids that do not tell whether a text was guessed rightly, alike in all processes that share
            it; at most 64 bytes.
        notebook: Where earlier processes noted what they knew; None if nobody ever notes anything.
        owner: Of what is noted; nobody else finds it.
    """

    def __init__(self, key: bytes = b"", notebook: StateReader | None = None, owner: str = "") -> None:
        self._key = key
        self._notes = notebook is not None
        self._notebook = notebook or EmptyState()
        self._owner = hashlib.blake2b(
            owner.encode("utf-8", "surrogatepass"), key=key, digest_size=8
        ).hexdigest()
        self._conversations: Bounded[str, Known] = Bounded(CONVERSATIONS)
        self._touched: dict[str, Known] = {}  # since the last note; of nobody who notes nothing
        self._forgotten: dict[str, None] = {}
        self._links: dict[str, Links[Any]] = {}
        self.responses: Links[Place] = self._lead("response")
        """Conversation and place in it by response id, for ``previous_response_id``."""
        self.told: Links[None] = self._lead("told")
        """Response ids whose answer was told."""
        self.items: Links[Place] = self._lead("item")
        """Conversation and place in it by the id of a stored item, which an input may refer to."""
        self.histories: Links[str | None] = self._lead("history")
        """Conversation by the hash of all that was said in it; None where two conversations share it."""
        self.traces: Links[str] = self._lead("trace")
        """Newest conversation of a trace."""
        self.scopes: Links[str] = self._lead("scope")
        """Newest conversation of an entry into `conversation()` without an id."""
        self.calls: Links[str | None] = self._lead("call")
        """Conversation by the call id of a tool call; None where two conversations have it."""
        self.notable: Links[None] = self._lead("notable")
        """Conversations that are kept whatever sampling says."""
        self.waiting: Waiting[Held] = Waiting()
        """Operations that wait for what they belong to: a trace, a tool call, a turn, or the next call of a
        conversation."""
        self.outcomes: Waiting[SpanRecord] = Waiting()
        """Spans of outcomes that wait for a model call of their trace."""
        self.unjoined: Waiting[Record] = Waiting(SPANS)
        """Spans, and log records of them, that wait for more log records."""
        self._waits: dict[str, Waiting[Any]] = {
            "operation": self.waiting,
            "outcome": self.outcomes,
            "log": self.unjoined,
        }

    def call(self, call_id: str, conversation_id: str, message_id: str) -> None:
        """Note that a tool call was told."""
        self.conversation(conversation_id).calls.remember(call_id, message_id)
        claim(self.calls, call_id, conversation_id)

    def namespace(self, name: str) -> str:
        """What the ids of something are hashed with."""
        return namespace_of(name, self._key)

    def conversation(self, id: str) -> Known:
        """What is known of a conversation; creates an empty record of a new one."""
        known = self._conversations.get(id) or self._recalled(id)
        self._conversations.remember(id, known)
        if self._notes:
            self._touched[id] = known
        return known

    def forget(self, id: str) -> None:
        """Know nothing of a conversation: what is told of it again is news, under the ids it had."""
        self._conversations.pop(id, None)
        self._touched.pop(id, None)
        if self._notes:
            self._forgotten[id] = None

    def take_back(self) -> None:
        """Let wait again what was told since the last note: it is not kept."""
        for waiting in self._waits.values():
            waiting.take_back()

    def wait(self, key: str, span: SpanRecord, operation: Operation, *, noted: bool = False) -> None:
        """Let an operation wait for ``key``; ``noted`` says that a note told of it."""
        wait_ns, most = (TURN_NS, STEPS) if operation.affiliation.turn_id else (WAIT_NS, EACH)
        self.waiting.hold(key, (span, operation), span.end_ns + wait_ns, most=most, noted=noted)

    def recall_waiting(self, now_ns: int) -> None:
        """Let wait on what waited when an earlier process ended; outcomes and log records as if new."""
        for text in self._notebook.recall_inherited(self._topic("waiting")):
            with internal_errors.guarded("recall what was noted"):
                kind, key, written = persistence.read(text)
                match persistence.read_waiting(written):
                    case (span, operation):
                        self.wait(key, span, operation, noted=True)
                    case SpanRecord() as span if kind == "outcome":
                        self.outcomes.hold(key, span, now_ns + WAIT_NS, noted=True)
                    case record:
                        self.unjoined.hold(key, record, now_ns + UNJOINED_NS, most=LOGS, noted=True)

    def news(
        self,
        clean: Callable[[Held | Record], Held | Record] = lambda waiting: waiting,
        kept: Callable[[str], bool] = lambda conversation_id: True,
        clean_properties: Callable[[Mapping[str, Json]], Mapping[str, Json]] = lambda properties: properties,
    ) -> list[StateRecord]:
        """What there is to be noted, in this order. It stays news until `noted`.

        Args:
            clean: Redacts what waits.
            kept: Whether to note what is known of a conversation. If not, it stays news.
            clean_properties: Redacts the properties of a conversation.
        """
        if not self._notes:
            return []
        self._touched = {id: known for id, known in self._touched.items() if kept(id)}
        found = [StateRecord(self._topic("conversation", id), None) for id in self._forgotten]
        for kind, links in self._links.items():
            found += [StateRecord(self._topic(kind, name), write_link(value)) for name, value in links.news()]
        for id, known in self._touched.items():
            if (news := known.news(clean_properties)) is not None:
                found.append(
                    StateRecord(self._topic("conversation", id), persistence.write(news), appends=True)
                )
        for kind, waiting in self._waits.items():
            found += [StateRecord(self._topic("waiting", f"{kind} {key}"), None) for key in waiting.left]
            for key, ones in waiting.arrived.items():
                topic = self._topic("waiting", f"{kind} {key}")
                for one in ones:
                    value = persistence.write_waiting(clean(one))
                    text = persistence.write([kind, key, value])
                    found.append(StateRecord(topic, text, appends=True, is_required=kind != "operation"))
        return found

    def noted(self) -> None:
        """What `news` gave is noted."""
        for links in self._links.values():
            links.noted()
        for known in self._touched.values():
            known.noted()
        for waiting in self._waits.values():
            waiting.noted()
        self._touched.clear()
        self._forgotten.clear()

    def _recalled(self, id: str) -> Known:
        known = Known(self.namespace(id))
        for text in () if id in self._forgotten else self._notebook.recall(self._topic("conversation", id)):
            with internal_errors.guarded("recall what was noted"):
                known.learn(persistence.read(text))
        known.noted()
        return known

    def _topic(self, kind: str, name: str | None = None) -> str:
        """What a note is filed under; it tells nobody the name."""
        start = f"{kind} {self._owner} "
        if name is None:
            return start
        digest = hashlib.blake2b(name.encode("utf-8", "surrogatepass"), key=self._key, digest_size=16)
        return start + digest.hexdigest()

    def _lead(self, kind: str) -> Links[Any]:  # each says what it leads to
        def recall(name: str) -> Sequence[object]:
            with internal_errors.guarded("recall what was noted"):
                return [read_link(text) for text in self._notebook.recall(self._topic(kind, name))]
            return ()

        self._links[kind] = Links(recall)
        return self._links[kind]
