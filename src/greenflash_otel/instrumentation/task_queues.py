"""Have the tasks of Celery, RQ and arq belong to the conversation that enqueued them: the setting ``propagate_tasks``.

The ids travel where the library lets extra data travel: in a header of Celery's message, in ``meta`` of RQ's job, next
to the arguments in arq's serialised job. A worker that does not look for them runs the task all the same.
"""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Final

import wrapt

from greenflash_otel.carrying import CarriedConversation, carry_conversation, continue_conversation
from greenflash_otel.context import Scope
from greenflash_otel.instrumentation.patching import Method, Target
from greenflash_otel.internal_errors import guarded

NAME: Final = "greenflash"
"""Of the header, the entry of ``meta``, and the part of the serialised job."""
FLUSH_S: Final = 5.0

Wrapped = Callable[..., Any]
_is_on = False
_pid = 0
_flush: Callable[[float], object] = bool
_scopes: Final[dict[str, Scope]] = {}
"""The blocks of Celery's running tasks, by their ids."""
_carried: ContextVar[CarriedConversation | None] = ContextVar("greenflash_carried", default=None)
"""What the job has along that is being enqueued by arq."""
_entered: ContextVar[list[Scope] | None] = ContextVar("greenflash_entered", default=None)
"""The block of the job that arq runs."""


def _carry() -> CarriedConversation:
    with guarded("carry a conversation to a task"):
        return carry_conversation() if _is_on else {}
    return {}


# Celery: its own signals.


def _note_published(headers: Any = None, **_: Any) -> None:
    if isinstance(headers, dict) and (carried := _carry()):
        headers[NAME] = carried


def _enter_task(task_id: Any = None, task: Any = None, **_: Any) -> None:
    with guarded("continue the conversation of a task"):
        request = task.request
        carried = getattr(request, NAME, None) or (getattr(request, "headers", None) or {}).get(NAME)
        if (scope := continue_conversation(carried)) is not None:
            _scopes[str(task_id)] = scope
            scope.__enter__()


def _leave_task(task_id: Any = None, **_: Any) -> None:
    if (scope := _scopes.pop(str(task_id), None)) is not None:
        with guarded("leave the conversation of a task"):
            scope.__exit__(None, None, None)


_SIGNALS: Final = (
    ("before_task_publish", _note_published),
    ("task_prerun", _enter_task),
    ("task_postrun", _leave_task),
)


def _connect_celery(signals: Any) -> None:
    with guarded("connect to the signals of Celery"):
        for name, receiver in _SIGNALS if _is_on else ():
            getattr(signals, name).connect(receiver, weak=False, dispatch_uid=f"{NAME} {name}")


# RQ: `meta` of a job.


def _create_job(wrapped: Wrapped, _: object, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    job = wrapped(*args, **kwargs)
    if carried := _carry():
        with guarded("carry a conversation to a job of RQ"):
            job.meta = {NAME: carried, **(job.meta or {})}
    return job


def _perform_job(wrapped: Wrapped, job: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    meta = getattr(job, "meta", None) if _is_on else None
    scope = None
    with guarded("continue the conversation of a task"):
        scope = continue_conversation(meta.get(NAME)) if isinstance(meta, dict) else None
    try:
        if scope is None:
            return wrapped(*args, **kwargs)
        with scope:
            return wrapped(*args, **kwargs)
    finally:
        if _is_on and os.getpid() != _pid:  # the process of a job, which RQ ends without `atexit`
            with guarded("deliver what a job captured"):
                _flush(FLUSH_S)


# arq: a part of the serialised job.


class CarryingSerializer:
    """Writes a job with what it has along."""

    def __init__(self, serializer: Callable[[Any], bytes] | None) -> None:
        self._serialize = serializer or pickle.dumps

    def __call__(self, job: dict[str, Any]) -> bytes:
        """Serialise it."""
        carried = _carried.get()
        return self._serialize({**job, NAME: carried} if carried else job)


class ContinuingDeserializer:
    """Reads a job, and enters the block that it has along, in the task that runs it."""

    def __init__(self, deserializer: Callable[[bytes], Any] | None) -> None:
        self._deserialize = deserializer or pickle.loads

    def __call__(self, written: bytes) -> Any:
        """Deserialise it."""
        job = self._deserialize(written)
        entered = _entered.get()
        if entered is not None and not entered and isinstance(job, dict):
            scope = continue_conversation(job.get(NAME))
            if scope is not None:
                scope.__enter__()
                entered.append(scope)
        return job


async def _enqueue_job(wrapped: Wrapped, redis: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    carried = _carry()
    if carried and not isinstance(redis.job_serializer, CarryingSerializer):
        redis.job_serializer = CarryingSerializer(redis.job_serializer)
    token = _carried.set(carried)
    try:
        return await wrapped(*args, **kwargs)
    finally:
        _carried.reset(token)


async def _run_job(wrapped: Wrapped, worker: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if not _is_on:
        return await wrapped(*args, **kwargs)
    if not isinstance(worker.job_deserializer, ContinuingDeserializer):
        worker.job_deserializer = ContinuingDeserializer(worker.job_deserializer)
    entered: list[Scope] = []
    token = _entered.set(entered)
    try:
        return await wrapped(*args, **kwargs)
    finally:
        _entered.reset(token)
        for scope in entered:
            scope.__exit__(None, None, None)


def _make_target(package: str, module: str, owner: str, **wrappers: Any) -> Target:
    methods = tuple(Method(owner, name, wrapper, frozenset()) for name, wrapper in wrappers.items())
    return Target(package, "conversations of tasks", module, methods)


_TARGETS: Final = (
    _make_target("rq", "rq.job", "Job", create=_create_job, perform=_perform_job),
    _make_target("arq", "arq.connections", "ArqRedis", enqueue_job=_enqueue_job),
    _make_target("arq", "arq.worker", "Worker", run_job=_run_job),
)


def install(flush: Callable[[float], object]) -> None:
    """Have them carry the conversation from now on.

    Args:
        flush: Delivers what was captured within so many seconds.
    """
    global _is_on, _pid, _flush
    _is_on, _pid, _flush = True, os.getpid(), flush
    for target in _TARGETS:
        target.install()
    wrapt.register_post_import_hook(_connect_celery, "celery.signals")  # at once if it is there


def remove() -> None:
    """Leave the libraries as they were."""
    global _is_on
    _is_on = False
    for target in _TARGETS:
        target.remove()
    if (signals := sys.modules.get("celery.signals")) is not None:
        with guarded("leave the signals of Celery"):
            for name, receiver in _SIGNALS:
                getattr(signals, name).disconnect(receiver, dispatch_uid=f"{NAME} {name}")
