"""What becomes of calls that are not the plain exchange of a chat: alternatives, failures, hidden steps."""

from __future__ import annotations

import pytest

from greenflash_otel.conversations.assemble import assemble, assemble_overdue
from greenflash_otel.conversations.store import ConversationStore
from greenflash_otel.model.operation import (
    ConversationContext,
    Failure,
    Json,
    Media,
    Message,
    Operation,
    Other,
    Part,
    Text,
    ToolCall,
    ToolCallResponse,
    ToolExecution,
    Usage,
)
from tests.conversations.chats import told
from tests.conversations.records import Pad, restarted
from tests.strategies import span_of

CHAT = ConversationContext("chat-1", user_id="ada", organization_id="acme", properties={"plan": "pro"})
ASKED = Message("user", (Text("Weather?"),))
CALL = Message("assistant", (ToolCall("get_weather", {"city": "Köln"}, "call_1"),))
RESULT = Message("tool", (ToolCallResponse("18 °C", "call_1"),))
ANSWER = Message("assistant", (Text("Mild."),))


def _said(*messages: Message, **fields: object) -> Operation:
    *given, answer = messages
    return Operation("chat", CHAT, input=tuple(given), output=(answer,), **fields)  # type: ignore[arg-type]  # fields of Operation


@pytest.mark.parametrize("texts", [("Mild.", "Cold."), ("Mild.", "Mild."), ("Mild.", "Mild.", "Mild.")])
def test_alternatives(texts: tuple[str, ...]) -> None:
    """``n=2``: every alternative is an answer to the same user message, also where they say the same."""
    output = tuple(Message("assistant", (Text(text),)) for text in texts)
    operation = Operation("chat", CHAT, input=(ASKED,), output=output, choice_count=len(texts))
    asked, *answers = told([operation])
    assert [answer.content for answer in answers] == list(texts)
    assert {answer.parent_id for answer in answers} == {asked.id}
    assert len({answer.id for answer in answers}) == len(texts)
    assert [entry.id for entry in told([operation])] == [asked.id, *(answer.id for answer in answers)]


@pytest.mark.parametrize("chosen", [0, 1])
def test_going_on_after_an_alternative(chosen: int) -> None:
    """Whichever alternative the user goes on with, it is known, and what follows is linked to it."""
    output = (ANSWER, Message("assistant", (Text("Cold."),)))
    first = Operation("chat", CHAT, input=(ASKED,), output=output, choice_count=2)
    then = _said(
        ASKED, output[chosen], Message("user", (Text("Why?"),)), Message("assistant", (Text("So."),))
    )
    items = told([first, then])
    assert [item.content for item in items] == ["Weather?", "Mild.", "Cold.", "Why?", "So."]
    assert items[3].parent_id == items[1 + chosen].id


def test_a_failed_call() -> None:
    """A call without an answer is one hidden step that says what went wrong."""
    failure = Failure("RateLimitError", "slow down")
    asked, step = told([Operation("chat", CHAT, input=(ASKED,), ending="failed", failure=failure)])
    assert (step.type, step.content, step.parent_id) == ("llm", None, asked.id)
    assert step.output == {"error": {"type": "RateLimitError", "message": "slow down"}}
    assert step.properties["ending"] == "failed"


def test_a_failed_call_that_is_made_again() -> None:
    """The user message stands once, the failed attempt and the answer both belong to it."""
    failed = Operation("chat", CHAT, input=(ASKED,), ending="failed", failure=Failure("500"))
    asked, step, answer = told([failed, _said(ASKED, ANSWER)])
    assert [step.type, answer.type] == ["llm", "assistant_message"]
    assert step.parent_id == answer.parent_id == asked.id


def test_a_stream_left_early() -> None:
    """What was said until then is kept as the answer, with how it ended."""
    _, answer = told([_said(ASKED, Message("assistant", (Text("It is m"),)), ending="abandoned")])
    assert (answer.type, answer.content) == ("assistant_message", "It is m")
    assert answer.properties["ending"] == "abandoned"


