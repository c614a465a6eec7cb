"""The Responses API, whole and streamed: what a request asks for and what a response tells."""

from __future__ import annotations

from typing import Any

import pytest

from greenflash_otel.instrumentation.openai.request import CallRequest
from greenflash_otel.instrumentation.openai.responses import read_answer, read_request
from greenflash_otel.instrumentation.openai.responses_stream import ResponseAssembly
from greenflash_otel.model.operation import (
    Failure,
    Message,
    Operation,
    Part,
    PromptTemplate,
    Reasoning,
    ServerToolCall,
    Text,
    ToolCall,
    Usage,
)
from tests.instrumentation.openai.replies import COMPLETED, message_item, response, response_events

CREATED = {"type": "response.created", "response": response("in_progress")}


def assembled(*events: Any) -> ResponseAssembly:
    assembly = ResponseAssembly(1)
    for event in events:
        assembly.add(event)
    return assembly


def parts_of(*events: Any) -> tuple[Part, ...]:
    """The parts of the only message."""
    (message,) = read_answer(assembled(*events).to_json()).output
    return message.parts


def test_request() -> None:
    """Where it continues, on whose instructions, and which stored prompt it uses."""
    body = {
        "model": "m",
        "instructions": "Be kind",
        "input": "Hi",
        "previous_response_id": "resp_0",
        "conversation": {"id": "conv_1"},
        "prompt": {"id": "pmpt_1", "version": "2", "variables": {"name": "ada"}},
        "background": True,
    }
    assert read_request(CallRequest(body), Operation("chat", request_model="m")) == Operation(
        "chat",
        request_model="m",
        previous_response_id="resp_0",
        provider_conversation_id="conv_1",
        system_instructions=(Text("Be kind"),),
        input=(Message("user", (Text("Hi"),)),),
        prompt=PromptTemplate("pmpt_1", "2", {"name": "ada"}),
        properties={"background": True},
    )
    assert (
        read_request(CallRequest({"conversation": "conv_1"}), Operation("chat")).provider_conversation_id
        == "conv_1"
    )


def test_answer() -> None:
    """One message holds all items, in their order."""
    usage = {
        "input_tokens": 3,
        "output_tokens": 5,
        "input_tokens_details": {"cached_tokens": 2},
        "output_tokens_details": {"reasoning_tokens": 1},
    }
    thought = {"type": "reasoning", "summary": [{"text": "hm"}]}
    answer = read_answer(
        response(
            output=[thought, message_item()], usage=usage, conversation={"id": "conv_1"}, service_tier="flex"
        )
    )
    assert answer.output == (
        Message("assistant", (Reasoning("hm"), Text("Hello you")), finish_reason="completed"),
    )
    assert answer.usage == Usage(3, 5, 2, 1)
    assert (answer.response_id, answer.response_model) == ("resp_1", "gpt-4o-2024")
    assert answer.provider_conversation_id == "conv_1"
    assert answer.properties == {"service_tier": "flex"}


@pytest.mark.parametrize(
    ("fields", "finish_reasons", "properties", "failure"),
    [
        (
            {"status": "incomplete", "incomplete_details": {"reason": "steered"}},
            ("steered",),
            {"incomplete_reason": "steered"},
            None,
        ),
        (
            {"status": "failed", "error": {"code": "server_error", "message": "m"}},
            ("failed",),
            {},
            Failure("server_error", "m"),
        ),
        ({"status": "failed", "error": None}, ("failed",), {}, Failure("failed")),
        ({"status": "queued"}, (), {"status": "queued"}, None),
        ({"status": None, "output": None, "usage": None, "error": None}, (), {}, None),
    ],
)
def test_status(
    fields: dict[str, Any],
    finish_reasons: tuple[str, ...],
    properties: dict[str, str],
    failure: Failure | None,
) -> None:
    """Why a response ended, or that it has not, as with one that works in the background."""
    answer = read_answer({**response(), **fields})
    assert (answer.finish_reasons, answer.properties, answer.failure) == (finish_reasons, properties, failure)


