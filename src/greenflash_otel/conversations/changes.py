"""What one operation changes, as one value: applied live, persisted, read again, and rolled back. Pure.

`build` makes `Changes`, `ConversationStore.apply` carries them out, and nothing else does. The part that is
about one conversation, `StateChange`, is also what is persisted: a process that restarts applies what it
reads just as it applies what it builds. So a field of the state is declared in one place, here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import Enum
from typing import Any, NamedTuple

from greenflash_otel.conversations.update import MessageItem
from greenflash_otel.message_ids.chain import Cursor
from greenflash_otel.message_ids.fragments import FragmentKind
from greenflash_otel.model.operation import Json, Operation, VoiceCall
from greenflash_otel.model.telemetry import SpanRecord
from greenflash_otel.values import store_as, value


class Evidence(Enum):
    """By what the conversation of an operation was found; the first that applies counts."""

    GIVEN = "given"
    """The application named it."""
    PROVIDER = "provider"
    """The provider stores it under an id."""
    ITEM = "item"
    """The input refers to a stored item of it."""
    RESPONSE = "response"
    """The operation continues or fetches a response of it."""
    TOOL_CALL = "tool_call"
    """It asked for the tool that ran, or whose result the input begins with."""
    HISTORY = "history"
    """The input resends what was said in it."""
    SCOPE = "scope"
    """The operation ran in its `conversation()` block."""
    TRACE = "trace"
    """The operation is of its trace."""


class CallRole(Enum):
    """What part a call plays for the user."""

    PRIMARY = "primary"
    """It speaks with the user."""
    AUXILIARY = "auxiliary"
    """The user never sees what it says: a guard, a router, a tool, an embedding."""
    AUXILIARY_EARLY = "auxiliary_early"
    """It is auxiliary, and about a question that no primary call has asked yet."""
    UNDECIDED = "undecided"
    """Only the next call of the conversation says which of both it is."""

    @property
    def is_shown(self) -> bool:
        """Whether its words are shown to the user, as far as is known."""
        return self in (CallRole.PRIMARY, CallRole.UNDECIDED)


class DeferralKind(Enum):
    """What something waits for."""

    TRACE = "trace"
    """A primary call of the trace."""
    TOOL_CALL = "tool_call"
    """The model call that asked for the tool."""
    TURN = "turn"
    """The operation that has the whole turn."""
    NEXT_CALL = "next_call"
    """The next primary call of the conversation."""
    QUESTION = "question"
    """The primary call with the question that a hidden step was made for."""
    SPAN = "span"
    """A span, or more log records of it."""
    NAME = "name"
    """An outer span that may name the conversation, or the turn before an unnamed one."""
    ANSWER = "answer"
    """The answer that a rating names by the provider's id."""
    RUN = "run"
    """The rest of a trace, in which a model call may say what the run of a chain says."""


class DeferralKey(NamedTuple):
    """What exactly something waits for."""

    kind: DeferralKind
    id: str


@value
class Deferral:
    """An operation that waits."""

    key: DeferralKey
    span: SpanRecord
    operation: Operation


@value
class MessageNode:
    """A message that others follow, as it is found again in a resent history."""

    id: str = store_as("i")
    kind: FragmentKind = store_as("k")
    content_key: str = store_as("c")
    """A hash of what it says."""
    previous_id: str | None = store_as("p", default=None)
    """Id of the message it follows."""
    cursor: Cursor = store_as("a", default=Cursor())
    """Where the conversation is after it."""
    sketch: int = store_as("s", default=0)
    """Its words as bits: two texts that are much alike share most of them."""
    tool_name: str | None = store_as("t", default=None)
    """What it calls, if it is a tool call: its results may not say that."""
    loose_key: str | None = store_as("l", default=None)
    """A hash of what it says in any form, if that is another; see `Fragment.hash_loosely`."""


@value
class Excerpt:
    """The beginning of a text, by which a quotation of it is found; it contains nothing of the text."""

    length: int = store_as("n")
    digest: str = store_as("d")


@value
class Exchange:
    """The newest user message and the answer to it."""

    question: Excerpt = store_as("q")
    answer: Excerpt = store_as("a")


@value
class LastCall:
    """Where and when the newest primary call ended: what began before that is part of its turn."""

    end_ns: int = store_as("e")
    trace_id: str = store_as("t")
    scope_id: str | None = store_as("s", default=None)


