"""Prepare the process for a fork, and begin again on both sides after it.

Before a fork the writer lets go of SQLite, whose own locks would stay locked in the child. A fork waits for
that for a second at most: a disk can take longer. A process that forks in C (uWSGI) calls the hooks of the
child only, so those do without the others. A signal handler may fork while the thread it interrupts forks.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import weakref
from collections.abc import Callable
from typing import Protocol

from greenflash_otel import internal_errors
from greenflash_otel.delivery.writer import QUIESCE_S, WRITER


class Forks(Protocol):
    """What has to get ready for a fork."""

    def prepare_fork(self) -> None:
        """Get ready."""

    def resume_after_fork(self, *, in_child: bool) -> None:
        """Go on. In the child no other thread is left, and every lock may be owned by one that is gone."""


_watching: weakref.WeakSet[Forks] = weakref.WeakSet()
_one_at_a_time = threading.RLock()
_quiesced: list[bool] = []
"""For each fork that is under way on this thread, whether it keeps the writer from the files."""


def watch(what: Forks) -> None:
    """Inform ``what`` of forks for as long as it lives."""
    _watching.add(what)


def at_end_of_children(finish: Callable[[], object]) -> None:
    """Call ``finish`` at the end of processes that multiprocessing forks: they pass over `atexit`."""
    _finishing.add(finish)
    process = sys.modules.get("multiprocessing.process")
    if process is not None and process.parent_process() is not None:  # we are in one
        _finish_here(finish)


def _finish_here(finish: Callable[[], object]) -> None:
    sys.modules["multiprocessing.util"].Finalize(None, finish, exitpriority=0)


def _arrange_end() -> None:
    """Arrange the end again in a child that multiprocessing may have forked: it forgets what was arranged."""
    if (util := sys.modules.get("multiprocessing.util")) is not None:
        for finish in _finishing:
            util.register_after_fork(finish, _finish_here)


_finishing: set[Callable[[], object]] = set()


def _prepare_fork() -> None:
    _one_at_a_time.acquire(timeout=QUIESCE_S)
    nested = any(_quiesced)
    _quiesced.append(not nested and WRITER.quiesce())
    for each in list(_watching):
        with internal_errors.guarded("get ready for a fork"):
            each.prepare_fork()


def _resume_in_parent() -> None:
    for each in list(_watching):
        with internal_errors.guarded("go on after a fork"):
            each.resume_after_fork(in_child=False)
    if _quiesced and _quiesced.pop():
        WRITER.resume()
    with contextlib.suppress(RuntimeError):  # another thread had it for longer than we wait
        _one_at_a_time.release()


def _resume_in_child() -> None:
    global _one_at_a_time
    _one_at_a_time = threading.RLock()
    _quiesced.clear()
    for each in list(_watching):
        with internal_errors.guarded("go on in a forked child"):
            each.resume_after_fork(in_child=True)
    WRITER.begin_in_child()
    with internal_errors.guarded("go on in a forked child"):
        _arrange_end()


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(
        before=_prepare_fork, after_in_parent=_resume_in_parent, after_in_child=_resume_in_child
    )