def test_internal() -> None:
    """A call the user never sees is one hidden step with all it said."""
    hidden = Operation(
        "chat",
        ConversationContext("chat-1", internal=True),
        input=(Message("system", (Text("Route."),)), Message("user", (Text("Weather?"),))),
        output=(Message("assistant", (Text("weather"),)),),
    )
    asked, answer, step = told([_said(ASKED, ANSWER), hidden])
    assert (step.type, step.content, step.parent_id) == ("llm", None, asked.id)
    assert step.input == {
        "messages": [
            {"role": "system", "parts": [{"type": "text", "content": "Route."}]},
            {"role": "user", "parts": [{"type": "text", "content": "Weather?"}]},
        ]
    }
    assert step.output == {
        "messages": [{"role": "assistant", "parts": [{"type": "text", "content": "weather"}]}]
    }
    update = assemble(ConversationStore(), span_of(), hidden)
    assert (update.system_prompt, update.model) == (None, None)
    then = _said(ASKED, ANSWER, Message("user", (Text("And?"),)), Message("assistant", (Text("Dry."),)))
    items = told([_said(ASKED, ANSWER), hidden, then])
    assert [item.content for item in items] == ["Weather?", "Mild.", None, "And?", "Dry."]
    assert items[3].parent_id == answer.id


def _executed(result: Json = "18 °C", failure: Failure | None = None) -> Operation:
    tool = ToolExecution("get_weather", "call_1", {"city": "Köln"}, result)
    return Operation(
        "execute_tool", CHAT, tool=tool, failure=failure, ending="failed" if failure else "completed"
    )


@pytest.mark.parametrize("order", [(0, 1, 2), (0, 2, 1), (1, 0, 2)])
def test_a_tool_span_and_the_resent_result_are_one(order: tuple[int, ...]) -> None:
    """The tool's own span joins its call, and the same result in the next input is not told again."""
    operations = [_said(ASKED, CALL), _executed(), _said(ASKED, CALL, RESULT, ANSWER)]
    items = told([operations[index] for index in order])
    assert [item.type for item in items] == ["user_message", "tool_call", "observation", "final_response"]
    asked, call, result, answer = items
    assert (call.parent_id, result.parent_id, answer.parent_id) == (asked.id, call.id, asked.id)
    assert (result.output, result.content) == ({"result": "18 °C"}, None)


def test_a_failed_tool() -> None:
    """A tool that raised gives a tool_error below its call, with what it told the model."""
    _, call, error = told([_said(ASKED, CALL), _executed(failure=Failure("ValueError", "no city"))])
    assert (error.type, error.parent_id, error.tool_name) == ("tool_error", call.id, "get_weather")
    assert error.output == {"result": "18 °C", "error": {"type": "ValueError", "message": "no city"}}


def test_a_tool_nobody_asked_for() -> None:
    """A tool's span whose call nobody tells of in a minute tells the call too."""
    store, span = ConversationStore(), span_of()
    assert assemble(store, span, _executed({"degrees": 18})).messages == ()
    assert assemble_overdue(store, span.end_ns + 59_000_000_000) == []
    (update,) = assemble_overdue(store, span.end_ns + 60_000_000_000)
    call, result = update.messages
    assert (call.type, call.tool_name, call.input) == ("tool_call", "get_weather", {"city": "Köln"})
    assert (result.type, result.parent_id, result.output) == ("observation", call.id, {"degrees": 18})


def test_a_result_whose_call_was_trimmed_away() -> None:
    """A result without its call still arrives, below what is known."""
    asked, result, _ = told([_said(ASKED, RESULT, ANSWER)])
    assert (result.type, result.parent_id) == ("observation", asked.id)


def test_a_regenerated_answer_is_a_branch() -> None:
    """Asking again gives a second answer to the same user message."""
    asked, first, second = told([_said(ASKED, ANSWER), _said(ASKED, Message("assistant", (Text("Cold."),)))])
    assert first.parent_id == second.parent_id == asked.id


