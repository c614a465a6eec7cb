"""Tasks of Celery, RQ and arq belong to the conversation of the request that enqueued them, and to none afterwards."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import arq.worker
import pytest
from arq import ArqRedis, Retry, Worker
from celery import Celery
from celery.contrib.testing.worker import start_worker
from celery.signals import before_task_publish, task_postrun, task_prerun
from fakeredis import FakeAsyncRedis, FakeStrictRedis
from rq import Queue, SimpleWorker
from rq.job import Job

import greenflash_otel as greenflash
from greenflash_otel.instrumentation import task_queues
from greenflash_otel.internal_errors import get_counts
from greenflash_otel.testing import Emulator
from tests.conftest import PRODUCT
from tests.test_runtime import chat, start

ADA: greenflash.CarriedConversation = {"id": "chat-1", "user_id": "ada", "organization_id": "acme"}
SIGNALS = (before_task_publish, task_prerun, task_postrun)


def begin() -> None:
    greenflash.instrument(product_id=PRODUCT, frameworks=(), outbox=":memory:", propagate_tasks=True)


def say() -> str | None:
    """What a task does."""
    chat(["Hello."], ["Hi"])
    greenflash.record_outcome("upgrade", 9)
    return greenflash.current_conversation()


def fail() -> None:
    raise KeyError("no")


def check_arrived(emulator: Emulator) -> None:
    """The task's call and outcome, in the conversation of the request and of its user."""
    assert greenflash.flush(10)
    [stored] = [one for one in emulator.conversations() if one.external_id == "chat-1"]
    assert [one.content for one in stored.messages] == ["Hi", "Hello."]
    assert [(one.value, one.external_user_id) for one in stored.outcomes] == [("9", "ada")]


# Celery.


@pytest.fixture
def app() -> Celery:
    """Its broker is in memory."""
    return Celery("tests", broker="memory://", backend="cache+memory://")


@pytest.fixture
def worker(app: Celery) -> Iterator[Any]:
    """A real worker, on a thread, which takes one task at a time."""
    app.task(say, name="say")
    app.task(fail, name="fail")
    app.task(greenflash.current_conversation, name="whose")
    with start_worker(app, pool="solo", perform_ping_check=False, shutdown_timeout=30) as running:
        yield running


def test_celery(app: Celery, greenflash_emulator: Emulator, worker: Any) -> None:
    """The next task of the worker is in no conversation, also after one that failed."""
    start(greenflash_emulator, propagate_tasks=True)
    with greenflash.conversation(**ADA):
        assert app.send_task("say").get(timeout=20) == "chat-1"
        failed = app.send_task("fail")
    with pytest.raises(KeyError):
        failed.get(timeout=20)
    assert app.send_task("whose").get(timeout=20) is None
    assert not task_queues._scopes
    check_arrived(greenflash_emulator)


def test_tasks_that_a_task_starts_and_that_are_tried_again(app: Celery) -> None:
    """All of them belong to the conversation."""
    begin()
    seen: list[str | None] = []

    @app.task(name="second")
    def second() -> None:
        seen.append(greenflash.current_conversation())

    @app.task(name="first", bind=True, max_retries=1)
    def first(self: Any) -> None:
        seen.append(greenflash.current_conversation())
        if len(seen) == 1:
            raise self.retry(countdown=0)
        second.delay()

    with start_worker(app, pool="solo", perform_ping_check=False, shutdown_timeout=30):
        with greenflash.conversation("chat-1"):
            done = (first.si() | second.si()).apply_async()
        done.get(timeout=20)
    assert seen[:2] == ["chat-1"] * 2
    assert set(seen) == {"chat-1"}


def test_an_eager_task_runs_where_it_is_called(app: Celery) -> None:
    """It needs no message."""
    begin()
    app.conf.task_always_eager = True
    whose = app.task(greenflash.current_conversation, name="eager")
    with greenflash.conversation("chat-1"):
        assert whose.delay().get() == "chat-1"
        assert greenflash.current_conversation() == "chat-1"


# RQ.


@pytest.fixture
def queue() -> Queue:
    """Of a Redis in memory."""
    return Queue(connection=FakeStrictRedis())


def work_off(queue: Queue) -> None:
    SimpleWorker([queue], connection=queue.connection).work(burst=True, logging_level="CRITICAL")


def test_rq(queue: Queue, greenflash_emulator: Emulator) -> None:
    """What the application has in ``meta`` stays there."""
    start(greenflash_emulator, propagate_tasks=True)
    with greenflash.conversation(**ADA):
        job = queue.enqueue(say, meta={"mine": 1})
        failing = queue.enqueue(fail)
    after = queue.enqueue(greenflash.current_conversation)
    work_off(queue)
    assert (job.return_value(), after.return_value()) == ("chat-1", None)
    assert failing.get_status() == "failed"
    assert Job.fetch(job.id, connection=queue.connection).meta == {"mine": 1, "greenflash": ADA}
    assert after.meta == {}
    check_arrived(greenflash_emulator)


