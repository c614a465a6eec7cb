"""What a handler was given: where its spans go, what may be on them, and whose conversations it sees."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from opentelemetry.trace import Tracer

from greenflash_otel.arguments import write_id
from greenflash_otel.instrumentation.history import KnownHistory
from greenflash_otel.lru import LruDict
from greenflash_otel.model.operation import ConversationContext, merge_context, nest_context
from greenflash_otel.semconv.metadata import select_metadata

CONVERSATION_KEYS = ("greenflash_conversation_id", "conversation_id", "thread_id", "session_id")
"""Where LangChain's metadata, and then ``configurable``, may name the conversation; the first wins."""
USER_KEYS = ("greenflash_user_id", "user_id")
ORGANIZATION_KEYS = ("greenflash_organization_id", "organization_id")
NAMES = frozenset((*CONVERSATION_KEYS, *USER_KEYS, *ORGANIZATION_KEYS))

ENDS = 50_000
"""Messages, and conversations, whose ids are remembered."""


@dataclass(eq=False)
class LangChainConfig:
    """What `instrument()` was given, and whether that still applies."""

    tracer: Callable[[], Tracer]
    capture_content: bool = True
    chains: bool = False
    """Whether chains, nodes and inner graphs are recorded too."""
    history: KnownHistory | None = None
    """Shortens what goes on a span; None: the whole input does."""
    key: bytes = b""
    """What the ids of messages are hashed with; see `message_ids.ids`."""
    metadata_keys: Sequence[str] = ()
    """What of a run's metadata and tags may be recorded; see the setting."""
    active: bool = True
    """False after `uninstrument()`, which ends what runs: nothing is recorded any more."""
    ends: LruDict[tuple[str, str], tuple[str, int, str | None]] = field(default_factory=lambda: LruDict(ENDS))
    """Id of a recorded message as spans refer to it, and what it said, by conversation and LangChain's id."""
    inserted: LruDict[str, None] = field(default_factory=lambda: LruDict(ENDS))
    """LangChain's ids of messages that a node wrote in the role of the user."""
    latest: LruDict[str, str] = field(default_factory=lambda: LruDict(ENDS))
    """The same of the newest message, by conversation."""


@dataclass(frozen=True, eq=False)
class Source:
    """An instrumentation, and what one handler knows of its conversations."""

    instrumentation: LangChainConfig
    conversation_context: ConversationContext = field(default_factory=ConversationContext)


def complete_context(
    conversation_context: ConversationContext, fields: Mapping[str, Any]
) -> ConversationContext:
    """Return ``conversation_context``, completed by what ``fields`` say."""
    if not fields or NAMES.isdisjoint(fields):  # nearly all name nobody
        return conversation_context
    named_context = ConversationContext(
        _find_first_id(fields, CONVERSATION_KEYS),
        _find_first_id(fields, USER_KEYS),
        _find_first_id(fields, ORGANIZATION_KEYS),
    )
    return merge_context(conversation_context, named_context)


def describe_messages(
    source: Source, context: ConversationContext, metadata: Mapping[str, Any], tags: Sequence[Any]
) -> ConversationContext:
    """Return ``context`` with what a run says of its messages in metadata and tags, as far as the setting names it."""
    if not (keys := source.instrumentation.metadata_keys):
        return context
    said = {**select_metadata(metadata, keys, tags), **context.message_properties}
    return replace(context, message_properties=said)


def merge_contexts(outer: ConversationContext, active: ConversationContext) -> ConversationContext:
    """Return what a handler was given, before what the running code says.

    A handler says whose conversation it is, not where the code runs: hidden, in a tool, or in a turn.
    """
    return replace(
        nest_context(active, outer),
        internal=active.internal,
        tool_call_id=active.tool_call_id,
        turn_id=active.turn_id,
    )


def _find_first_id(fields: Mapping[str, Any], names: tuple[str, ...]) -> str | None:
    """Return the first id there is; what has no text of its own, as a list, is none."""
    for name in names:
        value = fields.get(name)
        if value is None:
            continue
        if issubclass(type(value), (bool, Mapping, list, tuple, set)):
            continue
        if text := write_id(value)[0]:
            return text
    return None
