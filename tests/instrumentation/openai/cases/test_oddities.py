"""What applications put into requests and servers into answers, and what fails after it was paid for."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import openai
import pydantic
import pytest

from greenflash_otel.instrumentation.openai import instrument, uninstrument
from greenflash_otel.model.operation import Text, ToolCall
from tests.instrumentation.openai.cases.conftest import Serve, async_client_of, client_of
from tests.instrumentation.openai.played_sync import CHAT, Word, helper_of
from tests.instrumentation.openai.replies import TEXT, USAGE, completion
from tests.instrumentation.openai.server import Reply, document
from tests.instrumentation.openai.spans import Spans, text_of

pytestmark = pytest.mark.usefixtures("no_faults")

TOOLS: Any = [{"type": "function", "function": {"name": "look", "parameters": {}}}]


def messages_once() -> Iterator[Any]:
    """Messages that can be read once, of which one has a content that can be read once."""
    yield {"role": "system", "content": "Be kind"}
    yield {"role": "user", "content": iter([{"type": "text", "text": "Hi"}, {"type": "text", "text": "!"}])}


async def test_case_05_what_can_be_read_once(spans: Spans, serve: Serve) -> None:
    """Generators as messages and tools, an iterator as content: whole at the server, and captured."""
    server = serve(document(completion()), document(completion()))
    with client_of(server) as client:
        client.chat.completions.create(model="m", messages=messages_once(), tools=iter(TOOLS))
    async with async_client_of(server) as async_client:
        await async_client.chat.completions.create(model="m", messages=messages_once(), tools=iter(TOOLS))
    for body, operation in zip(server.bodies, spans.operations(), strict=True):
        assert body["messages"][0] == {"role": "system", "content": "Be kind"}
        assert [part["text"] for part in body["messages"][1]["content"]] == ["Hi", "!"]
        assert body["tools"] == TOOLS
        said = [part for message in operation.input for part in message.parts]
        assert said == [Text("Be kind"), Text("Hi"), Text("!")]


CALL = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": '{"secret": 1}'}}
UNPARSED = {
    "too long": (completion('{"word": "secret', "length", tool_calls=[CALL]), openai.LengthFinishReasonError),
    "filtered": (
        completion('{"word": "secret', "content_filter", tool_calls=[CALL]),
        openai.ContentFilterFinishReasonError,
    ),
    "invalid": (completion('{"other": "secret"}', tool_calls=[CALL]), pydantic.ValidationError),
}


@pytest.mark.parametrize("name", UNPARSED)
async def test_case_09_a_parse_that_fails(name: str, spans: Spans, serve: Serve) -> None:
    """Text, calls and usage were paid for and are kept; without content no exception tells any of it."""
    body, error = UNPARSED[name]
    server = serve(*[document(body)] * 3)
    with client_of(server) as client, pytest.raises(error):
        helper_of(client).parse(**CHAT, response_format=Word)
    async with async_client_of(server) as async_client:
        with pytest.raises(error):
            await helper_of(async_client).parse(**CHAT, response_format=Word)
    for operation in spans.operations():
        assert (operation.ending, operation.failure and operation.failure.type) == ("failed", error.__name__)
        assert text_of(*operation.output) == body["choices"][0]["message"]["content"]
        assert ToolCall("look", {"secret": 1}, "call_1") in operation.output[0].parts
        assert operation.usage and operation.usage.output_tokens == USAGE["completion_tokens"]
    spans.clear()
    instrument(spans.tracer, capture_content=False)
    with client_of(server) as client, pytest.raises(error):
        helper_of(client).parse(**CHAT, response_format=Word)
    (span,) = spans.all()
    assert "secret" not in span.to_json()


class Tool(pydantic.BaseModel):
    """A tool as an object of pydantic's."""

    type: str = "function"
    function: dict[str, Any] = {"name": "look", "parameters": {}}


ODD_ARGUMENTS: dict[str, dict[str, Any]] = {
    "extra body": {"extra_body": {"top_k": 3, "metadata": {"a": "b"}}},
    "no extra headers": {"extra_headers": None},
    "own headers": {"extra_headers": {"x-mine": "1"}},
    "omitted": {"temperature": getattr(openai, "omit", openai.NOT_GIVEN), "top_p": openai.NOT_GIVEN},
    "a tool of pydantic's": {"tools": [Tool()]},
    "no reasoning": {"extra_body": {"reasoning": None}},
    "streaming options": {"stream": False, "stream_options": None},
}
ODD_ANSWERS: dict[str, Any] = {
    "as documented": completion(),
    "no choices": {**completion(), "choices": None},
    "no output": {"output": None},
}


@pytest.mark.parametrize("arguments", ODD_ARGUMENTS)
@pytest.mark.parametrize("answer", [*ODD_ANSWERS, "HTML"])
async def test_case_20_odd_arguments_and_answers(
    arguments: str, answer: str, spans: Spans, serve: Serve, caplog: Any
) -> None:
    """Nothing is raised, changed, added to the request, or logged call by call."""
    caplog.set_level(logging.DEBUG, "greenflash_otel")
    html = Reply((b"<html>busy</html>",), 200, {"content-type": "text/html"})
    reply = html if answer == "HTML" else document(ODD_ANSWERS[answer])
    server = serve(*[reply] * 4)
    given = {**CHAT, **ODD_ARGUMENTS[arguments]}
    before = json.dumps(given, default=repr)
    async with async_client_of(server) as async_client:
        with client_of(server) as client:
            seen = [client.chat.completions.create(**given)]
            seen.append(await async_client.chat.completions.create(**given))
            assert json.dumps(given, default=repr) == before
            uninstrument()
            seen.append(client.chat.completions.create(**given))
            seen.append(await async_client.chat.completions.create(**given))
    assert len({repr(entry) for entry in seen}) == 1
    assert len({json.dumps(body) for body in server.bodies}) == 1
    assert len({tuple(sorted(headers)) for headers in server.headers}) <= 2  # sync and async
    assert server.headers[:2] == server.headers[2:]
    assert [text_of(*operation.input) for operation in spans.operations()] == ["Hi", "Hi"]
    assert text_of(*spans.operations()[0].output) == (TEXT if answer == "as documented" else "")
    assert not caplog.records
