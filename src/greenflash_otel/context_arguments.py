"""Repair the arguments that say whose conversation something is."""

from __future__ import annotations

from greenflash_otel.arguments import Repairs, read_greenflash_id, read_id, read_properties, report
from greenflash_otel.errors import InvalidConversationError
from greenflash_otel.internal_errors import guarded
from greenflash_otel.model.operation import ConversationContext


def make_conversation_context(
    function: str, ids: dict[str, object], properties: object, greenflash_id: object = None
) -> ConversationContext:
    """Repair the arguments of `function` that say whose conversation something is.

    Args:
        ids: Of the conversation, the user and the organization, in this order, by the name of the argument.
        greenflash_id: Of the conversation, by Greenflash; it counts before the application's own.

    Raises:
        InvalidConversationError: Only with the setting ``strict``.
    """
    repairs, conversation_context = Repairs(), ConversationContext()
    with guarded(f"read the arguments of {function}"):
        conversation_id, user_id, organization_id = (read_id(name, id, repairs) for name, id in ids.items())
        made_there = read_greenflash_id("greenflash_conversation_id", greenflash_id, repairs)
        own_properties = read_properties(properties, repairs)
        own_properties = repairs.add_original(own_properties)
        conversation_context = ConversationContext(
            made_there or conversation_id, user_id, organization_id, own_properties
        )
    report(function, repairs, InvalidConversationError)
    return conversation_context
