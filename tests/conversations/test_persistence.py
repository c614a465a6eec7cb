"""What is noted is known again: a process that ends and begins anew changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenflash_otel import internal_errors
from greenflash_otel.conversations import persistence
from greenflash_otel.conversations.assemble import assemble, assemble_overdue
from greenflash_otel.conversations.store import ConversationStore
from greenflash_otel.conversations.update import ConversationUpdate
from greenflash_otel.model.operation import (
    EXECUTE_TOOL,
    ConversationContext,
    Message,
    Operation,
    Text,
    ToolExecution,
)
from tests.conversations.chats import Chat, calls, chats, named
from tests.conversations.records import Pad, restarted
from tests.conversations.test_laws import manners
from tests.strategies import operations, span_of

Ways = st.lists(st.booleans(), min_size=1, max_size=6)


def _told(given: Sequence[Operation], ends: Sequence[bool], key: bytes = b"") -> list[ConversationUpdate]:
    """What comes of calls, if the process ends after those of which ``ends`` says so."""
    pad = Pad()
    store, updates = ConversationStore(key, pad), list[ConversationUpdate]()
    for number, operation in enumerate(given):
        span = span_of(number=number + 1, trace=number + 1)
        updates += assemble(store, span, operation).list_in_order()
        if ends[number % len(ends)]:
            store = restarted(store, pad, key)
    return updates + assemble_overdue(store, None)


def _short(given: Sequence[Operation], last: int) -> list[Operation]:
    """The calls as an application makes them that resends no more than the last messages."""
    return [replace(operation, input=operation.input[-last:]) for operation in given]


@given(chats(), manners, Ways)
def test_a_conversation_that_has_a_name(chat: Chat, resent: list[int], ends: list[bool]) -> None:
    """It goes on as if nothing had happened, whatever of it is resent."""
    given = named(calls(chat, resent=resent))
    for made in (given, _short(given, 3), _short(given, 1)):
        assert _told(made, ends) == _told(made, [False])


@given(chats(), manners, Ways)
def test_a_conversation_without_a_name(chat: Chat, resent: list[int], ends: list[bool]) -> None:
    """Its history tells which one it is."""
    for made in (given := calls(chat, resent=resent), _short(given, 3)):
        assert _told(made, ends) == _told(made, [False])


@given(chats(notes=False), Ways)
def test_a_chain_of_responses(chat: Chat, ends: list[bool]) -> None:
    """The response before tells which conversation it is, and where it stands."""
    chain = [
        replace(
            call, response_id=f"resp_{place}", previous_response_id=f"resp_{place - 1}" if place else None
        )
        for place, call in enumerate(calls(chat, new_only=True))
    ]
    assert _told(chain, ends) == _told(chain, [False])


@given(st.lists(operations(), max_size=6), Ways)
def test_anything_at_all(given: list[Operation], ends: list[bool]) -> None:
    """Whatever is known of whatever was told is known again."""
    given = [replace(operation, failure=None, ending="completed") for operation in given]
    assert _told(given, ends) == _told(given, [False])
    assert _told(given, ends, b"key") == _told(given, [False], b"key")


ASKED = Message("user", (Text("Is this about shoes?"),))
DOUBTFUL = Operation(
    "chat",
    ConversationContext("chat"),
    system_instructions=(Text("Reply in one word."),),
    input=(ASKED,),
    output=(Message("assistant", (Text("yes"),)),),
)
"""It may be a guard's answer, or the main line's."""
MAIN = replace(
    DOUBTFUL,
    system_instructions=(Text("You sell shoes and nothing else to anybody."),),
    output=(Message("assistant", (Text("Yes, it is. What do you need?"),)),),
)
TOOL = Operation(EXECUTE_TOOL, tool=ToolExecution("search", "call_1", {"q": "shoes"}, "none"))


@pytest.mark.parametrize("given", [[DOUBTFUL, MAIN], [DOUBTFUL], [TOOL], [DOUBTFUL, TOOL, MAIN]])
def test_what_waits_goes_on_waiting(given: list[Operation]) -> None:
    """And is told once, as what it turns out to be."""
    assert _told(given, [True]) == _told(given, [False])


def test_what_was_told_waits_no_more() -> None:
    """However often the process begins anew."""
    pad = Pad()
    store = ConversationStore(reader=pad)
    assemble(store, span_of(), DOUBTFUL)
    store = restarted(store, pad)
    assert len(store.deferred) == 1
    assert assemble_overdue(store, None)
    assert not len(restarted(store, pad).deferred)


def test_nothing_new_is_no_note() -> None:
    """What is known already, and conversations that were only asked after, cost nothing."""
    store = ConversationStore(reader=Pad())
    for _ in range(2):
        assemble(store, span_of(), MAIN)
        news = store.list_pending_records()
        store.mark_persisted()
    store.get_state("other")
    assert news == store.list_pending_records() == []


def test_what_is_not_noted_stays_news() -> None:
    """Until it is."""
    store = ConversationStore(reader=Pad())
    assemble(store, span_of(), MAIN)
    assert store.list_pending_records() == store.list_pending_records() != []


def test_what_is_forgotten_is_forgotten_for_good() -> None:
    """Also by those who come after."""
    pad = Pad()
    store = restarted(store := ConversationStore(reader=pad), pad)
    assemble(store, span_of(), MAIN)
    store = restarted(store, pad)
    store.forget("chat")
    assert len(assemble(store, span_of(), MAIN).messages) == 2
    store = restarted(store, pad)
    store.forget("chat")
    assert len(assemble(restarted(store, pad), span_of(), MAIN).messages) == 2


@pytest.mark.parametrize(("key", "owner"), [(b"", "b"), (b"key", "a")])
def test_each_application_has_its_own(key: bytes, owner: str) -> None:
    """Two that share a folder, or one whose ids are made with another key, know nothing of each other."""
    topics = []
    for store in (ConversationStore(b"", Pad(), "a"), ConversationStore(key, Pad(), owner)):
        for operation in (TOOL, MAIN):
            assemble(store, span_of(), operation)
        topics.append({note.key for note in store.list_pending_records()})
    assert {topic.split()[0] for topic in topics[0]} == {"conversation", "trace", "waiting"}
    assert not topics[0] & topics[1]


@pytest.mark.parametrize(
    "text", ["", "{}", "[2,{}]", "[1,7]", "[1,[]]", '[1,{"nodes":{}}]', '[1,{"facts":{"n":"one"}}]', '["1"']
)
def test_a_note_that_is_not_understood(text: str) -> None:
    """It is passed over and counted; what it said is told as news."""
    pad = Pad()
    store = ConversationStore(reader=pad)
    for operation in (replace(MAIN, response_id="r"), DOUBTFUL):
        assemble(store, span_of(), operation)
    pad.write(store.list_pending_records())
    pad.notes = [(topic, text) for topic, _ in pad.notes]
    before = internal_errors.get_internal_errors().get("read stored state", 0)
    store = ConversationStore(reader=pad)
    going_on = replace(MAIN, previous_response_id="r")
    assert len(assemble(store, span_of(number=2), going_on).messages) == 2
    assert internal_errors.get_internal_errors()["read stored state"] > before


def test_a_note_of_another_version_is_not_read() -> None:
    """Whatever it may mean."""
    assert persistence.read(persistence.write({})) == {}
    with pytest.raises(ValueError, match="version 2"):
        persistence.read("[2,{}]")


def test_notes_of_what_was_said_hold_none_of_it() -> None:
    """Hashes, ids and times; also the beginnings by which a quotation is found."""
    store = ConversationStore(reader=Pad())
    assemble(store, span_of(), MAIN)
    text = "".join(note.key + (note.value or "") for note in store.list_pending_records())
    assert "shoes" not in text.lower()
    assert persistence.VERSION == 1
