"""Blocks in code that is read step by step, or that runs on another thread: right, or the application is told."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

import greenflash_otel as greenflash
from greenflash_otel import internal_errors, lost_contexts
from greenflash_otel.context import get_current_conversation_context
from greenflash_otel.docs_links import PAGES

Seen = list[tuple[str | None, str | None, bool]]


def look(seen: Seen) -> None:
    """Note whose conversation the running code works for."""
    found = get_current_conversation_context()
    seen.append((found.conversation_id, found.user_id, found.internal))


def read_as_servers_do(steps: Iterator[Any]) -> list[Any]:
    """Read a generator, each step in a copy of the context, on a thread of a pool."""
    read = list[Any]()
    with ThreadPoolExecutor(1) as pool:
        while True:
            step = pool.submit(contextvars.copy_context().run, lambda: next(steps, None))
            if (item := step.result(10)) is None:
                return read
            read.append(item)


@pytest.fixture
def warnings(caplog: pytest.LogCaptureFixture) -> Iterator[Callable[[], list[str]]]:
    """What the application was told."""
    internal_errors.reset_for_tests()
    with caplog.at_level(logging.WARNING, "greenflash_otel"):
        yield lambda: [record.getMessage() for record in caplog.records]


def in_a_block(seen: Seen) -> Iterator[int]:
    """Steps within a block, and within another one in that."""
    with greenflash.conversation("C", user_id="ada"):
        look(seen)
        yield 1
        look(seen)
        with greenflash.internal():
            yield 2
            look(seen)
        yield 3
        look(seen)
    yield 4
    look(seen)


def in_a_helper(seen: Seen) -> Iterator[int]:
    """The same through a context manager of the application's, in an exit stack."""

    @contextmanager
    def chat() -> Iterator[None]:
        with greenflash.conversation("C", user_id="ada"):
            yield

    with ExitStack() as stack:
        stack.enter_context(chat())
        look(seen)
        yield 1
        look(seen)
        with greenflash.internal():
            yield 2
            look(seen)
        yield 3
        look(seen)
    yield 4
    look(seen)


ADA = ("C", "ada", False)
ALL = [ADA, ADA, ("C", "ada", True), ADA, (None, None, False)]


@pytest.mark.parametrize("generator", [in_a_block, in_a_helper])
@pytest.mark.parametrize("read", [read_as_servers_do, list])
def test_a_generator_that_is_read_step_by_step(
    generator: Callable[[Seen], Iterator[int]],
    read: Callable[[Iterator[int]], Any],
    warnings: Callable[[], list[str]],
) -> None:
    """Every step is in its block, and nothing is after it."""
    seen = Seen()
    assert read(generator(seen)) == [1, 2, 3, 4]
    assert seen == ALL
    assert warnings() == []


def test_an_async_generator_each_step_of_which_has_a_time_limit(warnings: Callable[[], list[str]]) -> None:
    """Each step is a task of its own."""
    seen = Seen()

    async def steps() -> AsyncIterator[int]:
        async with greenflash.conversation("C", user_id="ada"):
            look(seen)
            yield 1
            await asyncio.sleep(0)
            look(seen)
            yield 2
            look(seen)

    async def read() -> None:
        iterator = steps()
        for _ in range(2):
            await asyncio.create_task(iterator.__anext__())  # type: ignore[arg-type]  # it is a coroutine enough
        with pytest.raises(StopAsyncIteration):
            await asyncio.create_task(iterator.__anext__())  # type: ignore[arg-type]

    asyncio.run(read())
    assert seen == [ADA] * 3
    assert warnings() == []


def test_two_generators_that_are_read_by_turns() -> None:
    """Each is in its own block, though they share a context."""
    seen = list[tuple[str, str | None]]()

    def steps(name: str) -> Iterator[int]:
        with greenflash.conversation(name):
            for step in range(2):
                seen.append((name, get_current_conversation_context().conversation_id))
                yield step

    for _ in zip(steps("A"), steps("B"), strict=True):
        pass
    assert seen == [("A", "A"), ("B", "B")] * 2


