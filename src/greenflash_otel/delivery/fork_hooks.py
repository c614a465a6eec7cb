"""Tells those who ask of a fork: before it, and on both sides after it.

A process that forks in C (uWSGI) calls the hooks of the child only, so those must do without the others.
"""

from __future__ import annotations

import os
import sys
import threading
import weakref
from collections.abc import Callable
from typing import Protocol

from greenflash_otel import internal_errors


class Forks(Protocol):
    """What has to get ready for a fork."""

    def before_fork(self) -> None:
        """Come to rest; what is held now stays held across the fork."""

    def after_fork(self, *, in_child: bool) -> None:
        """Go on. In the child no other thread is left, and every lock may be held by one that is gone."""


_watching: weakref.WeakSet[Forks] = weakref.WeakSet()
_resting: list[Forks] = []
_one_at_a_time = threading.Lock()


def watch(what: Forks) -> None:
    """Tell ``what`` of forks for as long as it lives."""
    _watching.add(what)


def at_end_of_children(finish: Callable[[], object]) -> None:
    """Have ``finish`` called at the end of processes that multiprocessing forks: they pass over `atexit`."""
    _finishing.add(finish)
    process = sys.modules.get("multiprocessing.process")
    if process is not None and process.parent_process() is not None:  # we are in one
        _finish_here(finish)


def _finish_here(finish: Callable[[], object]) -> None:
    sys.modules["multiprocessing.util"].Finalize(None, finish, exitpriority=0)


def _arrange_end() -> None:
    """In a child that multiprocessing may have forked: it forgets now what was arranged, and asks then."""
    if (util := sys.modules.get("multiprocessing.util")) is not None:
        for finish in _finishing:
            util.register_after_fork(finish, _finish_here)


_finishing: set[Callable[[], object]] = set()


def _before() -> None:
    _one_at_a_time.acquire()
    for each in list(_watching):
        with internal_errors.guarded("get ready for a fork"):
            _resting.append(each)  # first: after_fork undoes what before_fork had begun
            each.before_fork()


def _after_in_parent() -> None:
    while _resting:
        with internal_errors.guarded("go on after a fork"):
            _resting.pop().after_fork(in_child=False)
    _one_at_a_time.release()


def _after_in_child() -> None:
    global _one_at_a_time
    _one_at_a_time = threading.Lock()
    _resting.clear()
    for each in list(_watching):
        with internal_errors.guarded("go on in a forked child"):
            each.after_fork(in_child=True)
    with internal_errors.guarded("go on in a forked child"):
        _arrange_end()


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(before=_before, after_in_parent=_after_in_parent, after_in_child=_after_in_child)
