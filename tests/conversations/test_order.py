"""The order of messages: the chain's, and steps of other spans by their times, each after its parent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from greenflash_otel.conversations.assemble import assemble
from greenflash_otel.conversations.order import add_contexts, order_turn, select_new
from greenflash_otel.conversations.store import ConversationStore
from greenflash_otel.conversations.update import MessageItem
from greenflash_otel.model.operation import (
    CHAIN,
    EXECUTE_TOOL,
    RETRIEVAL,
    TURN,
    ConversationContext,
    Failure,
    Message,
    Operation,
    Text,
    ToolCall,
    ToolCallResponse,
    ToolExecution,
)
from greenflash_otel.model.telemetry import SpanRecord

TYPES: Any = st.sampled_from(
    ["user_message", "assistant_message", "tool_call", "observation", "llm", "retrieval"]
)
TIMES = st.integers(0, 5)


@st.composite
def turns(draw: st.DrawFn) -> tuple[list[MessageItem], list[MessageItem]]:
    """What was said, each with a parent before it, and steps that hang on any message or step."""
    said = list[MessageItem]()
    for number in range(draw(st.integers(1, 6))):
        parent = draw(st.sampled_from([None, *(item.id for item in said)]))
        said.append(MessageItem(f"m{number}", draw(TYPES), draw(TIMES), parent))
    steps = list[MessageItem]()
    for number in range(draw(st.integers(0, 6))):
        parent = draw(st.sampled_from([None, "elsewhere", *(item.id for item in (*said, *steps))]))
        steps.append(MessageItem(f"s{number}", draw(TYPES), draw(TIMES), parent))
    return said, draw(st.permutations(steps))


@given(turns())
def test_nothing_before_its_parent(turn: tuple[list[MessageItem], list[MessageItem]]) -> None:
    """Nothing arrives, or has a time, before its parent; nothing is lost; what was said keeps its order."""
    said, steps = turn
    ordered, _ = select_new(order_turn(said, steps), (), 0)
    assert sorted(item.id for item in ordered) == sorted(item.id for item in (*said, *steps))
    assert [item.id for item in ordered if item.id.startswith("m")] == [item.id for item in said]
    assert_after_parents(ordered)


def assert_after_parents(ordered: Sequence[MessageItem]) -> None:
    """Each message arrives, and was created, after the one it hangs on."""
    known = {entry.id: at for at, entry in enumerate(ordered)}
    for at, item in enumerate(ordered):
        if item.parent_id in known:
            assert known[item.parent_id] < at
            assert ordered[known[item.parent_id]].created_at_ms < item.created_at_ms


OF_TURN = ConversationContext("c", turn_id="t")


@given(st.lists(st.tuples(st.booleans(), TIMES), min_size=1, max_size=4), st.lists(TIMES, max_size=4))
def test_a_turn_as_a_whole(rounds: list[tuple[bool, int]], times: list[int]) -> None:
    """Whatever the times: question, text, call, its failed attempts and result, answer."""
    store, output = ConversationStore(), list[Message]()
    for number, (speaks, at_ms) in enumerate(rounds):
        text = (Text(f"text {number}"),) if speaks else ()
        call = ToolCall("look", {"n": number}, f"call {number}")
        output.append(Message("assistant", (*text, call), at_ms=at_ms))
        output.append(Message("tool", (ToolCallResponse("found", f"call {number}"),), at_ms=at_ms))
    output.append(Message("assistant", (Text("answer"),), at_ms=1))
    for number, at_ms in enumerate(times):
        tool = ToolExecution("look", f"call {number % len(rounds)}", {"n": number % len(rounds)})
        failed = Operation(EXECUTE_TOOL, OF_TURN, tool=tool, ending="failed", failure=Failure("ValueError"))
        assemble(store, span_of(number, at_ms), failed)
        assemble(store, span_of(100 + number, at_ms), Operation(CHAIN, OF_TURN, properties={"name": "node"}))
    turn = Operation(TURN, OF_TURN, input=(Message("user", (Text("question"),)),), output=tuple(output))
    items = assemble(store, span_of(99, 2), turn).messages
    assert_after_parents(items)
    said = [item for item in items if item.type not in ("tool_error", "chain_start", "chain_end")]
    found = iter(said)
    assert next(found).content == "question"
    for number, (speaks, _) in enumerate(rounds):
        if speaks:
            assert next(found).content == f"text {number}"
        assert next(found).input == {"n": number}
        assert next(found).type == "observation"
    assert next(found).content == "answer"
    errors = [item for item in items if item.type == "tool_error"]
    assert len(errors) == len(times)
    calls = {item.id for item in items if item.type == "tool_call"}
    assert {error.parent_id for error in errors} <= calls
    assert len(calls) == len(rounds)
    assert {item.tool_name for item in items if item.type in ("observation", "tool_error")} == {"look"}


def span_of(number: int, at_ms: int, parent: int | None = None) -> SpanRecord:
    """A span that ended then."""
    above = None if parent is None else f"{parent:016x}"
    return SpanRecord("f" * 32, f"{number:016x}", "s", at_ms * 1_000_000, at_ms * 1_000_000, above)


def test_the_last_of_several_results_counts() -> None:
    """A tool that ran again answers for its call; what was said counts before all runs."""
    call = MessageItem("call", "tool_call", 1)
    first = MessageItem("result", "observation", 2, "call", output={"result": 1})
    last = replace(first, created_at_ms=3, output={"result": 2})
    assert order_turn([call], [last, first]) == [call, last]
    said = replace(first, output={"result": 3})
    assert order_turn([call, said], [last, first]) == [call, said]


def test_a_retrieval_within_a_retrieval() -> None:
    """Its documents are part of the outer one's; each document is in the context once."""
    outer = found("outer", None, "a", "b")
    inner, again = found("inner", "outer", "a", "left out"), found("again", None, "b", "c")
    answer = MessageItem("answer", "assistant_message", 9)
    assert add_contexts([outer, inner, again, answer])[-1].context == "a\n\nb\n\nc"


