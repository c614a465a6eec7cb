"""The SDK's tool runners: tools run below their calls, whichever thread runs them and whenever they end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import openai
import pytest
from opentelemetry import trace

from greenflash_otel.context import conversation, get_current_conversation_context
from greenflash_otel.instrumentation.openai import instrument, uninstrument
from greenflash_otel.model.operation import (
    EXECUTE_TOOL,
    ConversationContext,
    Failure,
    Operation,
    ToolExecution,
)
from tests.instrumentation.openai.replies import completion, message_item, response
from tests.instrumentation.openai.server import Reply, Server, document, events
from tests.instrumentation.openai.spans import Spans

runners = pytest.importorskip("openai.lib.responses_tool_runner", reason="this SDK has no tool runner")

pytestmark = pytest.mark.usefixtures("no_faults")

ASK: Any = {"model": "m", "input": "Weather?"}
TOOL: Any = {
    "type": "function",
    "name": "get_weather",
    "strict": False,
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
}
ANSWER = {**response("completed", [message_item("Mild.")]), "id": "resp_2"}
NESTED: Any = {"model": "m", "messages": [{"role": "user", "content": "Look it up"}]}


def covered(row: str) -> list[Any]:
    """Both colours, each of which fills a cell of the page about surfaces."""
    return [
        pytest.param(way, marks=pytest.mark.covers("sessions", row, way, way)) for way in ("sync", "async")
    ]


def asking(*call_ids: str) -> dict[str, Any]:
    """A response that asks for the weather once per call id."""
    item = {"type": "function_call", "name": "get_weather", "arguments": '{"city": "Bonn"}'}
    return response(
        "completed", [{**item, "id": f"fc_{id}", "call_id": id, "status": "completed"} for id in call_ids]
    )


def streamed(body: dict[str, Any]) -> Reply:
    """A response and its items, as a stream."""
    created = {"type": "response.created", "response": {**body, "status": "in_progress", "output": []}}
    items = [
        {"type": f"response.output_item.{state}", "output_index": index, "item": item}
        for index, item in enumerate(body["output"])
        for state in ("added", "done")
    ]
    told = [created, *items, {"type": "response.completed", "response": body}]
    return events([{**event, "sequence_number": number} for number, event in enumerate(told)], b"")


def run(server: Server, function: Callable[[dict[str, Any]], str], **options: Any) -> Any:
    """One run of the sync runner."""
    registered = runners.RegisteredFunction(TOOL, function, independent=True)
    with openai.OpenAI(api_key="k", base_url=server.url, max_retries=0) as client:
        return runners.ResponsesToolRunner(functions=[registered]).run(client, ASK, **options)


async def run_async(server: Server, function: Callable[[dict[str, Any]], str], **options: Any) -> Any:
    """One run of the async runner."""

    async def execute(arguments: dict[str, Any]) -> str:
        return function(arguments)

    registered = runners.AsyncRegisteredFunction(TOOL, execute, independent=True)
    async with openai.AsyncOpenAI(api_key="k", base_url=server.url, max_retries=0) as client:
        return await runners.AsyncResponsesToolRunner(functions=[registered]).run(client, ASK, **options)


async def either(way: str, *args: Any, **options: Any) -> Any:
    """Run it sync or async."""
    return run(*args, **options) if way == "sync" else await run_async(*args, **options)


@pytest.mark.parametrize("way", covered("`ResponsesToolRunner.run()`"))
async def test_a_tool_is_below_its_call(way: str, spans: Spans) -> None:
    """The run of a function is an operation of its own, and one observation of its call."""
    with Server(document(asking("call_1")), document(ANSWER)) as server:
        final = await either(way, server, lambda arguments: f"mild in {arguments['city']}")
    assert final.output_text == "Mild."
    _, executed, _ = spans.operations()
    tool = ToolExecution("get_weather", "call_1", {"city": "Bonn"}, "mild in Bonn")
    assert executed == Operation(EXECUTE_TOOL, tool=tool)
    asked, call, result, answer = spans.told()
    assert [item.type for item in (asked, call, result, answer)] == [
        "user_message",
        "tool_call",
        "observation",
        "final_response",
    ]
    assert (call.parent_id, result.parent_id, answer.parent_id) == (asked.id, call.id, asked.id)
    assert (result.output, answer.content) == ({"result": "mild in Bonn"}, "Mild.")


@pytest.mark.parametrize("way", ["sync", "async"])
async def test_what_a_tool_does(way: str, spans: Spans) -> None:
    """In a tool, the current span is the tool's, and a model call is a hidden step under the tool call."""
    before = trace.get_current_span()

    def execute(arguments: dict[str, Any]) -> str:
        with openai.OpenAI(api_key="k", base_url=server.url) as client:
            client.chat.completions.create(**NESTED)
        return str(trace.get_current_span().name)  # type: ignore[attr-defined]  # the SDK's spans have one

    with Server(document(asking("call_1")), document(completion("looked up")), document(ANSWER)) as server:
        await either(way, server, execute)
    assert (trace.get_current_span(), get_current_conversation_context()) == (before, ConversationContext())
    _, call, step, result, _ = spans.told()
    assert result.output == {"result": "execute_tool get_weather"}
    assert (step.type, step.parent_id, step.content) == ("llm", call.id, None)
    inner, executed = spans.all()[1], spans.all()[2]
    assert inner.parent and inner.parent.span_id == executed.context.span_id


