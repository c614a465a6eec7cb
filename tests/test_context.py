"""Scopes: whose conversation the running code works for, however that code is run."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import threading
from collections.abc import AsyncIterator, Generator, Iterator

import pytest

import greenflash_otel as greenflash
from greenflash_otel.context import get_current_conversation_context
from greenflash_otel.model.operation import ConversationContext

active = greenflash.current_conversation


def test_outside_any_scope_nobody_is_known() -> None:
    """No conversation, no user."""
    assert get_current_conversation_context() == ConversationContext()


def test_inner_scopes_add_to_outer_ones() -> None:
    """What an inner one leaves out it takes from outside; another conversation has properties of its own."""
    with greenflash.conversation("a", user_id="ada", properties={"plan": "free"}):
        with greenflash.conversation(organization_id="acme", properties={"beta": True}):
            assert get_current_conversation_context() == ConversationContext(
                "a", "ada", "acme", {"plan": "free", "beta": True}
            )
        with greenflash.internal():
            assert get_current_conversation_context().internal
            with greenflash.conversation("b"):
                assert get_current_conversation_context() == ConversationContext("b", "ada")
        assert active() == "a"
    assert active() is None


def test_a_scope_without_an_id_has_a_name_of_its_own() -> None:
    """Two entries into it are two scopes; what is inside one entry shares its name."""
    scope = greenflash.conversation(user_id="ada")
    names = []
    for _ in range(2):
        with scope, greenflash.internal():
            names.append(get_current_conversation_context().scope_id)
    assert None not in names
    assert names[0] != names[1]


def test_every_kind_of_function_can_be_decorated() -> None:
    """Function, coroutine, generator and async generator run in the scope, and stay what they are."""

    @greenflash.conversation("plain")
    def plain() -> str | None:
        return active()

    @greenflash.conversation("coroutine")
    async def coroutine() -> str | None:
        await asyncio.sleep(0)
        return active()

    @greenflash.conversation("generator")
    def generator() -> Generator[str | None, str, str]:
        sent = yield active()
        try:
            yield f"{active()} {sent}"
        except KeyError:
            yield f"caught in {active()}"
        return "end"

    @greenflash.conversation("agen")
    async def agen() -> AsyncIterator[str | None]:
        yield active()
        await asyncio.sleep(0)
        yield active()

    async def run() -> None:
        assert await coroutine() == "coroutine"
        seen = [(item, active()) async for item in agen()]
        assert seen == [("agen", None), ("agen", None)]

    assert plain() == "plain"
    asyncio.run(run())
    steps = generator()
    assert (next(steps), active()) == ("generator", None)
    assert steps.send("hello") == "generator hello"
    assert steps.throw(KeyError()) == "caught in generator"
    with pytest.raises(StopIteration, match="end"):
        next(steps)


def test_tasks_and_threads_with_the_context_are_inside() -> None:
    """contextvars carry the scope; a bare thread is outside."""
    seen: dict[str, str | None] = {}

    def note(name: str) -> None:
        seen[name] = active()

    async def run() -> None:
        async with greenflash.conversation("c"):
            await asyncio.gather(asyncio.to_thread(note, "to_thread"), asyncio.create_task(task()))
            bare = threading.Thread(target=note, args=("bare",))
            carried = threading.Thread(target=contextvars.copy_context().run, args=(note, "carried"))
            for thread in (bare, carried):
                thread.start()
                thread.join()

    async def task() -> None:
        note("task")

    asyncio.run(run())
    assert seen == {"to_thread": "c", "task": "c", "bare": None, "carried": "c"}


def test_a_generator_closed_in_another_task_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    """Its scope is left where it was never entered: nothing is logged and nothing changes there."""

    async def streaming() -> AsyncIterator[int]:
        with greenflash.conversation("c"):
            yield 1

    async def run() -> str | None:
        stream = streaming()
        await asyncio.create_task(anext_of(stream))
        await stream.aclose()  # type: ignore[attr-defined]  # an async generator has it
        return active()

    async def anext_of(stream: AsyncIterator[int]) -> int:
        return await stream.__anext__()

    with caplog.at_level(logging.DEBUG):
        assert asyncio.run(run()) is None
    assert [record for record in caplog.records if "detach" in record.getMessage()] == []


def test_one_scope_may_be_entered_by_many_threads_at_once() -> None:
    """It keeps no state: every thread leaves its own entry."""
    scope, barrier = greenflash.conversation("shared"), threading.Barrier(4)
    after: list[str | None] = []

    def enter() -> None:
        with scope:
            barrier.wait(10)
        barrier.wait(10)
        after.append(active())

    threads = [threading.Thread(target=enter) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert after == [None] * 4


def test_a_scope_entered_again_inside_itself_is_left_step_by_step() -> None:
    """Recursion is nesting."""
    scope = greenflash.conversation("again")

    def entered(depth: int) -> Iterator[str | None]:
        with scope:
            yield active()
            if depth:
                yield from entered(depth - 1)
            yield active()

    assert set(entered(3)) == {"again"}
    assert active() is None
