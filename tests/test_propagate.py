"""`propagate`: what a pool runs belongs to the conversation in which it was handed over."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

import greenflash_otel as greenflash
from greenflash_otel.testing import Emulator
from tests.test_runtime import chat, start

VARIABLE = contextvars.ContextVar("VARIABLE", default="nothing")


def test_model_calls_on_a_pool(greenflash_emulator: Emulator) -> None:
    """Each in the conversation that handed it over, also on threads that served another one before."""
    start(greenflash_emulator)

    def work(text: str) -> str | None:
        chat([f"re {text}"], [text])
        return greenflash.current_conversation()

    with ThreadPoolExecutor(1) as pool:
        for id in ("a", "b"):
            with greenflash.conversation(id):
                assert list(pool.map(greenflash.propagate(work), [f"{id} one", f"{id} two"])) == [id, id]
        assert pool.submit(greenflash.current_conversation).result() is None
    assert greenflash.flush(10)
    for id in ("a", "b"):
        said = {message.content for message in greenflash_emulator.conversation(id).messages}
        assert said == {f"{id} one", f"{id} two", f"re {id} one", f"re {id} two"}


def test_each_call_has_a_context_of_its_own() -> None:
    """What one sets, the next does not see; the application's own variables are there."""

    def work(value: str) -> tuple[str, str | None]:
        before = VARIABLE.get()
        VARIABLE.set(value)
        return before, greenflash.current_conversation()

    token = VARIABLE.set("ours")
    with greenflash.conversation("c"), ThreadPoolExecutor(1) as pool:
        assert list(pool.map(greenflash.propagate(work), "xy")) == [("ours", "c"), ("ours", "c")]
    VARIABLE.reset(token)


def test_what_the_function_raises_and_how_it_looks() -> None:
    """As without."""

    @greenflash.propagate
    def work(item: int, *, more: bool = False) -> int:
        raise KeyError(item)

    assert str(inspect.signature(work)) == "(item: 'int', *, more: 'bool' = False) -> 'int'"
    with pytest.raises(KeyError):
        work(1)


def test_a_generator() -> None:
    """Its steps run in the conversation, the code that reads them does not."""

    def words() -> Iterator[str | None]:
        for _ in range(2):
            yield greenflash.current_conversation()

    with greenflash.conversation("c"):
        made = greenflash.propagate(words)
    assert [(entry, greenflash.current_conversation()) for entry in made()] == [("c", None), ("c", None)]


async def test_coroutines_and_async_generators() -> None:
    """The same on a loop: a worker that was started before runs them."""
    queue: asyncio.Queue[object] = asyncio.Queue()
    seen: list[str | None] = []

    async def work() -> None:
        await asyncio.sleep(0)
        seen.append(greenflash.current_conversation())

    async def words() -> AsyncIterator[str | None]:
        for _ in range(2):
            await asyncio.sleep(0)
            yield greenflash.current_conversation()

    async def serve() -> None:
        job = await queue.get()
        assert callable(job)
        await job()
        seen.append(greenflash.current_conversation())

    worker = asyncio.create_task(serve())
    with greenflash.conversation("c"):
        queue.put_nowait(greenflash.propagate(work))
        made = greenflash.propagate(words)
    await worker
    assert seen == ["c", None]
    assert [(entry, greenflash.current_conversation()) async for entry in made()] == [
        ("c", None),
        ("c", None),
    ]


async def test_generators_that_are_closed_part_way() -> None:
    """What they clean up belongs to the conversation, too; the code that closes them does not."""
    seen: list[str | None] = []

    def words() -> Iterator[str]:
        try:
            yield "first"
        finally:
            seen.append(greenflash.current_conversation())

    async def words_async() -> AsyncIterator[str]:
        try:
            yield "first"
        finally:
            await asyncio.sleep(0)
            seen.append(greenflash.current_conversation())

    with greenflash.conversation("c"):
        made, made_async = greenflash.propagate(words)(), greenflash.propagate(words_async)()
    assert isinstance(made, Generator)
    assert isinstance(made_async, AsyncGenerator)
    assert (next(made), await anext(made_async)) == ("first", "first")
    made.close()
    await made_async.aclose()
    assert (seen, greenflash.current_conversation()) == (["c", "c"], None)
