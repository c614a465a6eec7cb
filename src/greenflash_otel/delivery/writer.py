"""Run jobs on the one thread of the process that touches the outbox files.

Every other thread hands it jobs. It runs all waiting jobs at once, so that the puts of many threads share one
commit. It owns no lock while the disk works. Jobs for one outbox run in the order they came.

At its end the interpreter starts no thread any more. Then the thread that waits for a job runs the queue itself.
"""

from __future__ import annotations

import _thread
import contextlib
import os
import queue
import time
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

from greenflash_otel import internal_errors
from greenflash_otel.delivery.log_thread import LOG_THREAD
from greenflash_otel.delivery.threads import Ticket, forget_threads, start_thread

TIDY_S: Final = 0.05
"""How long nothing must come before the writer does what can wait."""
FOREVER_S: Final = 1e9
MOST_OPEN: Final = 64
"""So many outboxes keep their files open; a gateway with many products must not run out of descriptors."""
QUIESCE_S: Final = 1.0
"""How long a fork waits for the disk. A child that is forked later is no worse off: it opens nothing."""


class Job:
    """Something to be done by the writer, and what came of it."""

    __slots__ = ("act", "error", "result", "ticket")

    def __init__(self, act: Callable[[Any], Any]) -> None:
        self.act = act
        self.result: Any = None
        self.error: Exception | None = None
        self.ticket = Ticket()

    def complete(self) -> None:
        """Wake who waits for it."""
        self.ticket.complete()


class JobTarget(Protocol):
    """What jobs are done with: the files of one outbox."""

    def run_jobs(self, jobs: Sequence[Job]) -> bool:
        """Do jobs in order and complete their tickets. Return whether there is more to do in an idle moment."""
        ...

    def tidy(self) -> bool:
        """Do what can wait for an idle moment; False if it should wait for another."""
        ...

    def has_open_file(self) -> bool:
        """Return whether a file is open at this moment."""
        ...

    @property
    def used_s(self) -> float:
        """When it was last used, in monotonic seconds."""
        ...

    def release_idle(self) -> bool:
        """Close the file for a while, if nothing waits in it. Return whether it is closed."""
        ...


class Writer:
    """Run jobs on their own thread. One for the process: `WRITER`."""

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._jobs: deque[tuple[JobTarget, Job]] = deque()
        self._wake: queue.SimpleQueue[None] = queue.SimpleQueue()  # its put is reentrant, unlike Queue's
        self._asleep = False
        self._running = False
        self._starting = _thread.allocate_lock()
        self._busy = _thread.allocate_lock()
        """Locked while jobs run: by the thread, or by the one that runs them at the end of the interpreter."""
        self._ident: int | None = None
        self._untidy: dict[int, JobTarget] = {}
        self._targets: weakref.WeakSet[JobTarget] = weakref.WeakSet()

    def submit(self, target: JobTarget, job: Job) -> Job:
        """Hand over a job. Safe anywhere: takes no lock and waits for nothing."""
        if self._pid != os.getpid():  # forked by something that calls no hooks
            self.begin_in_child()
        self._jobs.append((target, job))
        if self._asleep:
            self._asleep = False
            self._wake.put(None)
        if not self._running:
            self._start()
        return job

    def wait(self, job: Job, timeout_s: float = FOREVER_S) -> bool:
        """Wait for a job; False if the time is over. Never waits on the writer's own thread."""
        if self._ident == _thread.get_ident():
            return job.ticket.is_complete
        until_s = time.monotonic() + timeout_s
        with LOG_THREAD.show_lines():
            while not job.ticket.is_complete and not self._running:  # nobody else does it
                if not self._run_here(until_s - time.monotonic()):
                    break
            return job.ticket.wait(until_s - time.monotonic())

    def quiesce(self, timeout_s: float = QUIESCE_S) -> bool:
        """Keep the writer from the files, as far as it lets go of them in time. Return whether it did."""
        return self._ident != _thread.get_ident() and self._busy.acquire(timeout=timeout_s)

    def resume(self) -> None:
        """Let the writer continue after `quiesce` was True."""
        self._busy.release()

    def begin_in_child(self) -> None:
        """Start empty in a forked child: what waits is the parent's. Who waits here waits no longer."""
        waiting = list(self._jobs)
        forget_threads()
        LOG_THREAD.begin()
        self._begin()
        for _, job in waiting:
            with contextlib.suppress(RuntimeError):
                job.ticket.complete()

    def _start(self) -> None:
        if not self._starting.acquire(blocking=False):
            return
        if not self._running:
            self._running = start_thread("writer", self._run)
        self._starting.release()

    def _run(self) -> None:
        self._ident = _thread.get_ident()
        while True:
            self._asleep = True
            if not self._jobs:  # asked with the flag up: who submits now is seen here, or sees the flag
                with contextlib.suppress(queue.Empty):
                    self._wake.get(timeout=TIDY_S if self._untidy else None)
            self._asleep = False
            with contextlib.suppress(queue.Empty):
                while True:
                    self._wake.get_nowait()
            with self._busy:
                self._run_jobs() if self._jobs else self._tidy()

    def _tidy(self) -> None:
        untidy, self._untidy = self._untidy, {}
        for key, target in untidy.items():
            with internal_errors.guarded("tidy up the outbox"):
                if not target.tidy():
                    self._untidy[key] = target
        self._close_idle()

    def _close_idle(self) -> None:
        """Close files if too many are open: those that nothing waits in, the least recently used first."""
        if len(self._targets) <= MOST_OPEN:
            return
        opened = sorted(
            (each for each in self._targets if each.has_open_file()), key=lambda each: each.used_s
        )
        too_many = len(opened) - MOST_OPEN
        for target in opened[:-1]:
            if too_many <= 0:
                break
            with internal_errors.guarded("close an outbox that is not in use"):
                too_many -= target.release_idle()

    def _run_here(self, timeout_s: float) -> bool:
        """Run what waits on this thread, for want of another."""
        if timeout_s <= 0 or not self._busy.acquire(timeout=timeout_s):
            return False
        try:
            self._run_jobs()
        finally:
            self._busy.release()
        return True

    def _run_jobs(self) -> None:
        """Run all jobs that wait, those of one outbox together."""
        jobs: dict[int, tuple[JobTarget, list[Job]]] = {}
        for _ in range(len(self._jobs)):
            target, job = self._jobs.popleft()
            jobs.setdefault(id(target), (target, []))[1].append(job)
        for target, its_jobs in jobs.values():
            self._targets.add(target)
            with internal_errors.guarded("write the outbox"):
                if target.run_jobs(its_jobs):
                    self._untidy[id(target)] = target
            for job in its_jobs:  # what a failure left
                job.ticket.complete()
        self._close_idle()


WRITER: Final = Writer()
"""The writer of this process."""
