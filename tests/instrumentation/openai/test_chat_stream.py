"""Chat Completions, streamed: chunks give what the whole answer would have been."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenflash_otel.instrumentation.openai.chat import read_answer
from greenflash_otel.instrumentation.openai.chat_stream import ChatAssembly
from greenflash_otel.model.operation import (
    Failure,
    Media,
    Other,
    Part,
    Reasoning,
    ServerToolCall,
    ServerToolCallResponse,
    Text,
    ToolCall,
    Usage,
)
from tests.instrumentation.openai.replies import chunk, chunks


def assembled(*events: Any, choice_count: int = 1) -> ChatAssembly:
    assembly = ChatAssembly(choice_count)
    for event in events:
        assembly.add(event)
    return assembly


def parts_of(*deltas: dict[str, Any]) -> tuple[Part, ...]:
    """The parts of the only choice."""
    (message,) = read_answer(assembled(*map(chunk, deltas)).to_json()).output
    return message.parts


def call(index: int | None = 0, **delta: Any) -> dict[str, Any]:
    """A piece of a tool call; ``name`` and ``arguments`` belong to its function."""
    function = {name: delta.pop(name) for name in ("name", "arguments") if name in delta}
    return {"index": index, "function": function, **delta}


@pytest.mark.parametrize(
    ("deltas", "expected"),
    [
        pytest.param([{"content": "a"}, {"content": None}, {"content": "b"}], (Text("ab"),), id="text"),
        pytest.param(
            [{"reasoning_content": "h"}, {"reasoning_content": "m"}, {"content": "4"}],
            (Reasoning("hm"), Text("4")),
            id="reasoning",
        ),
        pytest.param(
            [{"refusal": "No"}, {"refusal": "."}], (Other("refusal", {"content": "No."}),), id="refusal"
        ),
        pytest.param(
            [
                {
                    "tool_calls": [
                        call(0, id="x", name="add", arguments=""),
                        call(1, id="y", name="sub", arguments=None),
                    ]
                },
                {"tool_calls": [call(1, arguments='{"b"'), call(0, arguments='{"a"')]},
                {"tool_calls": [call(0, arguments=":1}"), call(1, arguments=":2}")]},
            ],
            (ToolCall("add", {"a": 1}, "x"), ToolCall("sub", {"b": 2}, "y")),
            id="parallel calls whose arguments alternate",
        ),
        pytest.param(
            [
                {"tool_calls": [call(0, id="x", name="add", arguments="{}")]},
                {"tool_calls": [call(0, id="y", name="sub", arguments="{}")]},
            ],
            (ToolCall("add", {}, "x"), ToolCall("sub", {}, "y")),
            id="every call numbered 0",
        ),
        pytest.param(
            [
                {"tool_calls": [call(None, name="add", arguments='{"a"')]},
                {"tool_calls": [call(None, arguments=":1}")]},
            ],
            (ToolCall("add", {"a": 1}),),
            id="neither index nor id",
        ),
        pytest.param(
            [
                {
                    "tool_calls": [
                        {"index": 0, "id": "x", "type": "custom", "custom": {"name": "sql", "input": "SEL"}}
                    ]
                },
                {"tool_calls": [{"index": 0, "custom": {"input": "ECT"}}]},
            ],
            (ToolCall("sql", "SELECT", "x"),),
            id="custom tool",
        ),
        pytest.param(
            [{"function_call": {"name": "add", "arguments": ""}}, {"function_call": {"arguments": "{}"}}],
            (ToolCall("add", {}),),
            id="legacy function call",
        ),
        pytest.param(
            [{"audio": {"id": "audio_1"}}, {"audio": {"transcript": "Hel"}}, {"audio": {"transcript": "lo"}}],
            (Media("audio", file_id="audio_1", transcript="Hello"),),
            id="answer in sound",
        ),
        pytest.param(
            [
                {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]},
                {"content": [{"type": "text", "text": "4"}]},
                {"content": "2"},
            ],
            (Reasoning("hm"), Text("42")),
            id="Mistral's parts",
        ),
        pytest.param(
            [{"content": "a"}, {"content": [{"type": "reference", "ids": [1]}]}],
            (Text("a"), Other("reference", {"ids": [1]})),
            id="a part of unknown type",
        ),
    ],
)
def test_deltas(deltas: list[dict[str, Any]], expected: tuple[Part, ...]) -> None:
    """Pieces that belong together end up together, whatever is missing or null."""
    assert parts_of(*deltas) == expected


def test_whole_stream() -> None:
    """Ids, finish reason and the usage of the last chunk, which has no choices."""
    answer = read_answer(assembled(*chunks()).to_json())
    assert answer.usage == Usage(3, 5)
    assert answer.finish_reasons == ("stop",)
    assert (answer.response_id, answer.response_model) == ("chatcmpl-1", "gpt-4o-2024")


@given(st.permutations([(0, "a"), (0, "b"), (0, "c"), (1, "x"), (1, "y"), (1, "z")]))
def test_choices_are_kept_apart(order: list[tuple[int, str]]) -> None:
    """However two choices interleave, each has its own pieces in their order."""
    events = [{"choices": [{"index": index, "delta": {"content": piece}}]} for index, piece in order]
    answer = read_answer(assembled(*events, choice_count=2).to_json())
    expected = [(Text("".join(piece for index, piece in order if index == choice)),) for choice in (0, 1)]
    assert [message.parts for message in answer.output] == expected


@pytest.mark.parametrize(
    ("finished", "choice_count", "complete"),
    [((), 1, False), ((0,), 1, True), ((0,), 2, False), ((0, 1), 2, True)],
)
def test_complete_when_every_choice_said_why_it_stopped(
    finished: tuple[int, ...], choice_count: int, complete: bool
) -> None:
    """A stream of two choices is not complete when one of them is, or when one has not begun."""
    events = [{"choices": [{"index": index, "delta": {}, "finish_reason": "stop"}]} for index in finished]
    assert assembled(*events, choice_count=choice_count).complete is complete


def test_error_in_the_stream() -> None:
    """The error that ends a stream is the answer's failure; what came before it stays."""
    answer = read_answer(
        assembled(chunk({"content": "a"}), {"error": {"code": "overloaded", "message": "m"}}).to_json()
    )
    assert answer.failure == Failure("overloaded", "m")
    assert answer.output[0].parts == (Text("a"),)


