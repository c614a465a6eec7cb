"""Each method in each way: one operation, with what was answered."""

from __future__ import annotations

from functools import reduce
from typing import Any

import openai
import pydantic
import pytest

from tests.instrumentation.openai.matrix.calls import ROWS, Row
from tests.instrumentation.openai.played_sync import helper_of
from tests.instrumentation.openai.server import Server
from tests.instrumentation.openai.spans import Spans, text_of

pytestmark = [
    pytest.mark.usefixtures("no_faults"),
    pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning"),
]
covers = pytest.mark.covers

CELLS = [
    pytest.param(
        name,
        way,
        colour,
        marks=pytest.mark.covers("calls", f"`{name}`", way, colour),
        id=f"{name}, {way}, {colour}",
    )
    for name, row in ROWS.items()
    for way in row.ways()
    for colour in ("sync", "async")
]


class Word(pydantic.BaseModel):
    """What an answer is parsed into."""

    word: str


@pytest.mark.parametrize(("name", "way", "colour"), CELLS)
async def test_a_way_of_calling(name: str, way: str, colour: str, spans: Spans) -> None:
    """One operation, complete, that says what the answer says."""
    row = ROWS[name]
    reply = row.streamed if way.endswith("streamed") or way == "stream helper" else row.whole
    assert reply
    with Server(reply) as server:
        try:
            if colour == "sync":
                with openai.OpenAI(api_key="k", base_url=server.url) as client:
                    call(client, name, row, way)
            else:
                async with openai.AsyncOpenAI(api_key="k", base_url=server.url) as async_client:
                    await call_async(async_client, name, row, way)
        except (AttributeError, TypeError) as error:
            pytest.skip(f"this SDK cannot do it: {error}")
    operation = spans.only()
    streamed = row.streamed_as if reply is row.streamed else None
    name, text = streamed or (row.operation, row.text)
    assert (operation.name, operation.ending, text_of(*operation.output)) == (name, "completed", text)


def method(client: Any, name: str, wrapper: str | None = None) -> Any:
    """The SDK's method of that name, of the resource or of a wrapper of it."""
    *path, last = name.split(".")
    resource = reduce(getattr, path, client)
    return getattr(getattr(resource, wrapper) if wrapper else resource, last)


def helper(client: Any, name: str) -> Any:
    """Where the SDK has ``parse`` and ``stream`` for it."""
    return helper_of(client) if name.startswith("chat") else client.responses


def call(client: Any, name: str, row: Row, way: str) -> None:
    """Call it, and read all of what comes."""
    match way:
        case "whole":
            method(client, name)(**row.arguments)
        case "streamed":
            list(method(client, name)(**row.arguments, stream=True))
        case "raw":
            method(client, name, "with_raw_response")(**row.arguments).parse()
        case "raw, streamed":
            list(method(client, name, "with_raw_response")(**row.arguments, stream=True).parse())
        case "streaming response":
            with method(client, name, "with_streaming_response")(**row.arguments) as answer:
                answer.read()
        case "streaming response, streamed":
            with method(client, name, "with_streaming_response")(**row.arguments, stream=True) as answer:
                list(answer.iter_lines())
        case "parse":
            helper(client, name).parse(**row.arguments)
        case "stream helper":
            with helper(client, name).stream(**row.arguments) as stream:
                list(stream)


async def call_async(client: Any, name: str, row: Row, way: str) -> None:
    """The same in the other colour."""
    match way:
        case "whole":
            await method(client, name)(**row.arguments)
        case "streamed":
            [event async for event in await method(client, name)(**row.arguments, stream=True)]
        case "raw":
            (await method(client, name, "with_raw_response")(**row.arguments)).parse()
        case "raw, streamed":
            raw = await method(client, name, "with_raw_response")(**row.arguments, stream=True)
            [event async for event in raw.parse()]
        case "streaming response":
            async with method(client, name, "with_streaming_response")(**row.arguments) as answer:
                await answer.read()
        case "streaming response, streamed":
            streaming = method(client, name, "with_streaming_response")
            async with streaming(**row.arguments, stream=True) as answer:
                [line async for line in answer.iter_lines()]
        case "parse":
            await helper(client, name).parse(**row.arguments)
        case "stream helper":
            async with helper(client, name).stream(**row.arguments) as stream:
                [event async for event in stream]
