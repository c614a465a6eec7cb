"""With a key, ids tell nothing about what was said; without, they are what they always were."""

from __future__ import annotations

import pytest

from greenflash_otel.conversations.assemble import assemble
from greenflash_otel.conversations.store import ConversationStore
from greenflash_otel.conversations.update import MessageItem
from greenflash_otel.model.operation import (
    ConversationContext,
    Message,
    Operation,
    Reasoning,
    ServerToolCall,
    Text,
    ToolCall,
    ToolCallResponse,
)
from tests.strategies import span_of

ASKED = Message("user", (Text("Hi"),))
CALLED = Message(
    "assistant",
    (Reasoning("Hm"), Text("So"), ToolCall("look", {}, "call_1"), ServerToolCall("find", {}, "s1")),
)
LOOKED = Message("tool", (ToolCallResponse("seen", "call_1"),))
ANSWERED = Message("assistant", (Text("Done"),))
OPERATIONS = (
    Operation("chat", ConversationContext("chat-1"), input=(ASKED,), output=(CALLED,)),
    Operation("chat", ConversationContext("chat-1"), input=(ASKED, CALLED, LOOKED), output=(ANSWERED,)),
    Operation("embeddings", ConversationContext("chat-1"), input=(ASKED,)),
    Operation("chat", ConversationContext(), input=(ASKED,), output=(ANSWERED,), response_id="resp_1"),
    Operation(
        "chat", ConversationContext(), input=(ASKED,), output=(ANSWERED,), previous_response_id="resp_1"
    ),
    Operation("fetch_response", ConversationContext(), output=(ANSWERED,), response_id="resp_9"),
    Operation(
        "chat", ConversationContext("chat-2"), input=(ASKED,), output=(ANSWERED, ANSWERED), choice_count=2
    ),
)


def told(key: bytes) -> list[MessageItem]:
    """All messages of a few conversations, and with them every kind of id."""
    store = ConversationStore(key)
    return [
        item
        for number, operation in enumerate(OPERATIONS, 1)
        for item in assemble(
            store, span_of({}, number=number, trace=number), operation, may_defer=False
        ).messages
    ]


def test_every_id_depends_on_the_key() -> None:
    """Who shares the key makes the same ids; others have none in common, and the parents agree."""
    plain, ours, again, theirs = told(b""), told(b"ours"), told(b"ours"), told(b"theirs")
    assert ours == again
    assert len({item.id for item in (*plain, *ours, *theirs)}) == len(plain) + len(ours) + len(theirs)
    positions = {item.id: at for items in (plain, ours, theirs) for at, item in enumerate(items)}
    parents = [
        [positions[item.parent_id] if item.parent_id else None for item in items]
        for items in (plain, ours, theirs)
    ]
    assert parents[0] == parents[1] == parents[2]
    assert [item.type for item in plain] == [item.type for item in theirs]


@pytest.mark.parametrize("length", [1, 64])
def test_how_long_a_key_may_be(length: int) -> None:
    """Up to what the hash takes."""
    assert told(b"k" * length)
