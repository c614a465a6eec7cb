"""The scenarios of `scenarios`, played by an async application. ``client`` is an ``openai.AsyncOpenAI``."""

from __future__ import annotations

import asyncio
import gc
import inspect
import json
from typing import Any

import openai
import pydantic
import pytest

from tests.instrumentation.openai.http import http
from tests.instrumentation.openai.played_sync import CHAT, RESPONSE, Word, helper_of, said
from tests.instrumentation.openai.replies import PIECES, TEXT
from tests.instrumentation.openai.server import Server


async def read_two(stream: Any) -> None:
    """Read as far as the server gets before it holds."""
    number = 0
    async for chunk in stream:
        assert said(chunk) == PIECES[number]
        number += 1
        if number == 2:
            break


async def whole(client: Any, server: Server) -> None:
    assert (await client.chat.completions.create(**CHAT)).choices[0].message.content == TEXT


async def streamed(client: Any, server: Server) -> None:
    stream = await client.chat.completions.create(**CHAT, stream=True)
    assert "".join([said(chunk) async for chunk in stream]) == TEXT


async def left_and_dropped(client: Any, server: Server) -> None:
    stream = await client.chat.completions.create(**CHAT, stream=True)
    await read_two(stream)
    del stream
    gc.collect()


async def dropped_unread(client: Any, server: Server) -> None:
    await client.chat.completions.create(**CHAT, stream=True)
    gc.collect()


async def left_and_resumed(client: Any, server: Server) -> None:
    stream = await client.chat.completions.create(**CHAT, stream=True)
    async for chunk in stream:
        assert said(chunk) == PIECES[0]
        break
    assert "".join([said(chunk) async for chunk in stream]) == PIECES[1]


async def left_in_with(client: Any, server: Server) -> None:
    async with await client.chat.completions.create(**CHAT, stream=True) as stream:
        await read_two(stream)


async def closed(client: Any, server: Server) -> None:
    stream = await client.chat.completions.create(**CHAT, stream=True)
    await read_two(stream)
    await stream.close()


async def helper(client: Any, server: Server) -> None:
    async with helper_of(client).stream(**CHAT) as stream:
        assert (await stream.get_final_completion()).choices[0].message.content == TEXT


async def helper_left(client: Any, server: Server) -> None:
    async with helper_of(client).stream(**CHAT) as stream:
        async for event in stream:
            if event.type == "content.delta" and event.snapshot == TEXT:
                break


async def helper_raises(client: Any, server: Server) -> None:
    with pytest.raises(openai.LengthFinishReasonError):
        async with helper_of(client).stream(**CHAT, response_format=Word) as stream:
            async for _ in stream:
                pass


async def responses(client: Any, server: Server) -> None:
    assert (await client.responses.create(**RESPONSE)).output_text == TEXT


async def responses_streamed(client: Any, server: Server) -> None:
    stream = await client.responses.create(**RESPONSE, stream=True)
    assert [event.delta async for event in stream if event.type.endswith("text.delta")] == list(PIECES)


async def responses_helper_left(client: Any, server: Server) -> None:
    async with client.responses.stream(**RESPONSE) as stream:
        async for event in stream:
            if event.type == "response.output_text.delta" and event.snapshot == TEXT:
                break


async def error_in_stream(client: Any, server: Server) -> None:
    with pytest.raises(openai.APIError, match="overloaded"):
        async for _ in await client.chat.completions.create(**CHAT, stream=True):
            pass
    gc.collect()  # openai 1.x leaves the response open


async def nonsense_in_stream(client: Any, server: Server) -> None:
    with pytest.raises(json.JSONDecodeError):
        async for _ in await client.chat.completions.create(**CHAT, stream=True):
            pass
    gc.collect()  # as above


async def connection_cut(client: Any, server: Server) -> None:
    with pytest.raises((openai.APIConnectionError, http.RemoteProtocolError)):
        async for _ in await client.chat.completions.create(**CHAT, stream=True):
            pass


async def refused(client: Any, server: Server) -> None:
    with pytest.raises(openai.BadRequestError):
        await client.chat.completions.create(**CHAT)


async def out_of_order(client: Any, server: Server) -> None:
    with pytest.raises(openai.InternalServerError):
        await client.with_options(max_retries=0).chat.completions.create(**CHAT)


async def retried(client: Any, server: Server) -> None:
    await whole(client.with_options(max_retries=1), server)
    assert server.bodies[0] == server.bodies[1]


async def not_json(client: Any, server: Server) -> None:
    assert await client.chat.completions.create(**CHAT) == "<html>sorry</html>"


async def parsed(client: Any, server: Server) -> None:
    answer = await helper_of(client).parse(**CHAT, response_format=Word)
    assert answer.choices[0].message.parsed == Word(word="hi")


async def parse_finds_it_too_long(client: Any, server: Server) -> None:
    with pytest.raises(openai.LengthFinishReasonError):
        await helper_of(client).parse(**CHAT, response_format=Word)


async def parse_finds_it_invalid(client: Any, server: Server) -> None:
    with pytest.raises(pydantic.ValidationError):
        await helper_of(client).parse(**CHAT, response_format=Word)


async def raw(client: Any, server: Server) -> None:
    answer = await client.chat.completions.with_raw_response.create(**CHAT)
    assert answer.headers["content-type"] == "application/json"
    assert answer.parse() is answer.parse()
    assert answer.parse().choices[0].message.content == TEXT


async def raw_streamed(client: Any, server: Server) -> None:
    answer = await client.chat.completions.with_raw_response.create(**CHAT, stream=True)
    stream = answer.parse()
    assert isinstance(stream, openai.AsyncStream)
    assert answer.parse() is stream
    assert "".join([said(chunk) async for chunk in stream]) == TEXT


async def raw_body(client: Any, server: Server) -> None:
    async with client.chat.completions.with_streaming_response.create(**CHAT) as answer:
        assert not answer.http_response.is_stream_consumed
        assert json.loads(b"".join([piece async for piece in answer.iter_bytes()]))["id"] == "chatcmpl-1"


async def raw_body_not_read(client: Any, server: Server) -> None:
    async with client.chat.completions.with_streaming_response.create(**CHAT) as answer:
        assert answer.http_response.num_bytes_downloaded == 0


async def raw_lines(client: Any, server: Server) -> None:
    async with client.chat.completions.with_streaming_response.create(**CHAT, stream=True) as answer:
        lines = [line async for line in answer.iter_lines() if line]
    assert len(lines) == 5


async def raw_responses_streamed(client: Any, server: Server) -> None:
    """The way of the OpenAI Agents SDK."""
    async with client.responses.with_streaming_response.create(**RESPONSE, stream=True) as answer:
        parsing = answer.parse()
        assert inspect.iscoroutine(parsing)
        kinds = [event.type async for event in await parsing]
    assert kinds[-1] == "response.completed"


async def cancelled_in_create(client: Any, server: Server) -> None:
    task = asyncio.ensure_future(client.chat.completions.create(**CHAT))
    while not server.bodies:
        await asyncio.sleep(0.001)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def cancelled_between_chunks(client: Any, server: Server) -> None:
    reached = asyncio.Event()

    async def work() -> None:
        async for chunk in await client.chat.completions.create(**CHAT, stream=True):
            if said(chunk) == PIECES[-1]:
                reached.set()

    task = asyncio.ensure_future(work())
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
