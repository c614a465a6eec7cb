"""`shutdown()` records what is open as far as it came, and the application reads on as if nothing were."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import openai
import pytest
from langchain.agents import create_agent

import greenflash_otel as greenflash
from greenflash_otel.testing import Emulator
from tests.conftest import PRODUCT
from tests.instrumentation.langchain.models import hangs, says
from tests.instrumentation.openai.http import http
from tests.instrumentation.openai.replies import response_events
from tests.instrumentation.openai.server import Server, events
from tests.servers.model import STORY, asked, async_client, client

ENDS: list[Callable[[], object]] = [greenflash.shutdown, greenflash.uninstrument]


@pytest.fixture
def emulator(greenflash_emulator: Emulator, tmp_path: Path) -> Emulator:
    """Greenflash, to which this process delivers."""
    greenflash.instrument(
        api_key="gf_test",
        product_id=PRODUCT,
        base_url=greenflash_emulator.base_url,
        outbox=tmp_path / "outbox",
    )
    return greenflash_emulator


def said_in(emulator: Emulator, id: str) -> list[str]:
    """The texts of a conversation."""
    return [str(message.content) for message in emulator.conversation(id).messages]


def ending_in(emulator: Emulator, id: str) -> object:
    """How the answer in a conversation ended."""
    return (emulator.conversation(id).messages[1].properties or {}).get("ending")


def half(words: Iterator[str]) -> str:
    """Read to the second word."""
    read = ""
    while "word1" not in read:
        read += next(words)
    return read


def chat() -> Iterator[str]:
    for chunk in client().chat.completions.create(**asked(stream=True, max_tokens=6)):
        yield chunk.choices[0].delta.content or ""


def raw() -> Iterator[str]:
    answer = client().chat.completions.with_raw_response.create(**asked(stream=True, max_tokens=6))
    for chunk in answer.parse():
        yield chunk.choices[0].delta.content or ""


def raw_body() -> Iterator[str]:
    create = client().chat.completions.with_streaming_response.create
    with create(**asked(stream=True, max_tokens=6)) as answer:
        yield from answer.iter_text()


def helper() -> Iterator[str]:
    with client().chat.completions.stream(**asked(max_tokens=6)) as stream:
        for event in stream:
            yield event.delta if event.type == "content.delta" else ""


def of_a_loop() -> Iterator[str]:
    async def words() -> AsyncIterator[str]:
        async for chunk in await async_client().chat.completions.create(**asked(stream=True, max_tokens=6)):
            yield chunk.choices[0].delta.content or ""

    with asyncio.Runner() if hasattr(asyncio, "Runner") else _Loop() as loop:
        told = words()
        with suppress(StopAsyncIteration):
            while True:
                yield loop.run(anext(told))


class _Loop:
    """An `asyncio.Runner` for Python 3.10."""

    def __enter__(self) -> _Loop:
        self._loop = asyncio.new_event_loop()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.close()

    def run(self, awaitable: Any) -> Any:
        return self._loop.run_until_complete(awaitable)


@pytest.mark.parametrize("words", [chat, raw, raw_body, helper, of_a_loop])
@pytest.mark.parametrize("end", ENDS)
def test_open_streams(
    words: Callable[[], Iterator[str]], end: Callable[[], object], emulator: Emulator
) -> None:
    """Whatever the surface: question and beginning arrive, once; the reader gets the rest."""
    with greenflash.conversation("a"):
        told = words()
        read = half(told)
        end()
        rest = "".join(told)
    assert "word5" in read + rest
    said = said_in(emulator, "a")
    assert said[0] == STORY
    assert said[1].startswith("word0 word1")
    assert "word5" not in said[1]
    assert len(said) == 2


def test_a_responses_stream(emulator: Emulator) -> None:
    """The same of ``client.responses.stream()``."""
    with (
        Server(events(response_events(), "hold")) as server,
        openai.OpenAI(api_key="k", base_url=server.url) as api,
        greenflash.conversation("a"),
        api.responses.stream(model="m", input=STORY) as stream,
    ):
        for event in stream:
            if event.type == "response.output_text.delta":
                break
        greenflash.shutdown()
    assert said_in(emulator, "a")[0] == STORY
    assert len(said_in(emulator, "a")) == 2


def test_flush_ends_nothing(emulator: Emulator) -> None:
    """A stream that is open when it is called is recorded whole, later."""
    with greenflash.conversation("a"):
        told = chat()
        read = half(told)
        assert greenflash.flush(10)
        assert not emulator.conversations()
        read += "".join(told)
    assert greenflash.flush(10)
    assert said_in(emulator, "a") == [STORY, read]


def test_a_status_says_so(emulator: Emulator) -> None:
    """Whoever reads the conversation sees that the answer is not whole."""
    with greenflash.conversation("a"):
        told = chat()
        half(told)
    greenflash.shutdown()
    assert ending_in(emulator, "a") == "abandoned"
    told.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize("mode", ["model", "agent", "agent, async", "events"])
def test_langchain(mode: str, emulator: Emulator) -> None:
    """A model or an agent that is read half way: what it had said by then."""
    config: Any = {"configurable": {"thread_id": "a"}}
    question: Any = {"messages": [("user", STORY)]}

    async def first() -> None:
        agent = create_agent(says("One two three."))
        streamed = (
            agent.astream(question, config, stream_mode="messages")
            if mode == "agent, async"
            else agent.astream_events(question, config, version="v2")
        )
        async for event in streamed:
            if mode == "agent, async" or event["event"] == "on_chat_model_stream":
                break
        greenflash.shutdown()
        assert [chunk async for chunk in streamed]

    if mode == "model":
        told = says("One two three.").stream(STORY, {"metadata": {"thread_id": "a"}})
        next(told)
        greenflash.shutdown()
        assert list(told)
    elif mode == "agent":
        streamed = iter(create_agent(says("One two three.")).stream(question, config, stream_mode="messages"))
        next(streamed)
        greenflash.shutdown()
        assert list(streamed)
    else:
        asyncio.run(first())
    said = said_in(emulator, "a")
    assert said[0] == STORY
    assert said[1].startswith("One")
    assert len(said) == 2


async def test_a_call_that_is_cancelled(emulator: Emulator) -> None:
    """What was asked is recorded with its conversation, in OpenAI's client as in LangChain's."""

    async def stalled(request: Any) -> Any:
        reached.set()
        await asyncio.Event().wait()

    async def ask() -> None:
        api = openai.AsyncOpenAI(
            api_key="k", http_client=http.AsyncClient(transport=http.MockTransport(stalled))
        )
        with greenflash.conversation("a"):
            await api.chat.completions.create(**asked())

    async def ask_langchain() -> None:
        with greenflash.conversation("b"):
            await model.ainvoke(STORY)

    reached, model = asyncio.Event(), hangs()
    for call, asked_for in ((ask(), reached), (ask_langchain(), model.asked)):
        task = asyncio.create_task(call)
        await asked_for.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    await asyncio.to_thread(greenflash.shutdown)
    assert said_in(emulator, "a")[0] == said_in(emulator, "b")[0] == STORY


async def test_a_stream_whose_block_is_cancelled(emulator: Emulator) -> None:
    """It is recorded at once: nobody waits for the garbage collector."""
    reading = asyncio.Event()
    kept: list[Any] = []

    async def read() -> None:
        with greenflash.conversation("a"):
            stream = await async_client().chat.completions.create(**asked(stream=True, max_tokens=600))
            kept.append(stream)
            async for chunk in stream:
                if "word1" in (chunk.choices[0].delta.content or ""):
                    reading.set()
                    await asyncio.Event().wait()

    task = asyncio.create_task(read())
    await reading.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await asyncio.to_thread(greenflash.flush, 10)
    assert said_in(emulator, "a") == [STORY, "word0 word1 "]
    assert ending_in(emulator, "a") == "cancelled"
    await kept[0].close()