@pytest.mark.parametrize("way", ["sync", "async"])
async def test_a_tool_that_raises(way: str, spans: Spans) -> None:
    """A tool's exception reaches the application through the runner, and is the call's tool_error."""

    def execute(arguments: dict[str, Any]) -> str:
        raise ValueError("no such city")

    with Server(document(asking("call_1"))) as server, pytest.raises(runners.ToolRunnerError):
        await either(way, server, execute)
    _, executed = spans.operations()
    assert (executed.ending, executed.failure) == ("failed", Failure("ValueError", "no such city"))
    assert [item.type for item in spans.told()] == ["user_message", "tool_call", "tool_error"]


@pytest.mark.parametrize("way", ["sync", "async"])
async def test_a_tool_that_runs_when_we_leave(way: str, spans: Spans) -> None:
    """It is recorded as it was called, once, and runs on."""

    def execute(arguments: dict[str, Any]) -> str:
        uninstrument()
        (executed,) = [operation for operation in spans.operations() if operation.name == EXECUTE_TOOL]
        assert executed.ending == "abandoned"
        assert executed.tool == ToolExecution("get_weather", "call_1", {"city": "Bonn"})
        return "mild"

    with Server(document(asking("call_1")), document(ANSWER)) as server:
        final = await either(way, server, execute)
    assert final.output_text == "Mild."
    assert [operation.name for operation in spans.operations()] == ["chat", EXECUTE_TOOL]


@pytest.mark.parametrize("way", ["sync", "async"])
async def test_content_off(way: str, spans: Spans) -> None:
    """Without content neither arguments nor results nor exception texts are kept."""
    instrument(spans.tracer, capture_content=False)

    def execute(arguments: dict[str, Any]) -> str:
        raise ValueError("no such city")

    with Server(document(asking("call_1"))) as server, pytest.raises(runners.ToolRunnerError):
        await either(way, server, execute)
    assert spans.operations()[1].tool == ToolExecution("get_weather", "call_1")
    assert not any(text in span.to_json() for span in spans.all() for text in ("Bonn", "no such", "Weather?"))


@pytest.mark.parametrize("way", covered("`ResponsesToolRunner.run(stream=True, eager=True)`"))
async def test_functions_that_run_while_the_model_streams(way: str, spans: Spans) -> None:
    """Eager runs in a pool, of a conversation with and without a name: everything is below its own call."""
    replies = [streamed(asking("call_1", "call_2")), streamed(ANSWER)]
    for scope in (conversation("chat-1"), conversation()):
        spans.clear()
        with Server(*replies) as server, scope:
            await either(way, server, lambda arguments: "mild", stream=True, eager=True)
        assert len(spans.conversations()) == 1
        items = spans.told()
        calls = {item.id for item in items if item.type == "tool_call"}
        assert sorted(item.type for item in items) == sorted(
            ["user_message", "tool_call", "tool_call", "observation", "observation", "final_response"]
        )
        assert {item.parent_id for item in items if item.type == "observation"} == calls
