"""The laws of the conversation model, for any conversation of a chat client that edits nothing."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from greenflash_otel.conversations.assemble import assemble
from greenflash_otel.conversations.store import ConversationStore
from greenflash_otel.conversations.update import MessageItem
from greenflash_otel.message_ids.chain import find_head
from greenflash_otel.message_ids.fragments import split_messages
from greenflash_otel.model.operation import Message, Operation, Text
from tests.conversations.chats import Chat, as_expected, calls, chats, expected, named, told
from tests.strategies import span_of

manners = st.lists(st.integers(0, 2), min_size=1, max_size=5)
VISIBLE = {"user_message", "assistant_message", "final_response", "system_message"}


def _ids(items: list[MessageItem]) -> list[str]:
    return [item.id for item in items]


@given(chats(), manners)
def test_once_in_order_and_linked(chat: Chat, resent: list[int]) -> None:
    """Each true message arrives once, in order, with its type, its content and its parent."""
    assert as_expected(told(named(calls(chat, resent=resent)))) == expected(chat)


@given(chats(), manners)
def test_nothing_is_lost(chat: Chat, resent: list[int]) -> None:
    """No two messages share an id, however alike they are."""
    ids = _ids(told(named(calls(chat, resent=resent))))
    assert len(set(ids)) == len(ids) == len(expected(chat))


@given(chats(), manners, manners)
def test_ids_depend_on_the_conversation_only(chat: Chat, one: list[int], other: list[int]) -> None:
    """Another process, another time and another way of resending give the same ids."""
    first = told(named(calls(chat, resent=one)))
    second = told(named(calls(chat, resent=other)), first=5000)
    assert _ids(first) == _ids(second)


@given(chats(most=2), manners)
def test_conversations_do_not_share_ids(chat: Chat, resent: list[int]) -> None:
    """The same said in another conversation is another message."""
    one, other = (told(named(calls(chat, resent=resent), id)) for id in ("chat-1", "chat-2"))
    assert not set(_ids(one)) & set(_ids(other))


@given(chats(), manners)
def test_spans_delivered_twice(chat: Chat, resent: list[int]) -> None:
    """What was told already adds nothing, each span again or all of them again."""
    store = ConversationStore()
    operations = named(calls(chat, resent=resent))
    twice = [operation for operation in operations for _ in range(2)]
    assert as_expected(told(twice, store)) == expected(chat)
    assert told(operations, store) == []


@given(chats(), manners, st.data())
def test_a_restart(chat: Chat, resent: list[int], data: st.DataObject) -> None:
    """A process that sees only the later calls gives the messages the ids they had."""
    operations = named(calls(chat, resent=resent))
    start = data.draw(st.integers(0, len(operations) - 1))
    whole = told(operations)
    later = told(operations[start:], first=start + 1)
    # Thoughts are not always resent, so a process that did not hear them cannot tell them.
    assert set(_ids(later)) <= set(_ids(whole))
    assert {call.id for call in whole if call.type != "thought"} <= set(_ids(later))
    parents = {call.id: call.parent_id for call in whole}
    assert all(parents[item.id] == item.parent_id for item in later)


@given(chats(), manners)
def test_time_moves_on(chat: Chat, resent: list[int]) -> None:
    """Every message is later than the one before, for Greenflash sorts by time."""
    times = [item.created_at_ms for item in told(named(calls(chat, resent=resent)))]
    assert all(earlier < later for earlier, later in pairwise(times))


@given(chats())
def test_content_is_what_the_user_saw(chat: Chat) -> None:
    """Thoughts, arguments and results stand in input and output, never in content."""
    for item in told(named(calls(chat))):
        assert (item.content is not None) == (item.type in VISIBLE)
        if item.type not in VISIBLE:
            assert item.input or item.output


@given(chats())
def test_the_system_prompt_is_no_message(chat: Chat) -> None:
    """What stands before the conversation is told of the conversation as a whole."""
    first = named(calls(chat))[0]
    update = assemble(ConversationStore(), span_of(), first, may_defer=False)
    assert update.system_prompt == chat.prompt
    assert update.messages[0].type == "user_message"


@given(chats(notes=False))
def test_response_chains(chat: Chat) -> None:
    """Calls that name the response they continue tell all; of a history that is resent then all is known."""
    chain = [
        replace(
            call, response_id=f"resp_{place}", previous_response_id=f"resp_{place - 1}" if place else None
        )
        for place, call in enumerate(named(calls(chat, new_only=True)))
    ]
    assert as_expected(told(chain)) == expected(chat)
    more = Message("user", (Text("and then?"),))
    last = named(calls(chat))[-1]
    resending = replace(last, input=(*last.input, *last.output, more), output=())
    assert [item.content for item in told([*chain, resending])[len(expected(chat)) :]] == ["and then?"]


@given(chats(notes=False))
def test_response_chains_in_any_process(chat: Chat) -> None:
    """A call gives its messages the same ids where nothing is known of the response that it continues."""
    chain = [
        replace(
            call, response_id=f"resp_{place}", previous_response_id=f"resp_{place - 1}" if place else None
        )
        for place, call in enumerate(named(calls(chat, new_only=True)))
    ]
    alone = [
        item.id for link in chain for item in told([link]) if item.type not in ("observation", "tool_error")
    ]
    assert set(alone) <= set(_ids(told(chain)))


@given(chats(notes=False))
def test_response_chains_without_an_id(chat: Chat) -> None:
    """A chain stays one conversation although every call has a trace of its own."""
    chain = [
        replace(
            call, response_id=f"resp_{place}", previous_response_id=f"resp_{place - 1}" if place else None
        )
        for place, call in enumerate(calls(chat, new_only=True))
    ]
    assert as_expected(told(chain)) == expected(chat)


@given(chats(notes=False))
def test_stored_conversations(chat: Chat) -> None:
    """Calls that continue a conversation the provider keeps give the ids that resent histories give."""
    stored = [replace(call, provider_conversation_id="conv_1") for call in calls(chat, new_only=True)]
    assert _ids(told(stored)) == _ids(told(named(calls(chat), "conv_1")))


def _shortened(chat: Chat) -> list[Operation]:
    """The calls of a chat as spans with ``history="new"`` tell them."""
    head_id: str | None = None
    short = []
    for operation in named(calls(chat, new_only=True)):
        start = 1 if chat.prompt is not None else 0
        short.append(replace(operation, input_parent_id=head_id))
        messages = split_messages((*operation.input[start:], *operation.output))
        head_id = find_head("chat-1", head_id, messages)
    return short


@given(chats(notes=False))
def test_history_left_out(chat: Chat) -> None:
    """Spans that carry only what is new give the ids that whole histories give."""
    assert _ids(told(_shortened(chat))) == _ids(told(named(calls(chat))))


@given(chats(notes=False), st.data())
def test_history_left_out_and_a_restart(chat: Chat, data: st.DataObject) -> None:
    """Where the known history is known no longer, ids still are the same."""
    operations = _shortened(chat)
    start = data.draw(st.integers(0, len(operations) - 1))
    later = [item for item in told(operations[start:]) if item.type in VISIBLE | {"tool_call"}]
    assert set(_ids(later)) <= set(_ids(told(operations)))