@value
class PendingToolCall:
    """A tool call that has no result yet, with the texts in its arguments."""

    call_id: str = store_as("i")
    texts: tuple[Excerpt, ...] = store_as("t", default=())
    ends: tuple[str, ...] = store_as("e", default=())
    """Where model calls that work for it ended: the ids of their last messages, and of their responses."""


@value
class ConversationFacts:
    """What is known of a conversation besides its messages."""

    cursor: Cursor = store_as("at", default=Cursor())
    """Where it is now."""
    last_ms: int = store_as("ms", default=0)
    """Time of the newest message, Unix milliseconds."""
    turn_count: int = store_as("n", default=0)
    """User messages so far."""
    user_id: str | None = store_as("u", default=None)
    organization_id: str | None = store_as("o", default=None)
    resends_history: bool = store_as("r", default=False)
    """Whether the application ever sent an answer back, or named what it continues."""
    primary_prompt_sketch: int | None = store_as("w", default=None)
    """The words of the primary calls' system prompt; None while no primary call is known."""
    primary_output_is_structured: bool = store_as("j", default=False)
    """Whether primary calls answer in JSON or single words."""
    last_exchange: Exchange | None = store_as("x", default=None)
    """How the newest user message and its answer begin; see `auxiliary`."""
    last_call: LastCall | None = store_as("l", default=None)
    """None while no primary call is known."""
    calls_under_way: tuple[PendingToolCall, ...] = store_as("y", default=())
    """The tools that the newest primary call asked for; see `inner_calls`."""
    sample_rate: float | None = store_as("sr", default=None)
    """What the application said first of the sampling of this conversation."""
    force_sample: bool | None = store_as("fs", default=None)


@value
class StateChange:
    """What becomes known of one conversation."""

    parent_overrides: tuple[tuple[str, str], ...] = store_as("parents", default=())
    """(head, id of the message before it), where this does not follow from the head; see `resolve`."""
    tool_call_message_ids: tuple[tuple[str, str], ...] = store_as("calls", default=())
    """(call id, message id)."""
    nodes: tuple[MessageNode, ...] = store_as("nodes", default=())
    emitted_ids: tuple[str, ...] = store_as("emitted", default=())
    """Ids of messages that were emitted."""
    emitted_spans: tuple[str, ...] = store_as("spans", default=())
    """Names of the calls that were emitted; see `prepare.PreparedOperation.name_in`."""
    properties: tuple[tuple[str, Any], ...] = store_as("properties", default=())
    """(name, JSON value) of what was said of the conversation itself."""
    branch_cursors: tuple[tuple[str, Cursor], ...] = store_as("branches", default=())
    """(id of the last link of a branch, where the conversation is after it)."""
    facts: ConversationFacts | None = store_as("facts", default=None)
    """None: they are as they were."""


@value
class Location:
    """A place in a conversation."""

    conversation_id: str = store_as("id")
    cursor: Cursor = store_as("at", default=Cursor())


class IndexName(Enum):
    """The indexes by which a conversation is found; see `index.ConversationIndex`."""

    RESPONSE = "response"
    ITEM = "item"
    HISTORY = "history"
    TRACE = "trace"
    SCOPE = "scope"
    TOOL_CALL = "call"
    EMITTED_RESPONSE = "emitted"
    ALWAYS_KEPT = "kept"


class IndexEntry(NamedTuple):
    """A name, and the conversation or the place that it leads to from now on."""

    index_name: IndexName
    name: str
    target: Location | str | None
    is_shared: bool = False
    """Whether the name leads nowhere once two conversations have it."""


@value
class Changes:
    """All that one operation changes."""

    conversation_id: str
    evidence: Evidence
    role: CallRole
    items: tuple[MessageItem, ...] = ()
    """New messages, to be emitted."""
    properties: Mapping[str, Json] = field(default_factory=dict)
    """All that was said of the conversation itself."""
    voice_call: VoiceCall | None = None
    """The spoken conversation, as the operation or a step that waited for it says."""
    state: StateChange = field(default_factory=StateChange)
    entries: tuple[IndexEntry, ...] = ()
    released: tuple[DeferralKey, ...] = ()
    """What waits for these waits no longer."""
    deferred: tuple[Deferral, ...] = ()