def found(id: str, parent: str | None, *texts: str) -> MessageItem:
    """A retrieval that found these."""
    return MessageItem(
        id, "retrieval", 1, parent, output={"documents": [{"content": text} for text in texts]}
    )


def test_steps_hang_on_what_they_ran_in() -> None:
    """On the nearest chain, at any depth; a retrieval on the retrieval around it."""
    store, names = ConversationStore(), {}
    chain, looked = Operation(CHAIN, OF_TURN), Operation(RETRIEVAL, OF_TURN)
    call = Operation("chat", replace(OF_TURN, internal=True), output=(Message("assistant", (Text("x"),)),))
    for number, operation, parent in (
        (1, chain, None),
        (2, chain, 1),
        (3, looked, 2),
        (4, looked, 3),
        (5, call, 4),
    ):
        assemble(store, span_of(number, number, parent), operation)
    turn = Operation(TURN, OF_TURN, input=(Message("user", (Text("q"),)),))
    for item in assemble(store, span_of(9, 9), turn).messages:
        names[item.id] = item
    chains = [name for name in names.values() if name.type == "chain_start"]
    outer, inner = [name for name in names.values() if name.type == "retrieval"]
    [model] = [name for name in names.values() if name.type == "llm"]
    assert names[chains[0].parent_id or ""].content == "q"
    assert [chains[1].parent_id, outer.parent_id, inner.parent_id] == [chains[0].id, chains[1].id, outer.id]
    assert model.parent_id == chains[1].id


def test_a_tool_that_is_tried_again_outside_a_turn() -> None:
    """Each run hangs on the one call, the later one also where the first has failed; twice is once."""
    store, context = ConversationStore(), ConversationContext("c")
    asked = Message("assistant", (ToolCall("look", {}, "call"),))
    question = Message("user", (Text("q"),))
    messages = [
        *assemble(
            store, span_of(1, 1), Operation("chat", context, input=(question,), output=(asked,))
        ).messages
    ]
    tool = ToolExecution("look", "call", {})
    failed = Operation(EXECUTE_TOOL, context, tool=tool, ending="failed", failure=Failure("E", "down"))
    worked = Operation(EXECUTE_TOOL, context, tool=replace(tool, result="finally"))
    for number, operation in ((2, failed), (3, failed), (4, worked), (2, failed), (4, worked)):
        messages += assemble(store, span_of(number, number), operation).messages
    result = Message("tool", (ToolCallResponse("finally", "call"),))
    last = Operation(
        "chat", context, input=(question, asked, result), output=(Message("assistant", (Text("a"),)),)
    )
    messages += assemble(store, span_of(5, 5), last).messages
    types = [message.type for message in messages]
    assert types == ["user_message", "tool_call", "tool_error", "tool_error", "observation", "final_response"]
    assert {message.parent_id for message in messages[2:5]} == {messages[1].id}


def test_a_tool_that_failed_is_tried_again_in_the_same_moment() -> None:
    """The failure comes before the result, whichever of both was said in the turn."""
    call = MessageItem("call", "tool_call", 1, tool_name="find", input={})
    failed = MessageItem(
        "failed", "tool_error", 5, parent_id="call", tool_name="find", output={"error": "down"}
    )
    result = MessageItem("result", "observation", 5, parent_id="call", tool_name="find", output={"found": 1})
    assert order_turn([call, result], [failed]) == [call, failed, result]
    assert order_turn([call], [result, failed]) == [call, failed, result]
