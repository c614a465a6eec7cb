"""Decorated generators: their own steps run in the scope, whatever the consumer sends, throws or closes."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncGenerator, Generator

import pytest

from greenflash_otel.context import (
    conversation,
    current_conversation,
    get_current_conversation_context,
    internal,
)
from greenflash_otel.model.operation import ConversationContext


def _noting(seen: list[str | None]) -> Generator[str, str, str]:
    """Notes the conversation in every step, and how it was ended."""
    try:
        sent = yield "first"
        seen.append(current_conversation())
        try:
            yield sent
        except KeyError:
            seen.append(current_conversation())
            yield "caught"
        return "end"
    finally:
        seen.append(current_conversation())


async def _noting_async(seen: list[str | None]) -> AsyncGenerator[str, str]:
    """The twin of `_noting`."""
    try:
        sent = yield "first"
        await asyncio.sleep(0)
        seen.append(current_conversation())
        try:
            yield sent
        except KeyError:
            seen.append(current_conversation())
            yield "caught"
    finally:
        await asyncio.sleep(0)
        seen.append(current_conversation())


def test_send_throw_and_return() -> None:
    """What is sent, thrown and returned passes through; the consumer stays outside."""
    seen: list[str | None] = []
    steps = conversation("c")(_noting)(seen)
    assert (next(steps), current_conversation()) == ("first", None)
    assert (steps.send("hello"), current_conversation()) == ("hello", None)
    assert (steps.throw(KeyError()), current_conversation()) == ("caught", None)
    with pytest.raises(StopIteration) as end:
        next(steps)
    assert end.value.value == "end"
    assert (seen, current_conversation()) == (["c", "c", "c"], None)


def test_close() -> None:
    """A generator that is closed ends in its scope."""
    seen: list[str | None] = []
    steps = conversation("c")(_noting)(seen)
    next(steps)
    with conversation("consumer"):
        steps.close()
        assert current_conversation() == "consumer"
    assert seen == ["c"]


def test_an_error_it_does_not_catch() -> None:
    """It comes out as it was thrown in."""
    seen: list[str | None] = []
    steps = conversation("c")(_noting)(seen)
    next(steps)
    error = ValueError("mine")
    with pytest.raises(ValueError, match="mine") as raised:
        steps.throw(error)
    assert raised.value is error
    assert (seen, current_conversation()) == (["c"], None)


async def test_async_send_and_throw() -> None:
    """What is sent and thrown passes through; the consumer stays outside."""
    seen: list[str | None] = []
    steps = conversation("c")(_noting_async)(seen)
    assert (await steps.__anext__(), current_conversation()) == ("first", None)
    assert (await steps.asend("hello"), current_conversation()) == ("hello", None)
    assert (await steps.athrow(KeyError()), current_conversation()) == ("caught", None)
    with pytest.raises(StopAsyncIteration):
        await steps.__anext__()
    assert (seen, current_conversation()) == (["c", "c", "c"], None)


async def test_async_close() -> None:
    """A generator that is closed, in another task too, ends in its scope."""
    seen: list[str | None] = []
    steps = conversation("c")(_noting_async)(seen)
    await asyncio.create_task(steps.asend(None))  # type: ignore[arg-type]  # how a generator is begun
    with conversation("consumer"):
        await steps.aclose()
        assert current_conversation() == "consumer"
    assert seen == ["c"]


def test_functions_stay_what_they_are() -> None:
    """Kind, name and signature of a decorated function are those it had."""

    def plain(a: int, *, b: str = "") -> None:
        """Documented."""

    async def coroutine(a: int) -> None: ...

    for function in (plain, coroutine, _noting, _noting_async):
        decorated = conversation("c")(function)
        assert decorated.__name__ == function.__name__
        assert decorated.__doc__ == function.__doc__
        assert inspect.signature(decorated) == inspect.signature(function)
        for kind in (
            inspect.iscoroutinefunction,
            inspect.isgeneratorfunction,
            inspect.isasyncgenfunction,
        ):
            assert kind(decorated) == kind(function)


async def test_tasks_keep_their_own_scope() -> None:
    """Tasks that run at the same time do not see each other's conversation."""
    entered = {"a": asyncio.Event(), "b": asyncio.Event()}

    async def work(id: str, other: str) -> list[str | None]:
        async with conversation(id):
            before = current_conversation()
            entered[id].set()
            await entered[other].wait()
            return [before, current_conversation()]

    one, other = await asyncio.gather(work("a", "b"), work("b", "a"))
    assert (one, other) == (["a", "a"], ["b", "b"])


@pytest.mark.parametrize("raised", [ValueError, KeyboardInterrupt, asyncio.CancelledError])
def test_a_scope_is_left_with_an_error(raised: type[BaseException]) -> None:
    """The error passes, the scope ends."""
    with pytest.raises(raised), conversation("c"):
        raise raised
    assert get_current_conversation_context() == ConversationContext()


def test_internal_ends_with_another_conversation() -> None:
    """A sub-agent with a conversation of its own is visible there; one within stays hidden."""
    with internal():
        assert get_current_conversation_context().internal
        with conversation(user_id="ada"):
            assert get_current_conversation_context().internal
        with conversation("other"):
            assert not get_current_conversation_context().internal
    assert not get_current_conversation_context().internal


def test_ids_become_text() -> None:
    """A database key is an id, zero too."""
    with conversation(0, user_id=7) as conversation_context:
        assert (conversation_context.conversation_id, conversation_context.user_id) == ("0", "7")
