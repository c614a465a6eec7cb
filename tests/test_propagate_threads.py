"""``propagate_threads``: threads and pools belong to the conversation that started them, without a wrapper."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import pickle
import sys
import threading
from collections.abc import Callable, Generator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from multiprocessing.pool import ThreadPool
from typing import Any

import pytest
from opentelemetry import context as otel_context

import greenflash_otel as greenflash
from greenflash_otel.context import find_context_to_carry
from greenflash_otel.instrumentation.threads import CarriedCall
from greenflash_otel.testing import Emulator
from tests.conftest import PRODUCT
from tests.test_runtime import chat, start

VARIABLE = contextvars.ContextVar("VARIABLE", default="nothing")
WAYS: dict[str, Callable[..., Any]] = {
    "submit": lambda pool, work: pool.submit(work).result(),
    "map": lambda pool, work: next(iter(pool.map(lambda _: work(), [1]))),
    "run_in_executor": lambda pool, work: asyncio.run(in_executor(pool, work)),
}


async def in_executor(pool: ThreadPoolExecutor, work: Callable[[], Any]) -> Any:
    return await asyncio.get_running_loop().run_in_executor(pool, work)


def begin(**more: Any) -> None:
    greenflash.instrument(
        product_id=PRODUCT, frameworks=(), outbox=":memory:", propagate_threads=True, **more
    )


def on_a_thread(thread: threading.Thread) -> None:
    thread.start()
    thread.join(10)
    assert not thread.is_alive()


@pytest.mark.parametrize("way", WAYS)
def test_a_pool_serves_one_conversation_after_the_other(way: str) -> None:
    """The thread that was started in the first one is in none when somebody else uses it."""
    begin()
    with ThreadPoolExecutor(1) as pool:
        for id in ("a", "b"):
            with greenflash.conversation(id):
                assert WAYS[way](pool, greenflash.current_conversation) == id
        assert WAYS[way](pool, greenflash.current_conversation) is None


def test_model_calls(greenflash_emulator: Emulator) -> None:
    """They arrive in their conversations."""
    start(greenflash_emulator, propagate_threads=True)
    with ThreadPoolExecutor(1) as pool, greenflash.conversation("a", user_id="ada"):
        pool.submit(chat, ["Hello."], ["Hi"]).result()
    assert greenflash.flush(10)
    assert [one.content for one in greenflash_emulator.conversation("a").messages] == ["Hi", "Hello."]


def test_the_default_executor_of_a_loop() -> None:
    """It is a pool of threads, too."""
    begin()

    async def main() -> object:
        loop = asyncio.get_running_loop()
        with greenflash.conversation("a"):
            return await loop.run_in_executor(None, greenflash.current_conversation)

    assert asyncio.run(main()) == "a"


def test_threads_timers_and_subclasses() -> None:
    """Whatever runs in them; afterwards the thread is as it was."""
    begin()
    seen: list[str | None] = []

    def work() -> None:
        seen.append(greenflash.current_conversation())

    class Worker(threading.Thread):
        def run(self) -> None:
            work()

    with greenflash.conversation("a"):
        made = [threading.Thread(target=work), threading.Timer(0, work), Worker()]
        for thread in made:
            on_a_thread(thread)
    assert seen == ["a"] * 3
    assert not any("run" in vars(thread) for thread in made)
    on_a_thread(threading.Thread(target=work))
    assert seen[-1] is None


def test_a_thread_outlives_the_block() -> None:
    """It belongs to the conversation until its end."""
    begin()
    seen: list[str | None] = []
    left = threading.Event()

    def work() -> None:
        assert left.wait(10)
        seen.append(greenflash.current_conversation())

    with greenflash.conversation("a"):
        thread = threading.Thread(target=work)
        thread.start()
    left.set()
    thread.join(10)
    assert seen == ["a"]


def test_the_threads_of_pools_inherit_nothing() -> None:
    """They serve whoever comes: only what is handed to them belongs to a conversation."""
    begin()
    with greenflash.conversation("a"), ThreadPool(1) as pool:
        assert pool.apply(greenflash.current_conversation) is None


def test_a_block_that_a_generator_is_in() -> None:
    """Servers run each step of it in another context."""
    begin()

    def steps() -> Generator[str | None, None, None]:
        with greenflash.conversation("a"), ThreadPoolExecutor(1) as pool:
            yield None
            yield pool.submit(greenflash.current_conversation).result()

    made = steps()
    for _ in range(2):
        found = contextvars.Context().run(next, made)
    assert found == "a"
    made.close()


def test_a_thread_that_cannot_be_started() -> None:
    """It is left as it was, and the error is the application's."""
    begin()
    with greenflash.conversation("a"):
        thread = threading.Thread(target=int)
        on_a_thread(thread)
        with pytest.raises(RuntimeError, match="once"):
            thread.start()
    assert "run" not in vars(thread)


