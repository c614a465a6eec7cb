"""Keep our own failures out of the application: count them by step, log the first of each kind.

The counts belong to the process, not to one pipeline, because an instrumentation does not know which pipeline
its span would have reached. `guarded` encloses our own code only; the application's call never runs inside it.

If an application has configured no logging, Python shows warnings on stderr. So the first failure of each kind is
seen without any set-up. Ordinary logging settings of ``greenflash_otel`` silence them.
"""

from __future__ import annotations

import functools
import logging
import os
import threading
import traceback
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, ParamSpec

from greenflash_otel.docs_links import PAGES, Page

logger = logging.getLogger("greenflash_otel")

P = ParamSpec("P")

MAX_MESSAGES: Final = 1_000
"""Warnings that are remembered, so that each is logged once."""


@dataclass(slots=True)
class Counts:
    """What went wrong in this process since it began."""

    errors: Counter[str] = field(default_factory=Counter)
    """Our own failures, by step."""
    lost: Counter[str] = field(default_factory=Counter)
    """Captured things that no pipeline ever got, by reason."""
    unlinked: int = 0
    """Outcomes and ratings that found no conversation or message."""
    repaired: int = 0
    """Things whose arguments had to be repaired."""
    unread: int = 0
    """Inputs of which nothing said what of it the user said."""


class _Tally:
    """Counts that threads add to without ever waiting, even in a signal handler or in ``__del__``.

    Adding to a `Counter` is reading and writing, between which another thread may add. So what is to be added
    goes into a queue, and the thread that gets the lock at once adds it up.
    """

    def __init__(self) -> None:
        self.counts = Counts()
        self._new: deque[Callable[[Counts], None]] = deque()
        self._lock = threading.Lock()

    def add(self, change: Callable[[Counts], None]) -> None:
        """Let a change be made to the counts."""
        self._new.append(change)
        self.sum_up()

    def sum_up(self) -> None:
        """Make the changes that wait, unless another thread does so at this moment."""
        while self._new and self._lock.acquire(blocking=False):
            try:
                while self._new:
                    self._new.popleft()(self.counts)
            finally:
                self._lock.release()


_tally = _Tally()
_logged: dict[str, object] = {}
"""Kinds of messages that were logged."""
_defer_log: Callable[[Callable[[], None]], bool] | None = None
"""Takes over a log call that the running thread must not make itself; False if it may."""


def log_through(defer: Callable[[Callable[[], None]], bool]) -> None:
    """Hand log calls to `defer` first.

    A logging handler of the application may call this library and wait for the thread that logs.
    """
    global _defer_log
    _defer_log = defer


def count(step: str, error: BaseException, *, lost: str | None = None) -> None:
    """Count a failure of ours at `step`; log the first of its kind, without content.

    Args:
        lost: Reason under which what was worked on counts as lost; None if nothing was lost.
    """
    _count_error(step)
    if lost is not None:
        count_lost(lost)
    costs = " and lost what it worked on" if lost is not None else ""
    warn_once(
        f"could not {step} ({type(error).__name__}){costs}; further failures are only counted",
        key=f"failure {step}",
        page="internal errors",
    )
    if logger.isEnabledFor(logging.DEBUG):  # where it happened, not the message: that can quote content
        where = "".join(traceback.format_tb(error.__traceback__))
        _log(logging.DEBUG, f"could not {step}:\n{where}")


class guarded:  # reads as a statement: with guarded("do a thing"):
    """Let a step of ours fail without the application noticing: a block, or a whole function as its decorator.

    A decorated function returns nothing. It costs one call more, a block three.

    Args:
        step: What fails, as the end of "could not …".
        lost: Reason under which a failure counts as a loss; None if it costs no data.
    """

    # A class because it is on the caller's path several times per call, and costs a third of a generator.
    __slots__ = ("_lost", "_step")

    def __init__(self, step: str, *, lost: str | None = None) -> None:
        self._step = step
        self._lost = lost

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        if not isinstance(error, Exception):
            return False
        count(self._step, error, lost=self._lost)
        return True

    def __call__(self, function: Callable[P, None]) -> Callable[P, None]:
        step, lost = self._step, self._lost

        @functools.wraps(function)
        def contain(*args: P.args, **kwargs: P.kwargs) -> None:
            try:
                function(*args, **kwargs)
            except Exception as error:  # noqa: BLE001 - it is our failure, and the application must not notice
                count(step, error, lost=lost)

        return contain


def count_lost(reason: str, items: int = 1) -> None:
    """Count captured things that were lost before any pipeline had them."""

    def change(counts: Counts) -> None:
        counts.lost[reason] += items

    _tally.add(change)


def count_unlinked() -> None:
    """Count an outcome or a rating that found no conversation or message."""

    def change(counts: Counts) -> None:
        counts.unlinked += 1

    _tally.add(change)


def count_repaired(items: int = 1) -> None:
    """Count things whose arguments had to be repaired."""

    def change(counts: Counts) -> None:
        counts.repaired += items

    _tally.add(change)


def count_unread() -> None:
    """Count an input that was recorded as JSON, because nothing said what of it the user said."""

    def change(counts: Counts) -> None:
        counts.unread += 1

    _tally.add(change)
    warn_once(
        "could not find in the input of a chain what the user said, and recorded the input as JSON;"
        " pass the user's words as messages or in the field 'input'"
    )


def _count_error(step: str) -> None:
    def change(counts: Counts) -> None:
        counts.errors[step] += 1

    _tally.add(change)


def warn_once(message: str, *, key: str | None = None, page: Page | None = None) -> None:
    """Log a warning the first time it is given in this process.

    Args:
        key: The kind of warning; by default each message is a kind of its own. Put the destination into the
            key where the same kind can happen at several.
        page: What the page is about that the warning links to.
    """
    link = "" if page is None else f" [{PAGES[page]}]"
    _log_once(logging.WARNING, f"{message}{link}", key or message)


def inform_once(message: str, *, key: str | None = None) -> None:
    """Log a line at INFO the first time it is given in this process."""
    _log_once(logging.INFO, message, key or message)


def _log_once(level: int, message: str, key: str) -> None:
    mine = object()
    if len(_logged) < MAX_MESSAGES and _logged.setdefault(key, mine) is mine:  # of two threads, one logs
        _log(level, message)


def _log(level: int, message: str) -> None:
    def emit() -> None:
        try:
            logger.log(level, "%s", message)
        except Exception:  # noqa: BLE001 - a handler of the application's; no other place is left to report it
            _count_error("log a message")

    if _defer_log is None or not _defer_log(emit):
        emit()


def get_internal_errors() -> Mapping[str, int]:
    """Return how often each step failed in this process."""
    return dict(get_counts().errors)


def get_counts() -> Counts:
    """Return the counts of the process at this moment."""
    _tally.sum_up()
    now = _tally.counts
    return Counts(Counter(now.errors), Counter(now.lost), now.unlinked, now.repaired, now.unread)


def reset_for_tests() -> None:
    """Forget everything, so that one test does not see what another did."""
    global _tally
    _tally = _Tally()
    _logged.clear()


def _begin_in_child() -> None:
    """Count anew in a forked child: the parent counts what it inherited, and may have owned the lock."""
    global _tally
    _tally = _Tally()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_in_child)