def test_a_generator_that_is_left_forgets_its_block() -> None:
    """Nothing is remembered of it."""
    before = len(lost_contexts_entries())
    steps = in_a_block(Seen())
    next(steps)
    assert len(lost_contexts_entries()) == before + 1
    steps.close()  # type: ignore[attr-defined]  # it is a generator
    assert len(lost_contexts_entries()) == before


def lost_contexts_entries() -> Any:
    """The generators that are in blocks."""
    from greenflash_otel import context

    return context._in_generators


def test_a_dependency_that_yields_is_told_of(warnings: Callable[[], list[str]]) -> None:
    """A server runs both halves in a pool: what runs between is not in the block, and nothing shows that it should."""
    seen = Seen()

    @contextmanager
    def dependency() -> Iterator[None]:
        with greenflash.conversation("C", user_id="ada"):
            yield

    with ThreadPoolExecutor(1) as pool:
        manager = dependency()
        pool.submit(contextvars.copy_context().run, manager.__enter__).result(10)
        look(seen)
        pool.submit(contextvars.copy_context().run, manager.__exit__, None, None, None).result(10)
    assert seen == [(None, None, False)]
    assert warnings() == [f"{lost_contexts.LEFT_ELSEWHERE} [{PAGES['threads']}]"]


def test_a_block_that_is_entered_on_one_thread_and_left_on_another(warnings: Callable[[], list[str]]) -> None:
    """The same by hand."""
    block = greenflash.conversation("C")
    thread = threading.Thread(target=block.__enter__)
    thread.start()
    thread.join(10)
    block.__exit__(None, None, None)
    assert warnings() == [f"{lost_contexts.LEFT_ELSEWHERE} [{PAGES['threads']}]"]


def test_a_dependency_in_the_same_context_is_right(warnings: Callable[[], list[str]]) -> None:
    """As when it is asynchronous."""
    seen = Seen()

    @contextmanager
    def dependency() -> Iterator[None]:
        with greenflash.conversation("C", user_id="ada"):
            yield

    with dependency():
        look(seen)
    assert seen == [ADA]
    assert warnings() == []


@pytest.mark.parametrize("hand_over", [False, True])
def test_a_pool_of_threads(hand_over: bool, warnings: Callable[[], list[str]]) -> None:
    """A thread that is not handed the context makes calls for nobody, and the application is told once."""
    seen = Seen()
    with ThreadPoolExecutor(2) as pool, greenflash.conversation("C", user_id="ada"):
        for _ in range(2):
            run = contextvars.copy_context().run if hand_over else lambda *args: args[0](*args[1:])
            pool.submit(run, look, seen).result(10)
    assert seen == [ADA if hand_over else (None, None, False)] * 2
    assert warnings() == ([] if hand_over else [f"{lost_contexts.OTHER_THREAD} [{PAGES['threads']}]"])


async def test_an_executor_of_a_loop(warnings: Callable[[], list[str]]) -> None:
    """A block of a task that waits for a thread; `asyncio.to_thread` hands the context over."""
    seen = Seen()
    async with greenflash.conversation("C", user_id="ada"):
        await asyncio.to_thread(look, seen)
        assert warnings() == []
        await asyncio.get_running_loop().run_in_executor(None, look, seen)
    assert seen == [ADA, (None, None, False)]
    assert warnings() == [f"{lost_contexts.OTHER_THREAD} [{PAGES['threads']}]"]


def test_threads_that_nobody_waits_for(warnings: Callable[[], list[str]]) -> None:
    """A pool that works for nobody's conversation is none of our business."""
    seen, go_on, ready = Seen(), threading.Event(), threading.Event()

    def work() -> None:
        go_on.wait(10)
        look(seen)
        ready.set()

    with ThreadPoolExecutor(1) as pool:
        pool.submit(work)
        with greenflash.conversation("C"):
            pass
        go_on.set()
        ready.wait(10)
    assert seen == [(None, None, False)]
    assert warnings() == []