def test_what_a_function_raises_and_other_variables() -> None:
    """As without; the variables of the application are not taken along."""
    begin()
    VARIABLE.set("ours")

    def work() -> str:
        raise KeyError(VARIABLE.get())

    with (
        greenflash.conversation("a"),
        ThreadPoolExecutor(1) as pool,
        pytest.raises(KeyError, match="nothing"),
    ):
        pool.submit(work).result()


def test_only_where_it_was_asked_for_and_until_the_shutdown() -> None:
    """The methods of Python are its own before and after."""
    before = ThreadPoolExecutor.__dict__["submit"], threading.Thread.__dict__["start"]
    greenflash.instrument(product_id=PRODUCT, frameworks=(), outbox=":memory:")
    assert (ThreadPoolExecutor.__dict__["submit"], threading.Thread.__dict__["start"]) == before
    greenflash.uninstrument()
    begin()
    assert ThreadPoolExecutor.__dict__["submit"] is not before[0]
    greenflash.uninstrument()
    assert (ThreadPoolExecutor.__dict__["submit"], threading.Thread.__dict__["start"]) == before


def test_by_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """GREENFLASH_PROPAGATE_THREADS."""
    monkeypatch.setenv("GREENFLASH_PROPAGATE_THREADS", "true")
    greenflash.instrument(product_id=PRODUCT, frameworks=(), outbox=":memory:")
    with greenflash.conversation("a"), ThreadPoolExecutor(1) as pool:
        assert pool.submit(greenflash.current_conversation).result() == "a"


def test_a_process_pool_gets_what_it_was_given() -> None:
    """Nothing of ours is pickled."""
    begin()
    with greenflash.conversation("a"), ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        assert pool.submit(divmod, 7, 2).result(60) == (3, 1)


def test_a_pool_that_pickles() -> None:
    """It gets the function alone."""
    with greenflash.conversation("a"):
        context = find_context_to_carry()
        assert context is not None
        assert pickle.loads(pickle.dumps(CarriedCall(divmod, context))) is divmod  # noqa: S301 - our own


@pytest.mark.skipif(sys.version_info < (3, 14), reason="this Python has no pools of interpreters")
def test_a_pool_of_interpreters() -> None:
    """Its threads run in interpreters of their own."""
    begin()
    pool_class: Any = getattr(concurrent.futures, "InterpreterPoolExecutor", None)
    with greenflash.conversation("a"), pool_class(1) as pool:
        assert pool.submit(divmod, 7, 2).result(60) == (3, 1)


@pytest.mark.parametrize("is_outer", [True, False])
def test_next_to_another_instrumentation(is_outer: bool) -> None:
    """As OpenTelemetry's: what it has brought stays as it attached it, around ours and below it."""
    original = ThreadPoolExecutor.submit

    def submit(pool: Any, work: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        context = otel_context.set_value("theirs", True, otel_context.get_current())

        def run(*more: Any) -> Any:
            token = otel_context.attach(context)
            try:
                return work(*more)
            finally:
                otel_context.detach(token)

        return below(pool, run, *args, **kwargs)

    def read() -> tuple[str | None, object]:
        return greenflash.current_conversation(), otel_context.get_value("theirs")

    with pytest.MonkeyPatch.context() as patch:
        below = original
        if is_outer:
            begin()
            below = ThreadPoolExecutor.submit
        patch.setattr(ThreadPoolExecutor, "submit", submit)
        if not is_outer:
            begin()
        with greenflash.conversation("a"), ThreadPoolExecutor(1) as pool:
            assert pool.submit(read).result() == ("a", True)
        greenflash.uninstrument()  # below another wrapper ours stays, and lets calls through
    begin()
    greenflash.uninstrument()
    assert ThreadPoolExecutor.submit is original
