"""Repair the arguments that say whose conversation something is."""

from __future__ import annotations

from greenflash_otel.arguments import (
    Repairs,
    read_flag,
    read_greenflash_id,
    read_id,
    read_properties,
    read_share,
    report,
)
from greenflash_otel.errors import InvalidConversationError
from greenflash_otel.internal_errors import guarded
from greenflash_otel.model.operation import ConversationContext


def make_conversation_context(
    function: str,
    ids: dict[str, object],
    properties: object,
    greenflash_id: object = None,
    message_properties: object = None,
    *,
    sample_rate: object = None,
    force_sample: object = None,
) -> ConversationContext:
    """Repair the arguments of `function` that say whose conversation something is.

    Args:
        ids: Of the conversation, the user and the organization, in this order, by the name of the argument.
        greenflash_id: Of the conversation, by Greenflash; it counts before the application's own.
        message_properties: Of the messages of each call, not of the conversation.

    Raises:
        InvalidConversationError: Only with the setting ``strict``.
    """
    repairs, conversation_context = Repairs(), ConversationContext()
    with guarded(f"read the arguments of {function}"):
        conversation_id, user_id, organization_id = (read_id(name, id, repairs) for name, id in ids.items())
        made_there = read_greenflash_id("greenflash_conversation_id", greenflash_id, repairs)
        own_properties = read_properties(properties, repairs)
        own_message_properties = read_properties(message_properties, repairs, name="message_properties")
        share = read_share("sample_rate", sample_rate, 0, repairs)
        is_forced = read_flag("force_sample", force_sample, repairs)
        own_properties = repairs.add_original(own_properties)
        conversation_context = ConversationContext(
            made_there or conversation_id,
            user_id,
            organization_id,
            own_properties,
            message_properties=own_message_properties,
            sample_rate=share,
            force_sample=is_forced,
        )
    report(function, repairs, InvalidConversationError)
    return conversation_context
