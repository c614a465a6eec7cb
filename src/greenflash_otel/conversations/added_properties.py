"""Send what becomes known of a conversation after its last message.

Greenflash takes properties with messages only, and it skips a message that it has. So the request repeats a message
under its id. If no message of the conversation is in memory any more, the properties are remembered: the next request
of the conversation has them.
"""

from __future__ import annotations

from greenflash_otel.conversations.changes import CallRole, Changes, Evidence, StateChange
from greenflash_otel.conversations.properties import select_remembered
from greenflash_otel.conversations.resolve import choose_fallback_conversation_id
from greenflash_otel.conversations.store import ConversationStore
from greenflash_otel.conversations.update import ConversationUpdate
from greenflash_otel.model.operation import ConversationContext, merge_properties
from greenflash_otel.model.telemetry import SpanRecord


def add_properties(
    store: ConversationStore, span: SpanRecord, context: ConversationContext
) -> ConversationUpdate:
    """Add the properties of a context to its conversation; return a known message with them if they are new."""
    id = context.conversation_id or choose_fallback_conversation_id(store.index, span.trace_id, context)
    state, last = store.get_state(id), store.last_messages.get(id)
    properties = merge_properties(state.properties, context.properties)
    if properties == state.properties:
        return ConversationUpdate(id, ())
    change = StateChange(properties=select_remembered(properties, context.properties))
    store.apply(Changes(id, Evidence.GIVEN, CallRole.AUXILIARY, state=change))
    return ConversationUpdate(
        id,
        () if last is None else last[:1],
        user_id=context.user_id or state.facts.user_id,
        organization_id=context.organization_id or state.facts.organization_id,
        properties=properties,
        sample_rate=state.facts.sample_rate,
        force_sample=state.facts.force_sample,
    )
