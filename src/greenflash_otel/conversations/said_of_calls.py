"""Put on the messages of a call what the application says of that call. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from greenflash_otel.conversations.changes import ConversationFacts
from greenflash_otel.conversations.update import MessageItem
from greenflash_otel.model.operation import ConversationContext, Operation, merge_properties

SAID_BY_MODELS = frozenset({"assistant_message", "final_response", "thought", "tool_call"})
"""What ends the input of an earlier call."""


def add_to_messages(items: Iterable[MessageItem], operation: Operation) -> Sequence[MessageItem]:
    """Return the messages of a call with the properties that its context has for them; of one name these count."""
    own = operation.conversation_context.message_properties
    if not own:
        return [*items]
    return [replace(item, properties=merge_properties(item.properties, own)) for item in items]


def add_to_news(items: Sequence[MessageItem], operation: Operation) -> Sequence[MessageItem]:
    """Do the same for the input of a call, of which only what follows the last answer is of this call."""
    if not operation.conversation_context.message_properties:
        return items
    spoken = (place + 1 for place, item in enumerate(items) if item.type in SAID_BY_MODELS)
    begin = max(spoken, default=0)
    return [*items[:begin], *add_to_messages(items[begin:], operation)]


def note_sampling(facts: ConversationFacts, context: ConversationContext) -> Mapping[str, Any]:
    """Return what the application says of the sampling of a conversation, unless something is known of that."""
    said: dict[str, Any] = {}
    if facts.sample_rate is None and context.sample_rate is not None:
        said["sample_rate"] = context.sample_rate
    if facts.force_sample is None and context.force_sample is not None:
        said["force_sample"] = context.force_sample
    return said
