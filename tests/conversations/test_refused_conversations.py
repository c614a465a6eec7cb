"""What Greenflash never got is not sent again because of properties that come later."""

from __future__ import annotations

from greenflash_otel.conversations.assemble import assemble
from greenflash_otel.conversations.store import ConversationStore
from greenflash_otel.model.operation import ConversationContext, Message, Operation, Text
from greenflash_otel.model.own_operations import SET_PROPERTIES
from tests.strategies import span_of


def test_a_forgotten_conversation_repeats_no_message() -> None:
    """Its message was refused: later properties wait for the next message of the conversation."""
    store, context = ConversationStore(), ConversationContext(conversation_id="chat")
    asked = Operation("chat", context, input=(Message("user", (Text("Is it dry?"),)),))
    assert assemble(store, span_of(number=1), asked).messages
    store.forget("chat")
    later = ConversationContext(conversation_id="chat", properties={"plan": "free"})
    assert assemble(store, span_of(number=2), Operation(SET_PROPERTIES, later)).messages == ()
