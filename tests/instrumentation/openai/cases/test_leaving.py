"""Answers that an application does not read to the end, or not at once."""

from __future__ import annotations

import asyncio
import gc
import logging
import subprocess
import sys
import time
from typing import Any

import openai
import pytest

from tests.instrumentation.openai.cases.conftest import Serve, async_client_of, client_of
from tests.instrumentation.openai.played_sync import CHAT, RESPONSE, helper_of, read_two, said
from tests.instrumentation.openai.replies import PIECES, TEXT, chunks, response_events
from tests.instrumentation.openai.server import Reply, events
from tests.instrumentation.openai.spans import Spans, text_of
from tests.instrumentation.openai.test_unfinished import AT_EXIT, PROGRAM

pytestmark = pytest.mark.usefixtures("no_faults")


def held_chat() -> Reply:
    """All pieces of an answer, and then nothing for as long as the test runs."""
    return events(chunks(finished=False), "hold")


def held_response() -> Reply:
    """The same of the Responses API: no item was done, no terminal event comes."""
    return events(response_events(), "hold")


def assert_left(spans: Spans) -> None:
    """One operation, over, with the text that had come."""
    operation = spans.only()
    assert (operation.ending, text_of(*operation.output)) == ("abandoned", TEXT)


async def test_case_01_a_chat_helper_left_by_break(spans: Spans, serve: Serve) -> None:
    """The partial text is recorded, and the operation ends, when the ``with`` block does."""
    server = serve(held_chat(), held_chat())
    with client_of(server) as client:
        with helper_of(client).stream(**CHAT) as stream:
            for event in stream:
                if event.type == "content.delta" and event.snapshot == TEXT:
                    break
            assert spans.all() == ()
        assert_left(spans)
    spans.clear()
    async with async_client_of(server) as async_client:
        async with helper_of(async_client).stream(**CHAT) as async_stream:
            async for event in async_stream:
                if event.type == "content.delta" and event.snapshot == TEXT:
                    break
            assert spans.all() == ()
        assert_left(spans)


async def test_case_02_a_responses_helper_left_by_break(spans: Spans, serve: Serve) -> None:
    """The text lives only in deltas, and no terminal event ever comes."""
    server = serve(held_response(), held_response())
    with client_of(server) as client:
        with client.responses.stream(**RESPONSE) as stream:
            for event in stream:
                if event.type == "response.output_text.delta" and event.snapshot == TEXT:
                    break
            assert spans.all() == ()
        assert_left(spans)
    spans.clear()
    async with async_client_of(server) as async_client:
        async with async_client.responses.stream(**RESPONSE) as async_stream:
            async for event in async_stream:
                if event.type == "response.output_text.delta" and event.snapshot == TEXT:
                    break
            assert spans.all() == ()
        assert_left(spans)


def test_case_03_a_stream_dropped_within_a_cycle(spans: Spans, serve: Serve) -> None:
    """It ends when it is collected, as of its last byte, and at the latest when the process does."""
    gc.disable()
    try:
        with client_of(serve(held_chat())) as client:
            stream: Any = client.chat.completions.create(**CHAT, stream=True)
            stream.itself = stream
            read_two(stream)
            del stream
            dropped_ns = time.time_ns()
            assert spans.all() == ()
    finally:
        gc.enable()
    gc.collect()
    assert_left(spans)
    (span,) = spans.all()
    assert span.end_time is not None
    assert span.end_time <= dropped_ns
    never_collected = subprocess.run(
        [sys.executable, "-c", PROGRAM + AT_EXIT], check=True, timeout=60, capture_output=True, text=True
    )
    assert never_collected.stdout.strip().startswith("abandoned ")
    assert TEXT in never_collected.stdout


async def test_case_04_a_second_loop_over_a_stream(spans: Spans, serve: Serve) -> None:
    """The application gets the rest, and one operation has the whole text."""
    server = serve(events(chunks()), events(chunks()))
    with client_of(server) as client:
        stream = client.chat.completions.create(**CHAT, stream=True)
        for chunk in stream:
            assert said(chunk) == PIECES[0]
            break
        assert "".join(said(chunk) for chunk in stream) == PIECES[1]
    async with async_client_of(server) as async_client:
        async_stream = await async_client.chat.completions.create(**CHAT, stream=True)
        async for chunk in async_stream:
            assert said(chunk) == PIECES[0]
            break
        assert "".join([said(chunk) async for chunk in async_stream]) == PIECES[1]
    assert [(operation.ending, text_of(*operation.output)) for operation in spans.operations()] == [
        ("completed", TEXT)
    ] * 2


async def cancelled_while_creating(client: openai.AsyncOpenAI, reached: asyncio.Event) -> None:
    reached.set()
    await client.chat.completions.create(**CHAT)


async def cancelled_between_chunks(client: openai.AsyncOpenAI, reached: asyncio.Event) -> None:
    async for chunk in await client.chat.completions.create(**CHAT, stream=True):
        if said(chunk) == PIECES[-1]:
            reached.set()


async def cancelled_while_closing(client: openai.AsyncOpenAI, reached: asyncio.Event) -> None:
    stream = await client.chat.completions.create(**CHAT, stream=True)
    async for chunk in stream:
        if said(chunk) == PIECES[-1]:
            break
    response: Any = stream.response
    close = response.aclose

    async def slow_close() -> None:
        response.aclose = close
        reached.set()
        try:
            await asyncio.Event().wait()
        finally:
            await close()

    response.aclose = slow_close
    await stream.close()


@pytest.mark.parametrize(
    ("work", "reply", "ending", "text"),
    [
        (cancelled_while_creating, Reply(("hold",)), "cancelled", ""),
        (cancelled_between_chunks, held_chat(), "cancelled", TEXT),
        (cancelled_while_closing, held_chat(), "abandoned", TEXT),
    ],
)
async def test_case_10_a_cancelled_task(
    work: Any, reply: Reply, ending: str, text: str, spans: Spans, serve: Serve, caplog: Any
) -> None:
    """The operation ends once, the caller's own `CancelledError` passes, and nobody complains."""
    caplog.set_level(logging.DEBUG, "opentelemetry")
    reached = asyncio.Event()
    async with async_client_of(serve(reply)) as client:
        task = asyncio.ensure_future(work(client, reached))
        await reached.wait()
        await asyncio.sleep(0)
        task.cancel("enough")
        with pytest.raises(asyncio.CancelledError) as cancelled:
            await task
    assert cancelled.value.args in {("enough",), ()}  # Python 3.10 loses the message
    await spans.arrive(1)
    operation = spans.only()
    assert (operation.ending, text_of(*operation.output)) == (ending, text)
    assert not [record for record in caplog.records if record.name.startswith("opentelemetry")]
