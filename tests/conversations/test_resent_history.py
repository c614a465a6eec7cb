"""The laws of the conversation model, for chat clients that resend the whole history with every call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from hypothesis import given
from hypothesis import strategies as st

from greenflash_otel.conversations.assemble import assemble, assemble_overdue
from greenflash_otel.conversations.store import ConversationStore
from greenflash_otel.conversations.update import MessageItem
from greenflash_otel.instrumentation.history import KnownHistory
from greenflash_otel.model.operation import (
    ConversationContext,
    Failure,
    Message,
    Operation,
    Reasoning,
    ServerToolCall,
    ServerToolCallResponse,
    Text,
    ToolCall,
    ToolCallResponse,
)
from greenflash_otel.model.telemetry import SpanRecord

WORDS = st.sampled_from(["yes", "no", "Zürich?", "ok "])
"""Few, so that the same thing is often said twice."""


@dataclass(frozen=True)
class Round:
    """One model call that asks for tools, and what they answered."""

    text: str
    results: tuple[str, ...]


@dataclass(frozen=True)
class Turn:
    """A question, rounds of tools, the answer."""

    question: str
    rounds: tuple[Round, ...]
    thought: str
    answer: str


ROUNDS = st.builds(
    Round,
    text=st.sampled_from(["", "Let me look."]),
    results=st.lists(WORDS, min_size=1, max_size=3).map(tuple),
)
TURNS = st.builds(
    Turn,
    question=WORDS,
    rounds=st.lists(ROUNDS, max_size=2).map(tuple),
    thought=st.sampled_from(["", "Hm."]),
    answer=WORDS,
)
CHATS = st.lists(TURNS, min_size=1, max_size=4)


def operations_of(chat: Sequence[Turn], conversation_context: ConversationContext) -> list[Operation]:
    """What a chat client makes of a chat: each call resends everything, as clients write it."""
    history: list[Message] = [Message("system", (Text("Be kind."),))]
    operations = []

    def call(*answer: Text | Reasoning | ToolCall) -> None:
        operations.append(
            Operation(
                "chat", conversation_context, input=tuple(history), output=(Message("assistant", answer),)
            )
        )
        resent = tuple(part for part in answer if not isinstance(part, Reasoning))
        history.append(Message("assistant", tuple(_trimmed(part) for part in resent)))

    for turn in chat:
        history.append(Message("user", (Text(turn.question),)))
        for entry in turn.rounds:
            # The provider counts from 0 again in every round: call ids are not unique.
            calls = [ToolCall("look", {"n": n}, f"call_{n}") for n in range(len(entry.results))]
            call(Text(entry.text), *calls)
            for n, result in enumerate(entry.results):
                history.append(Message("tool", (ToolCallResponse(result, f"call_{n}"),)))
        thoughts = [Reasoning(turn.thought)] if turn.thought else []
        call(*thoughts, Text(turn.answer))
    return operations


def _trimmed(part: Text | ToolCall) -> Text | ToolCall:
    return Text(part.content.rstrip()) if isinstance(part, Text) else part


def truth_of(chat: Sequence[Turn]) -> list[tuple[str, str | None]]:
    """(type, content) of every message, in order."""
    truth: list[tuple[str, str | None]] = []
    for turn in chat:
        truth.append(("user_message", turn.question))
        for entry in turn.rounds:
            truth += [("assistant_message", entry.text)] if entry.text else []
            truth += [("tool_call", None)] * len(entry.results)
            truth += [("observation", None)] * len(entry.results)
        truth += [("thought", None)] if turn.thought else []
        truth.append(("final_response" if turn.rounds else "assistant_message", turn.answer))
    return truth


def run(
    operations: Sequence[Operation], store: ConversationStore | None = None, *, same_trace: bool = False
) -> list[tuple[str, MessageItem]]:
    """(conversation, message) for everything handed on."""
    store = store or ConversationStore()
    handed_on = []
    for number, operation in enumerate(operations):
        span = SpanRecord(
            trace_id=f"{1 if same_trace else number + 1:032x}",
            span_id=f"{number + 1:016x}",
            name="chat",
            start_ns=number * 10**9,
            end_ns=number * 10**9 + 10**8,
        )
        for update in assemble(store, span, operation).list_in_order():
            handed_on += [(update.conversation_id, message) for message in update.messages]
    for update in assemble_overdue(store, None):
        handed_on += [(update.conversation_id, message) for message in update.messages]
    return handed_on


def messages(operations: Sequence[Operation]) -> list[MessageItem]:
    return [message for _, message in run(operations)]


NAMED = ConversationContext(conversation_id="c")


@given(CHATS)
def test_each_message_appears_once_in_order_as_what_it_is(chat: list[Turn]) -> None:
    """Law 1 and 3 and 5: nothing doubled, nothing lost, content only for what the user saw."""
    made = messages(operations_of(chat, NAMED))
    assert [(message.type, message.content) for message in made] == truth_of(chat)
    assert len({item.id for item in made}) == len(made)
    assert [item.created_at_ms for item in made] == sorted({item.created_at_ms for item in made})


@given(CHATS, st.data())
def test_ids_depend_on_nothing_but_the_conversation(chat: list[Turn], data: st.DataObject) -> None:
    """Law 2: a restart, a repeat, and another process come to the same ids."""
    operations = operations_of(chat, NAMED)
    ids = [message.id for message in messages(operations)]
    store = ConversationStore()
    assert [entry.id for _, entry in run(operations, store)] == ids
    assert run(operations, store) == []
    start = data.draw(st.integers(0, len(operations) - 1))
    assert {message.id for message in messages(operations[start:])} <= set(ids)
    assert {message.id for message in messages(operations[-1:])} >= {ids[0], ids[-1]}


@given(CHATS)
def test_parents_are_what_a_message_answers(chat: list[Turn]) -> None:
    """Law 4: result to call, call to what asked for it, answer to question, question to the answer before."""
    made = {message.id: message for message in messages(operations_of(chat, NAMED))}
    asked = visible = None
    text: str | None = None
    for item in made.values():
        match item.type:
            case "user_message":
                assert item.parent_id == visible
                asked = visible = item.id
            case "assistant_message" | "final_response":
                assert item.parent_id == asked
                visible = text = item.id
            case "tool_call":
                assert item.parent_id in (text, asked)
            case "observation":
                assert made[str(item.parent_id)].type == "tool_call"
                text = None
            case "thought":
                assert item.parent_id == asked
    results = [item.parent_id for item in made.values() if item.type == "observation"]
    assert len(set(results)) == len(results)


@given(CHATS, st.sampled_from([b"", b"a key"]))
def test_a_span_with_only_what_is_new_tells_the_same(chat: list[Turn], key: bytes) -> None:
    """history="new" and history="full" come to the same messages, whatever key their ids are made with."""
    known = KnownHistory(key)
    full = operations_of(chat, NAMED)
    short = [known.shorten(operation) for operation in full]
    assert run(short, ConversationStore(key)) == run(full, ConversationStore(key))
    assert all(len(operation.input) <= 5 for operation in short)


@given(CHATS, st.sampled_from([b"", b"a key"]))
def test_what_is_not_even_read_was_known(chat: list[Turn], key: bytes) -> None:
    """A request of which the known texts are left out unread tells the same as all of it."""
    known = KnownHistory(key)
    full, short = operations_of(chat, NAMED), []
    for operation in full:
        entries = {
            id(entry): (entry, message) for message in operation.input for entry in [as_entry(message)]
        }
        rest, parent_id = known.leave_out(operation, [entry for entry, _ in entries.values()])
        read = tuple(entries[id(entry)][1] for entry in rest)
        short.append(known.shorten(replace(operation, input=read, input_parent_id=parent_id)))
    assert run(short, ConversationStore(key)) == run(full, ConversationStore(key))
    assert all(entry.input_parent_id for entry in short[1:])


def as_entry(message: Message) -> object:
    """A message as a request has it; one that is more than text as something that is not looked into."""
    part = message.parts[0] if len(message.parts) == 1 else None
    return {"role": message.role, "content": part.content} if isinstance(part, Text) else object()


@given(CHATS)
def test_a_chat_that_nobody_named_is_one_conversation(chat: list[Turn]) -> None:
    """Every call in a trace of its own, and yet one conversation, found by the history it resends."""
    made = run(operations_of(chat, ConversationContext(user_id="ada")))
    assert len({conversation for conversation, _ in made}) == 1
    assert [(message.type, message.content) for _, message in made] == truth_of(chat)


@given(CHATS)
def test_two_users_who_say_the_same_are_never_joined(chat: list[Turn]) -> None:
    """Whatever they say, nothing of one is in a conversation of the other, and nothing is lost."""
    store = ConversationStore()
    ada = run(operations_of(chat, ConversationContext(user_id="ada")), store)
    interlaced = [
        replace(operation, conversation_context=ConversationContext(user_id="bob"))
        for operation in operations_of(chat, NAMED)
    ]
    spans = [
        SpanRecord(f"{100 + n:032x}", f"{100 + n:016x}", "chat", 10**12 + n, 10**12 + n + 1)
        for n in range(len(interlaced))
    ]
    bob = [assemble(store, span, operation) for span, operation in zip(spans, interlaced, strict=True)]
    assert {conversation for conversation, _ in ada}.isdisjoint({update.conversation_id for update in bob})
    assert sum(len(update.messages) for update in bob) == len(ada)


def test_two_anonymous_chats_that_say_the_same_are_never_joined() -> None:
    """After the same first exchange nobody can tell them apart: then they are rather split than joined."""
    chat = operations_of([Turn("yes", (), "", "ok"), Turn("no", (), "", "ok")], ConversationContext())
    store = ConversationStore()
    first, second = (
        assemble(store, SpanRecord(f"{n:032x}", f"{n:016x}", "chat", n, n), chat[0]) for n in (1, 2)
    )
    later = assemble(store, SpanRecord(f"{3:032x}", f"{3:016x}", "chat", 3, 3), chat[1])
    assert len({first.conversation_id, second.conversation_id, later.conversation_id}) == 3


def test_two_answers_that_say_the_same_are_two() -> None:
    """n=2: alternatives are siblings, also where their texts are equal."""
    said = Message("assistant", (Text("ok"),))
    call = Operation(
        "chat", NAMED, input=(Message("user", (Text("hi"),)),), output=(said, said), choice_count=2
    )
    user, *answers = messages([call])
    assert [answer.parent_id for answer in answers] == [user.id, user.id]
    assert len({answer.id for answer in answers}) == 2


def test_a_response_that_names_the_one_before_continues_it() -> None:
    """previous_response_id: the input holds only what is new, and belongs after that response."""
    first = Operation(
        "chat",
        response_id="resp_1",
        input=(Message("user", (Text("hi"),)),),
        output=(Message("assistant", (ToolCall("look", {}, "call_1"),)),),
    )
    second = Operation(
        "chat",
        response_id="resp_2",
        previous_response_id="resp_1",
        input=(Message("tool", (ToolCallResponse("sun", "call_1"),)),),
        output=(Message("assistant", (Text("Sunny."),)),),
    )
    made = run([first, second])
    assert len({conversation for conversation, _ in made}) == 1
    user, call, result, answer = (entry for _, entry in made)
    assert (result.parent_id, answer.parent_id, answer.type) == (call.id, user.id, "final_response")


def test_a_call_that_failed_is_kept_as_a_hidden_step() -> None:
    """What the user asked is there, and that and why there was no answer."""
    call = Operation(
        "chat",
        NAMED,
        input=(Message("user", (Text("hi"),)),),
        ending="failed",
        failure=Failure("RateLimitError", "slow down"),
    )
    user, failed = messages([call])
    assert (failed.type, failed.content, failed.parent_id) == ("llm", None, user.id)
    assert failed.output == {"error": {"type": "RateLimitError", "message": "slow down"}}
    assert failed.properties["ending"] == "failed"


def test_a_provider_s_tool_call_that_is_not_resent() -> None:
    """Of an answer that the provider looked up, applications resend the text alone: it is known."""
    asked, answer = Message("user", (Text("Weather?"),)), Text("Mild.")
    searched = (
        ServerToolCall("web_search", {"query": "weather"}, "ws_1"),
        ServerToolCallResponse({"results": ["mild"]}, "ws_1"),
    )
    again = Message("user", (Text("Thanks"),))
    calls = [
        Operation("chat", input=(asked,), output=(Message("assistant", (*searched, answer)),)),
        Operation("chat", input=(asked, Message("assistant", (answer,)), again), output=()),
    ]
    made = messages(calls)
    assert [item.type for item in made] == [
        "user_message",
        "tool_call",
        "observation",
        "final_response",
        "user_message",
    ]
    assert (made[2].parent_id, made[4].parent_id) == (made[1].id, made[3].id)


def test_an_internal_call_is_one_hidden_step() -> None:
    """internal(): nothing of it is a message of the user's conversation."""
    call = Operation(
        "chat",
        replace(NAMED, internal=True),
        input=(Message("user", (Text("Title?"),)),),
        output=(Message("assistant", (Text("Greetings"),)),),
    )
    [hidden] = messages([call])
    assert (hidden.type, hidden.content) == ("llm", None)
    assert "Greetings" in str(hidden.output)