def test_a_terminal_event_wins() -> None:
    """The response in the last event is the answer."""
    assembly = assembled(*response_events(COMPLETED))
    assert assembly.complete
    assert assembly.to_json() == {**COMPLETED["response"], "error": None}  # type: ignore[dict-item]


@pytest.mark.parametrize("kind", ["completed", "incomplete", "failed"])
@pytest.mark.parametrize("output", [[], None])
def test_a_terminal_event_without_output(kind: str, output: object) -> None:
    """Where the last event leaves the output out, it is made from the items that were done."""
    end = {"type": f"response.{kind}", "response": {**response(kind), "output": output}}
    assembly = assembled(*response_events(end))
    assert assembly.complete
    assert read_answer(assembly.to_json()).output[0].parts == (Text("Hello you"),)


def test_no_terminal_event() -> None:
    """A stream that was left: what came of it so far, and that it is not all."""
    assembly = assembled(*response_events())
    assert not assembly.complete
    answer = read_answer(assembly.to_json())
    assert answer.output == (Message("assistant", (Text("Hello you"),)),)
    assert answer.response_id == "resp_1"


@pytest.mark.parametrize(
    ("kind", "item", "expected"),
    [
        ("response.output_text.delta", {"type": "message"}, Text("ab")),
        ("response.reasoning_summary_text.delta", {"type": "reasoning", "summary": []}, Reasoning("ab")),
        ("response.reasoning_text.delta", {"type": "reasoning", "summary": []}, Reasoning("ab")),
        (
            "response.function_call_arguments.delta",
            {"type": "function_call", "call_id": "c", "name": "f"},
            ToolCall("f", "ab", "c"),
        ),
        (
            "response.custom_tool_call_input.delta",
            {"type": "custom_tool_call", "call_id": "c", "name": "f"},
            ToolCall("f", "ab", "c"),
        ),
        (
            "response.code_interpreter_call_code.delta",
            {"type": "code_interpreter_call", "id": "ci_1"},
            ServerToolCall(
                "code_interpreter", {"type": "code_interpreter_call", "id": "ci_1", "code": "ab"}, "ci_1"
            ),
        ),
    ],
)
def test_deltas_of_an_unfinished_item(kind: str, item: dict[str, Any], expected: Part) -> None:
    """The pieces of an item that was begun and not finished make up its fields."""
    added = {"type": "response.output_item.added", "output_index": 0, "item": item}
    pieces = [{"type": kind, "output_index": 0, "delta": piece} for piece in ("a", "b", None)]
    assert parts_of(CREATED, added, *pieces) == (expected,)


def test_deltas_without_their_item() -> None:
    """A stream joined late, or one that omits what it should send, still gives its text."""
    events = [{"type": "response.output_text.delta", "output_index": 1, "content_index": 0, "delta": "a"}]
    assert parts_of(*events) == (Text("a"),)


def test_items_keep_their_order() -> None:
    """Items are in the order of the output, not in that of their completion."""
    done = [
        {"type": "response.output_item.done", "output_index": index, "item": message_item(text)}
        for index, text in ((1, "second"), (0, "first"))
    ]
    assert parts_of(CREATED, *done) == (Text("first"), Text("second"))


@pytest.mark.parametrize(
    "event",
    [
        {"type": "error", "code": "overloaded", "message": "m"},
        {"type": "error", "error": {"code": "overloaded", "message": "m"}},
        {"error": {"code": "overloaded", "message": "m"}},
    ],
)
def test_error_event(event: dict[str, Any]) -> None:
    """An error event is the answer's failure, in each of its forms; the text before it stays."""
    answer = read_answer(assembled(*response_events(), event).to_json())
    assert answer.failure == Failure("overloaded", "m")
    assert answer.output[0].parts == (Text("Hello you"),)
