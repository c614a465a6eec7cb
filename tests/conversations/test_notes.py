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
from greenflash_otel.conversations.store import Memory
from greenflash_otel.conversations.update import ConversationUpdate
from greenflash_otel.model.operation import EXECUTE_TOOL, Affiliation, Message, Operation, Text, ToolExecution
from tests.conversations.chats import Chat, calls, chats, named
from tests.conversations.notebook import Pad, restarted
from tests.conversations.test_laws import manners
from tests.strategies import operations, span_of

Ways = st.lists(st.booleans(), min_size=1, max_size=6)


def _told(given: Sequence[Operation], ends: Sequence[bool], key: bytes = b"") -> list[ConversationUpdate]:
    """What comes of calls, if the process ends after those of which ``ends`` says so."""
    pad = Pad()
    memory, updates = Memory(key, pad), []
    for number, operation in enumerate(given):
        updates.append(assemble(memory, span_of(number=number + 1, trace=number + 1), operation))
        if ends[number % len(ends)]:
            memory = restarted(memory, pad, key)
    return updates + assemble_overdue(memory, None)


def _short(given: Sequence[Operation], last: int) -> list[Operation]:
    """The calls as an application makes them that resends no more than the last messages."""
    return [replace(one, input=one.input[-last:]) for one in given]


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
        replace(one, response_id=f"resp_{place}", previous_response_id=f"resp_{place - 1}" if place else None)
        for place, one in enumerate(calls(chat, new_only=True))
    ]
    assert _told(chain, ends) == _told(chain, [False])


@given(st.lists(operations(), max_size=6), Ways)
def test_anything_at_all(given: list[Operation], ends: list[bool]) -> None:
    """Whatever is known of whatever was told is known again."""
    given = [replace(one, failure=None, ending="completed") for one in given]
    assert _told(given, ends) == _told(given, [False])
    assert _told(given, ends, b"key") == _told(given, [False], b"key")


ASKED = Message("user", (Text("Is this about shoes?"),))
DOUBTFUL = Operation(
    "chat",
    Affiliation("chat"),
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
    memory = Memory(notebook=pad)
    assemble(memory, span_of(), DOUBTFUL)
    memory = restarted(memory, pad)
    assert len(memory.waiting) == 1
    assert assemble_overdue(memory, None)
    assert not restarted(memory, pad).waiting


def test_nothing_new_is_no_note() -> None:
    """What is known already, and conversations that were only asked after, cost nothing."""
    memory = Memory(notebook=Pad())
    for _ in range(2):
        assemble(memory, span_of(), MAIN)
        news = memory.news()
        memory.noted()
    memory.conversation("other")
    assert news == memory.news() == []


def test_what_is_not_noted_stays_news() -> None:
    """Until it is."""
    memory = Memory(notebook=Pad())
    assemble(memory, span_of(), MAIN)
    assert memory.news() == memory.news() != []


def test_what_is_forgotten_is_forgotten_for_good() -> None:
    """Also by those who come after."""
    pad = Pad()
    memory = restarted(memory := Memory(notebook=pad), pad)
    assemble(memory, span_of(), MAIN)
    memory = restarted(memory, pad)
    memory.forget("chat")
    assert len(assemble(memory, span_of(), MAIN).messages) == 2
    memory = restarted(memory, pad)
    memory.forget("chat")
    assert len(assemble(restarted(memory, pad), span_of(), MAIN).messages) == 2


@pytest.mark.parametrize(("key", "owner"), [(b"", "b"), (b"key", "a")])
def test_each_application_has_its_own(key: bytes, owner: str) -> None:
    """Two that share a folder, or one whose ids are made with another key, know nothing of each other."""
    topics = []
    for memory in (Memory(b"", Pad(), "a"), Memory(key, Pad(), owner)):
        for operation in (TOOL, MAIN):
            assemble(memory, span_of(), operation)
        topics.append({note.key for note in memory.news()})
    assert {topic.split()[0] for topic in topics[0]} == {"conversation", "trace", "waiting"}
    assert not topics[0] & topics[1]


@pytest.mark.parametrize("text", ["", "{}", "[2,[]]", "[1,7]", "[1,{}]", '[1,["chat",[]]]', '["1"'])
def test_a_note_that_is_not_understood(text: str) -> None:
    """It is passed over and counted; what it said is told as news."""
    pad = Pad()
    memory = Memory(notebook=pad)
    for operation in (replace(MAIN, response_id="r"), DOUBTFUL):
        assemble(memory, span_of(), operation)
    pad.write(memory.news())
    pad.notes = [(topic, text) for topic, _ in pad.notes]
    before = internal_errors.internal_errors().get("recall what was noted", 0)
    memory = Memory(notebook=pad)
    going_on = replace(MAIN, previous_response_id="r")
    assert len(assemble(memory, span_of(number=2), going_on).messages) == 2
    assert internal_errors.internal_errors()["recall what was noted"] > before


def test_a_note_of_another_version_is_not_read() -> None:
    """Whatever it may mean."""
    assert persistence.read(persistence.write({})) == {}
    with pytest.raises(ValueError, match="version 2"):
        persistence.read("[2,{}]")


def test_notes_of_what_was_said_hold_none_of_it() -> None:
    """Hashes, ids and times; also the beginnings by which a quotation is found."""
    memory = Memory(notebook=Pad())
    assemble(memory, span_of(), MAIN)
    text = "".join(note.key + (note.value or "") for note in memory.news())
    assert "shoes" not in text.lower()
    assert persistence.VERSION == 1
