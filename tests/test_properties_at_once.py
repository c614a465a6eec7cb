"""Threads that add properties to one conversation at once hide nothing from each other."""

from __future__ import annotations

from collections.abc import Iterator

from greenflash_otel.conversation_handle import Conversation
from greenflash_otel.model.operation import ConversationContext, Json


def test_what_is_added_while_another_thread_adds_is_seen() -> None:
    """The second thread comes in between, and the context is read before the first one is done."""
    conversation = Conversation(ConversationContext(conversation_id="chat-1"))

    class Interrupted(dict[str, Json]):
        """Properties that are being stored when another thread gets its turn."""

        def __iter__(self) -> Iterator[str]:
            conversation.set_properties(second=2)
            assert "second" in conversation.properties
            yield from super().__iter__()

    conversation._added.add(Interrupted(first=1))
    assert dict(conversation.properties) == {"first": 1, "second": 2}
