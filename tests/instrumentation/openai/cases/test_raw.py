"""Answers whose bytes the application reads itself, when and how it wants."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from typing import Any

import openai
import pytest

from tests.instrumentation.openai.cases.conftest import Serve, async_client_of, client_of
from tests.instrumentation.openai.played_sync import CHAT, RESPONSE, said
from tests.instrumentation.openai.replies import COMPLETED, PIECES, TEXT, chunks, completion, response_events
from tests.instrumentation.openai.server import Reply, events
from tests.instrumentation.openai.spans import Spans, text_of

pytestmark = pytest.mark.usefixtures("no_faults")

SPEECH: Any = {"model": "tts-1", "voice": "alloy", "input": "Hi"}


def in_two_parts(body: Any) -> Reply:
    """A document of which the server holds back the second half."""
    content = json.dumps(body).encode()
    return Reply((content[:20], content[20:]), 200, {"content-type": "application/json"})


async def test_case_06_a_body_is_read_by_the_application_only(spans: Spans, serve: Serve) -> None:
    """Not a byte comes before the caller asks, sync or async, of a document or of speech."""
    sound = Reply((b"snd", b"more", "hold"), 200, {"content-type": "audio/mpeg"})
    server = serve(*[in_two_parts(completion())] * 2, *[sound] * 2)
    async with async_client_of(server) as async_client:
        with client_of(server) as client:
            with client.chat.completions.with_streaming_response.create(**CHAT) as answer:
                assert answer.http_response.num_bytes_downloaded == 0
                assert answer.parse().choices[0].message.content == TEXT
            async with async_client.chat.completions.with_streaming_response.create(**CHAT) as async_answer:
                assert async_answer.http_response.num_bytes_downloaded == 0
                parsing = async_answer.parse()
                assert inspect.iscoroutine(parsing)
                assert (await parsing).choices[0].message.content == TEXT
            with client.audio.speech.with_streaming_response.create(**SPEECH) as speech:
                assert speech.http_response.num_bytes_downloaded == 0
                assert next(speech.iter_bytes(3)) == b"snd"
            async with async_client.audio.speech.with_streaming_response.create(**SPEECH) as async_speech:
                assert async_speech.http_response.num_bytes_downloaded == 0
                assert await anext(async_speech.iter_bytes(3)) == b"snd"
    await spans.arrive(4)
    chats, speeches = spans.operations()[:2], spans.operations()[2:]
    assert [(entry.ending, text_of(*entry.output)) for entry in chats] == [("completed", TEXT)] * 2
    assert [speech.ending for speech in speeches] == ["abandoned"] * 2


async def test_case_07_the_way_of_the_agents_sdk(spans: Spans, serve: Serve) -> None:
    """`await parse()` of a streaming response gives one operation, and so do the lines of one."""
    server = serve(*[events(response_events(COMPLETED), b"")] * 2)
    async with async_client_of(server) as client:
        asking = client.responses.with_streaming_response.create(**RESPONSE, stream=True)
        async with asking as answer:
            kinds = [event.type async for event in await answer.parse()]
        assert kinds[-1] == "response.completed"
        async with client.responses.with_streaming_response.create(**RESPONSE, stream=True) as answer:
            await answer.parse()
            lines = [line async for line in answer.iter_lines() if line]
        assert TEXT in "".join(lines)
    await spans.arrive(2)
    assert [(operation.ending, text_of(*operation.output)) for operation in spans.operations()] == [
        ("completed", TEXT)
    ] * 2


class Mine(openai.Stream[Any]):
    """A stream of the application's."""


class AsyncMine(openai.AsyncStream[Any]):
    """Its twin."""


async def test_case_08_a_raw_response_that_streams(spans: Spans, serve: Serve) -> None:
    """Headers, the request's id, one stream however often it is parsed, a stream class of one's own."""
    streamed = events(chunks())
    reply = Reply(streamed.steps, 200, {**streamed.headers, "x-request-id": "req_1"})
    server = serve(*[reply] * 4)
    with client_of(server) as client:
        create: Callable[..., Any] = client.chat.completions.with_raw_response.create
        answer = create(**CHAT, stream=True)
        assert (answer.headers["x-request-id"], answer.request_id) == ("req_1", "req_1")
        assert isinstance(answer.parse(), openai.Stream)
        assert answer.parse() is answer.parse()
        assert "".join(map(said, answer.parse())) == TEXT
        mine = create(**CHAT, stream=True).parse(to=Mine)
        assert type(mine) is Mine
        assert len([event for event in mine]) == len(list(chunks()))  # noqa: C416 - any way to read it
    async with async_client_of(server) as async_client:
        create = async_client.chat.completions.with_raw_response.create
        answer = await create(**CHAT, stream=True)
        assert (answer.headers["x-request-id"], answer.request_id) == ("req_1", "req_1")
        assert isinstance(answer.parse(), openai.AsyncStream)
        assert answer.parse() is answer.parse()
        assert "".join([said(chunk) async for chunk in answer.parse()]) == "".join(PIECES)
        mine = (await create(**CHAT, stream=True)).parse(to=AsyncMine)
        assert type(mine) is AsyncMine
        assert len([event async for event in mine]) == len(list(chunks()))
    assert [(operation.ending, text_of(*operation.output)) for operation in spans.operations()] == [
        ("completed", TEXT)
    ] * 4
    assert {operation.properties["request_id"] for operation in spans.operations()} == {"req_1"}