def test_a_span_that_is_delivered_again() -> None:
    """It says nothing new; another does, where an application that resends nothing says the same again."""
    store = ConversationStore()
    other = _said(Message("user", (Text("And now?"),)), ANSWER)
    for number, operation in enumerate((_said(ASKED, ANSWER), other, _said(ASKED, ANSWER)), 1):
        for expected in (2, 0):
            assert len(assemble(store, span_of(number=number), operation).messages) == expected


def test_facts_stand_on_the_answer() -> None:
    """Model, tokens and times of a call are told once, on its answer."""
    operation = _said(
        ASKED,
        ANSWER,
        provider="openai",
        request_model="gpt-4o",
        response_model="gpt-4o-2024-08-06",
        response_id="r1",
        usage=Usage(9, 3, 2, 1),
        finish_reasons=("stop",),
        streamed=True,
        time_to_first_chunk_s=0.25,
        properties={"retries": 1},
    )
    asked, answer = told([operation])
    assert (asked.model, asked.properties) == (None, {})
    assert answer.model == "gpt-4o-2024-08-06"
    assert answer.properties == {
        "provider": "openai",
        "response_id": "r1",
        "finish_reason": "stop",
        "input_tokens": 9,
        "output_tokens": 3,
        "cached_input_tokens": 2,
        "reasoning_output_tokens": 1,
        "latency_ms": 500,
        "time_to_first_chunk_ms": 250,
        "streamed": True,
        "retries": 1,
    }


def test_whose_conversation_it_is() -> None:
    """User and organization are remembered for later calls that do not name them."""
    store = ConversationStore()
    assemble(store, span_of(number=1), _said(ASKED, ANSWER))
    nobody = Operation("chat", ConversationContext("chat-1"), input=(ASKED,), output=(ANSWER,))
    update = assemble(store, span_of(number=2), nobody)
    assert (update.user_id, update.organization_id) == ("ada", "acme")
    assert assemble(ConversationStore(), span_of(), _said(ASKED, ANSWER)).properties == {"plan": "pro"}


def test_what_is_said_of_a_conversation_adds_up() -> None:
    """Greenflash keeps the last object of properties, so each has all; also after a restart."""
    pad = Pad()
    store = ConversationStore(reader=pad)
    said: list[dict[str, Json]] = [
        {"plan": "pro", "greenflash_original": {"seats": "x"}},
        {"plan": "team", "greenflash_original": {"age": "y"}, "notes": "z" * 5_000},
        {},
    ]
    updates = []
    for number, properties in enumerate(said):
        operation = Operation("chat", ConversationContext("c", properties=properties), input=(ASKED,))
        updates.append(assemble(store, span_of(number=number), operation).properties)
        store = restarted(store, pad)
    together = {"plan": "team", "greenflash_original": {"seats": "x", "age": "y"}}
    assert updates == [said[0], {**together, "notes": "z" * 5_000}, together]


@pytest.mark.parametrize(
    ("part", "content", "output"),
    [
        pytest.param(
            Other("refusal", {"content": "I will not."}), "I will not.", {"refusal": True}, id="a refusal"
        ),
        pytest.param(
            Media("image", digest="sha256:1"),
            None,
            {"parts": [{"type": "blob", "modality": "image", "digest": "sha256:1"}]},
            id="a picture",
        ),
        pytest.param(
            Other("new", {"x": 1}), None, {"parts": [{"x": 1, "type": "new"}]}, id="a part of an unknown type"
        ),
    ],
)
def test_answers_that_are_no_text(part: Part, content: str | None, output: Json) -> None:
    """What the user saw and is no text stands in output; a refusal is text that was said."""
    _, answer = told([_said(ASKED, Message("assistant", (part,)))])
    assert (answer.type, answer.content, answer.output) == ("assistant_message", content, output)


def test_an_empty_call_says_nothing() -> None:
    """A call without content, as with content capture off, gives no message and no error."""
    assert told([Operation("chat", CHAT)]) == []