@pytest.mark.parametrize(
    ("step", "name"),
    [
        ("carry a conversation to a task", "carry_conversation"),
        ("continue the conversation of a task", "continue_conversation"),
    ],
)
def test_a_failure_of_ours_costs_no_task(
    step: str, name: str, app: Celery, worker: Any, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It runs, outside of the conversation, and the failure is counted."""
    begin()
    before = get_counts().errors[step]
    monkeypatch.setattr(task_queues, name, lambda *_: fail())
    with greenflash.conversation("chat-1"):
        assert app.send_task("whose").get(timeout=20) is None
        job = queue.enqueue(greenflash.current_conversation)
    work_off(queue)
    assert job.return_value() is None
    assert get_counts().errors[step] == before + 2


# arq.


@pytest.fixture
async def redis(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A Redis in memory. It has no INFO, which arq only logs."""

    async def log_nothing(*_: Any) -> None:
        pass

    monkeypatch.setattr(arq.worker, "log_redis_info", log_nothing)
    fake = FakeAsyncRedis()
    yield ArqRedis(fake.connection_pool)
    await fake.aclose()


async def run_jobs(redis: Any, work: Any, **more: Any) -> None:
    named = [arq.worker.func(work, name="work")]
    worker = Worker(named, redis_pool=redis, burst=True, poll_delay=0.01, handle_signals=False, **more)
    await worker.async_run()


async def test_arq(redis: Any, greenflash_emulator: Emulator) -> None:
    """Jobs at the same time, one that is tried again, and one of nobody."""
    start(greenflash_emulator, propagate_tasks=True)
    seen: list[tuple[str, str | None]] = []

    async def work(ctx: Any, name: str) -> None:
        seen.append((name, greenflash.current_conversation()))
        if name == "again" and ctx["job_try"] == 1:
            raise Retry
        if name == "say":
            say()

    async with greenflash.conversation(**ADA):
        await redis.enqueue_job("work", "say")
        await redis.enqueue_job("work", "again")
    async with greenflash.conversation("chat-2"):
        await redis.enqueue_job("work", "two")
    await redis.enqueue_job("work", "none")
    await run_jobs(redis, work)
    assert sorted(seen, key=str) == [
        ("again", "chat-1"),
        ("again", "chat-1"),
        ("none", None),
        ("say", "chat-1"),
        ("two", "chat-2"),
    ]
    assert greenflash.current_conversation() is None
    check_arrived(greenflash_emulator)


async def test_a_serialiser_of_ones_own(redis: Any) -> None:
    """What it can write is enough: texts."""
    begin()
    seen: list[str | None] = []
    redis.job_serializer = lambda job: json.dumps(job).encode()

    async def work(ctx: Any) -> None:
        seen.append(greenflash.current_conversation())

    async with greenflash.conversation("chat-1"):
        await redis.enqueue_job("work")
    await run_jobs(redis, work, job_deserializer=json.loads, keep_result=0)
    assert seen == ["chat-1"]


async def test_a_worker_that_does_not_look_for_it(redis: Any) -> None:
    """It runs the job all the same."""
    begin()
    seen: list[object] = []

    async def work(ctx: Any, *args: Any, **kwargs: Any) -> None:
        seen.append((args, kwargs, greenflash.current_conversation()))

    async with greenflash.conversation("chat-1"):
        await redis.enqueue_job("work", 1, two=2)
    greenflash.uninstrument()
    await run_jobs(redis, work)
    assert seen == [((1,), {"two": 2}, None)]


# All.


@pytest.mark.parametrize("foreign", ["text", 7, {"id": 7}, {"id": ""}, {"else": "x"}, [], None])
def test_what_is_no_conversation(foreign: object, queue: Queue) -> None:
    """A header that another program wrote breaks nothing."""
    begin()
    job = queue.enqueue(greenflash.current_conversation, meta={"greenflash": foreign})
    work_off(queue)
    assert (job.return_value(), get_counts().errors) == (None, Counter())


def test_only_where_it_was_asked_for_and_until_the_shutdown(queue: Queue) -> None:
    """The libraries are as they were before and after."""
    before = [len(signal.receivers or ()) for signal in SIGNALS]
    methods = Job.__dict__["create"], Job.__dict__["perform"], ArqRedis.__dict__["enqueue_job"]
    greenflash.instrument(product_id=PRODUCT, frameworks=(), outbox=":memory:")
    with greenflash.conversation("chat-1"):
        assert queue.enqueue(divmod, 7, 2).meta == {}
    greenflash.uninstrument()
    begin()
    assert [len(signal.receivers) for signal in SIGNALS] == [number + 1 for number in before]
    greenflash.uninstrument()
    assert [len(signal.receivers or ()) for signal in SIGNALS] == before
    assert (Job.__dict__["create"], Job.__dict__["perform"], ArqRedis.__dict__["enqueue_job"]) == methods


def test_any_other_queue() -> None:
    """What is carried are arguments of `conversation()`, as JSON; a block without an id gets one."""
    greenflash.instrument(product_id=PRODUCT, frameworks=(), outbox=":memory:")
    assert greenflash.carry_conversation() == {}
    with greenflash.conversation(**ADA, properties={"plan": "free"}):
        assert greenflash.carry_conversation() == ADA
    with greenflash.conversation(user_id="ada"):
        carried = json.loads(json.dumps(greenflash.carry_conversation()))
        assert carried == {"id": greenflash.current_conversation(), "user_id": "ada"}
    with greenflash.conversation(**carried):
        assert greenflash.current_conversation() == carried["id"]


def test_a_job_in_a_process_of_its_own(greenflash_itself: Emulator, tmp_path: Path) -> None:
    """RQ ends such a process without `atexit`: what the job captured is delivered before."""
    start(greenflash_itself, propagate_tasks=True, outbox=tmp_path)
    task_queues._pid = 0  # as in a process that was forked after `instrument()`
    queue = Queue(connection=FakeStrictRedis())
    with greenflash.conversation("chat-1"):
        job = queue.enqueue(say)
    work_off(queue)
    assert job.return_value() == "chat-1"
    assert [one.content for one in greenflash_itself.conversation("chat-1").messages] == ["Hi", "Hello."]
