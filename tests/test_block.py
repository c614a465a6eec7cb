"""What was begun in a `conversation()` ends with it when it is cancelled, and only then."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, suppress

import pytest

from greenflash_otel.context import Scope, conversation, internal, note_begun_here


class Stream:
    """Something that goes on."""

    def __init__(self) -> None:
        self.left: list[str] = []
        note_begun_here(self)

    def leave(self, error: BaseException) -> None:
        self.left.append(type(error).__name__)


@pytest.mark.parametrize("error", [asyncio.CancelledError, GeneratorExit, KeyboardInterrupt])
def test_a_cancelled_block_ends_what_it_began(error: type[BaseException]) -> None:
    """Also what blocks within it began, whichever way those ended."""
    with pytest.raises(error), conversation("a"):
        with internal():
            inner = Stream()
        stream = Stream()
        raise error
    assert stream.left == inner.left == [error.__name__]


def test_other_ends_leave_it_alone() -> None:
    """A stream may be read after its block, and handled errors may leave it to somebody."""
    with conversation("a"):
        returned = Stream()
    with suppress(ValueError), conversation("a"):
        raised = Stream()
        raise ValueError
    with suppress(KeyboardInterrupt), conversation("a"):
        raise KeyboardInterrupt
    outside = Stream()
    assert returned.left == raised.left == outside.left == []


async def _words(scope: Scope, begun: list[Stream]) -> AsyncIterator[int]:
    with scope:
        begun.append(Stream())
        for number in range(10):
            yield number


async def test_a_generator_that_is_closed_elsewhere() -> None:
    """The task that closes it was never in the block."""
    begun: list[Stream] = []
    words = _words(conversation("a"), begun)
    await asyncio.create_task(anext(words))  # type: ignore[arg-type]  # of mypy's own making
    await words.aclose()  # type: ignore[attr-defined]
    assert begun[0].left == ["GeneratorExit"]


async def test_a_generator_that_is_collected() -> None:
    """As servers leave them, whose client is gone."""
    begun: list[Stream] = []
    words = _words(conversation("a"), begun)
    await anext(words)
    del words
    gc.collect()
    while not begun[0].left:
        await asyncio.sleep(0)
    assert begun[0].left == ["GeneratorExit"]


async def test_a_decorated_generator() -> None:
    """All of its steps are one pass through the block."""
    begun: list[Stream] = []

    @conversation("a")
    async def words() -> AsyncIterator[int]:
        yield 0
        begun.append(Stream())
        for number in range(1, 10):
            yield number

    @conversation("a")
    def plain_words() -> Iterator[int]:
        yield 0
        begun.append(Stream())
        yield from range(1, 10)

    async with aclosing(words()) as told:  # type: ignore[type-var]
        assert [await anext(told), await anext(told)] == [0, 1]
    plain = plain_words()
    assert [next(plain), next(plain)] == [0, 1]
    plain.close()  # type: ignore[attr-defined]
    assert [stream.left for stream in begun] == [["GeneratorExit"]] * 2


async def test_what_a_task_that_goes_on_began_is_left_alone() -> None:
    """An answer that is made to its end though its reader is gone."""
    begun: list[Stream] = []
    over = asyncio.Event()

    async def make() -> None:
        begun.append(Stream())
        await over.wait()

    with suppress(asyncio.CancelledError), conversation("a"):
        going_on = asyncio.create_task(make())
        done = asyncio.create_task(asyncio.sleep(0))
        ended = asyncio.create_task(_begin(begun))
        await asyncio.gather(done, ended)
        raise asyncio.CancelledError
    over.set()
    await going_on
    assert sorted(stream.left for stream in begun) == [[], ["CancelledError"]]


async def _begin(begun: list[Stream]) -> None:
    begun.append(Stream())


def test_what_another_thread_began_is_left_alone() -> None:
    """It is told of by its own context."""
    begun: list[Stream] = []
    scope = conversation("a")

    def work() -> None:
        with scope:
            begun.append(Stream())

    with suppress(KeyboardInterrupt), scope:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        raise KeyboardInterrupt
    assert begun[0].left == []