def test_groq_names_its_usage_elsewhere() -> None:
    """Groq's last chunk carries the usage in a field of its own."""
    answer = read_answer(
        assembled(chunk({}), {"choices": [], "x_groq": {"usage": {"prompt_tokens": 1}}}).to_json()
    )
    assert answer.usage == Usage(1)


def test_a_tool_that_groq_runs() -> None:
    """It comes again with its result; both are one call, before the answer that used it."""
    asked = {
        "index": 0,
        "type": "search",
        "arguments": '{"query": "weather"}',
        "search_results": {"results": []},
    }
    done = {**asked, "output": "Mild", "search_results": {"results": ["a page"]}}
    answer = read_answer(
        assembled(
            chunk({"executed_tools": [asked]}), chunk({"executed_tools": [done]}), chunk({"content": "Mild."})
        ).to_json()
    )
    assert answer.output[0].parts == (
        ServerToolCall("search", {"arguments": {"query": "weather"}}, "executed_tool_0"),
        ServerToolCallResponse(
            {"output": "Mild", "search_results": {"results": ["a page"]}}, "executed_tool_0"
        ),
        Text("Mild."),
    )


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"choices": None},
        {"choices": [None]},
        {"choices": [{"delta": None}]},
        {"choices": [{"delta": {"tool_calls": [None]}}]},
    ],
)
def test_nonsense_is_passed_over(event: dict[str, Any]) -> None:
    """A chunk that tells nothing changes nothing."""
    texts = [
        part
        for part in read_answer(assembled(event, chunk({"content": "a"})).to_json()).output[0].parts
        if isinstance(part, Text)
    ]
    assert texts == [Text("a")]
