"""Store requests until Greenflash has them: the only queue.

When `put` returns, its requests are on disk and survive ``kill -9``. Entries of one conversation leave in order,
one at a time. Every function hands a job to the writer and waits for it; the work itself is in ``entries``.
Nothing here raises at run time. What cannot be stored is counted under a reason. While the folder cannot be used,
the outbox is in memory.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final, TypeVar, cast

from greenflash_otel import internal_errors
from greenflash_otel.delivery import fork_hooks
from greenflash_otel.delivery.answered_ids import AnsweredId
from greenflash_otel.delivery.connection import OutboxConnection
from greenflash_otel.delivery.contents import OutboxContents
from greenflash_otel.delivery.entries import SETTLED_MOST, Entries, PutJob, PutRequest
from greenflash_otel.delivery.schema import Entry
from greenflash_otel.delivery.shared_notes import Latest, Response, SharedNotes
from greenflash_otel.delivery.stats import Stats, stats_of
from greenflash_otel.delivery.threads import Ticket
from greenflash_otel.delivery.watches import Watch
from greenflash_otel.delivery.writer import FOREVER_S, TIDY_S, WRITER, Job
from greenflash_otel.greenflash_api.request import ApiRequest
from greenflash_otel.state_record import StateRecord

MEMORY: Final = ":memory:"
LIMIT_BYTES: Final = 1024 * 1024 * 1024
OPEN_S: Final = 10.0
"""How long the first opening may take before the outbox continues without it."""

T = TypeVar("T")


class Outbox:
    """Entries on disk, in a file of this process, or in memory. Thread-safe, and safe to fork with.

    Args:
        path: A folder, created if need be and shared with other processes; or ``":memory:"``. What
            processes that are gone left in the folder is taken over.
        limit_bytes: Limit for everything that is stored. When it is reached, the newest is refused.
        destination: What everything in it is captured for. Files for another destination are left alone.
        claim_folder: Makes the folder say whose it is before a file is made in it; see `claim_folder`.
        on_change: Called on the writer's thread when there is something new to send.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        limit_bytes: int = LIMIT_BYTES,
        destination: str = "",
        claim_folder: Callable[[Path], None] | None = None,
        on_change: Callable[[], None] | None = None,
    ) -> None:
        folder = None if path == MEMORY else Path(path).absolute()
        self._connection = OutboxConnection(folder, limit_bytes, destination, claim_folder)
        self._contents = OutboxContents(self._connection, time.monotonic)
        self._entries = Entries(self._contents)
        self._notes = SharedNotes(folder or Path())
        self.on_change = on_change
        self.waiting: Sequence[Ticket] = ()
        """What the writer completes with the next `put`, without a detour over the thread that puts."""
        self.reads_ahead = False
        """Whether what is put is read at once for the senders, so that they need not wait for the writer."""
        self._used_s = 0.0
        self._recalls_own = False
        self._pid = os.getpid()
        self._publish()
        fork_hooks.watch(self)
        self._run(lambda entries: entries.contents.open(), OPEN_S)

    # What comes.

    def put(
        self, requests: Iterable[ApiRequest], notes: Sequence[StateRecord] = (), *, converted_id: int = 0
    ) -> Sequence[ApiRequest]:
        """Keep requests, in this order; they are committed when this returns. Return those that were refused.

        Args:
            notes: State records, stored with the requests if all of them are, and if there is a file.
            converted_id: Spans on disk up to this id are done with: they go in the same commit.

        Raises:
            sqlite3.Error, OSError, ValueError: A required record could not be stored, and so nothing was.
        """
        entries, waiting = tuple(requests), self.waiting
        self.waiting = ()
        job = self._submit(PutJob(PutRequest(entries, notes, converted_id), waiting))
        WRITER.wait(job)
        if job.error is not None:
            raise job.error
        return entries if job.result is None else cast("Sequence[ApiRequest]", job.result)

    def put_later(self, requests: Iterable[ApiRequest]) -> Job:
        """Hand requests to the writer; the job's ticket is complete when they are committed."""
        return self._submit(PutJob(PutRequest(tuple(requests))))

    def put_late(self, requests: Iterable[ApiRequest], timeout_s: float) -> bool:
        """Keep something after `close`, in a file that is opened for it. Return whether it is on disk now."""
        return bool(self._run(lambda entries: entries.put_late(PutRequest(tuple(requests))), timeout_s))

    def put_captured(self, bodies: Sequence[bytes], timeout_s: float = FOREVER_S) -> bool:
        """Keep spans that are still to be converted. Return whether they are on disk now."""
        return bool(self._run(lambda entries: entries.put_captured(bodies), timeout_s))

    def put_captured_here(self, bodies: Sequence[bytes]) -> int:
        """Do the same on the writer's thread; return the id of the last span, 0 if they are not on disk."""
        return self._entries.put_captured(bodies)

    def run_later(self, act: Callable[[], None]) -> Ticket:
        """Let the writer's thread do something."""
        return self._submit(Job(lambda entries: act())).ticket

    def read_captured(self, most: int, most_bytes: int) -> list[tuple[int, bytes | None]]:
        """Return the oldest spans that wait for their conversion, with ids; None for a damaged one."""
        return self._run(lambda entries: entries.read_captured(most, most_bytes)) or []

    def note(self, responses: Sequence[Response], latest: Sequence[Latest]) -> None:
        """Note what other processes ask for, soon; without a folder none could read it."""
        if (responses or latest) and self._connection.folder is not None:
            self._submit(Job(lambda entries: self._notes.note(responses, latest)))

    def find_response(self, response_id: str) -> tuple[str, str] | None:
        """Return the conversation and the message of a response that any process noted."""
        if self._connection.folder is None:
            return None
        return self._run(lambda entries: self._notes.find_response(response_id))

    def note_answered_here(self, ids: Sequence[AnsweredId]) -> bool:
        """Note what Greenflash answered, on the writer's thread; False without a folder, which would have the notes."""
        if self._connection.folder is None:
            return False
        self._notes.note_answered(ids)
        return True

    def list_answered(self, conversation_id: str, timeout_s: float) -> list[AnsweredId]:
        """Return what Greenflash answered about a conversation to any process."""
        if self._connection.folder is None:
            return []
        return self._run(lambda entries: self._notes.list_answered(conversation_id), timeout_s) or []

    def find_latest(self, user_id: str) -> tuple[str, int] | None:
        """Return the newest conversation of a user that any process noted, and its time in Unix milliseconds."""
        if self._connection.folder is None:
            return None
        return self._run(lambda entries: self._notes.find_latest(user_id))

    def recall(self, key: str) -> Sequence[str]:
        """Return what was recorded under a key, oldest first; see `expect_recalls`."""
        if not (self._recalls_own or self._contents.state_table.inherits):
            return ()
        return self._read(lambda table, db: table.read(db, key))

    def expect_recalls(self) -> None:
        """Look up what this process recorded, too, from now on; before, that would cost for nothing."""
        self._recalls_own = True

    def recall_inherited(self, prefix: str) -> Sequence[str]:
        """Return what earlier processes recorded under keys that begin so; each record once."""
        if not self._contents.state_table.unread_ranges:
            return ()
        return self._read(lambda table, db: table.read_found(db, prefix))

    # What goes.

    def claim_next(self, now_s: float) -> Entry | None:
        """Claim the next entry to be sent; None if none is due. One of the next four must follow.

        Args:
            now_s: Of the clock that `postpone` was given times of.
        """
        self._begin_in_child()
        if (entry := self._entries.claims.take_ahead()) is not None:
            self._publish()
            return entry
        return self._run(lambda entries: entries.claim_next(now_s))

    def acknowledge(self, entry: Entry, *, sampled_out: bool = False) -> None:
        """Remove an entry: Greenflash has accepted it. Its row is deleted later, with others."""
        waiting = self._contents.acknowledged_count
        self._settle(lambda entries: entries.claims.acknowledge(entry, sampled_out=sampled_out))
        if waiting == 0 or waiting >= SETTLED_MOST:  # the writer is told that there is something to delete
            self._submit(Job(lambda entries: None))

    def postpone(self, entry: Entry, until_s: float) -> None:
        """Send an entry again, not before then; what follows in its conversation waits too."""
        self._settle(lambda entries: entries.claims.postpone(entry, until_s))

    def reject(self, entry: Entry, reason: str, *, now_s: float) -> int | None:
        """Keep an entry with the reason, and send it no more; return its id for `restore`."""
        return self._run(lambda entries: entries.reject(entry, reason, now_s))

    def restore(self, ids: Sequence[int]) -> None:
        """Make rejected entries pending again."""
        self._run(lambda entries: entries.restore(ids))

    def replace(self, entry: Entry, requests: Sequence[ApiRequest], *, now_s: float) -> None:
        """Put other requests, of as many items in all, into the place of an entry in its conversation."""
        self._run(lambda entries: entries.replace(entry, requests, now_s))

    # Looking.

    def compute_due_s(self) -> float | None:
        """Return when there will be something to claim; None if nothing waits."""
        return self._due_s

    def hurry(self) -> None:
        """Make everything due that was postponed."""
        self._settle(lambda entries: entries.contents.schedule.retry_now())

    def watch(self, timeout_s: float = FOREVER_S) -> Watch | None:
        """Make everything due, and watch the entries that are pending now; None if the time is over."""
        return self._run(lambda entries: entries.watch(), timeout_s)

    def unwatch(self, watch: Watch, timeout_s: float = FOREVER_S) -> None:
        """Stop watching, and delete what is delivered."""
        self._run(lambda entries: entries.unwatch(watch), timeout_s)

    @property
    def folder(self) -> Path | None:
        """Where the files are; None for memory."""
        return self._connection.folder

    def is_durable(self) -> bool:
        """Return whether requests are on disk when `put` returns, or the setting asks for memory."""
        return self._connection.is_file or self._connection.folder is None

    def is_file(self) -> bool:
        """Return whether requests are on disk when `put` returns."""
        return self._connection.is_file

    def is_durable_or_retries(self) -> bool:
        """Return whether everything is on disk, as `is_durable`; if not, let the folder be tried again."""
        if self.is_durable():
            return True
        self._submit(Job(lambda entries: entries.contents.move_to_file()))
        return False

    def has_open_file(self) -> bool:
        """Return whether a file is open at this moment."""
        return self._connection.owned is not None

    def make_durable(self, timeout_s: float) -> bool:
        """Try once more to use the folder. Return whether everything is on disk now."""
        return self.is_durable() or bool(
            self._run(lambda entries: entries.contents.move_to_file(), timeout_s)
        )

    @property
    def captured(self) -> int:
        """How many spans wait on disk for their conversion."""
        return self._contents.captured

    def get_stats(self) -> Stats:
        """Return what became of everything that was put here. Waits for nothing."""
        self._begin_in_child()
        return stats_of(self._counts)

    def adopt(self) -> None:
        """Take over what processes have left that are gone by now."""
        self._run(lambda entries: entries.contents.adopt())

    def adopt_from(self, folder: Path, destination: str, timeout_s: float, *, is_exact: bool) -> None:
        """Take over what was left in another folder.

        Args:
            is_exact: Whether only files that record this destination are taken: the folder does not say it.
        """
        self._run(lambda entries: entries.contents.adopt(folder, destination, is_exact=is_exact), timeout_s)

    def close(self, timeout_s: float = FOREVER_S) -> bool:
        """Stop; what is pending stays on disk for the next process. A claimed entry is pending.

        Returns:
            Whether it was closed in time.
        """
        return WRITER.wait(self._submit(Job(lambda entries: entries.contents.close())), timeout_s)

    # On the writer's thread.

    def run_jobs(self, jobs: Sequence[Job]) -> bool:
        """Do jobs in order; puts that follow each other share a commit.

        Returns:
            Whether there is something to tidy up.
        """
        self._used_s = time.monotonic()
        at = 0
        while at < len(jobs):
            puts = at
            while puts < len(jobs) and isinstance(jobs[puts], PutJob):
                puts += 1
            if puts - at > 1 and self._put_together(cast("Sequence[PutJob]", jobs[at:puts])):
                at = puts
                continue
            self._do(jobs[at])
            at += 1
        if self._contents.acknowledged_count >= SETTLED_MOST:
            self._contents.delete_acknowledged()
        if self._contents.has_news and self.on_change is not None:
            self._contents.has_news = False
            if self.reads_ahead:
                self._entries.claims.read_ahead(float("-inf"))  # only what is ready
                self._publish()
            self.on_change()
        return self._contents.acknowledged_count > 0 or self._contents.is_hurried

    def tidy(self) -> bool:
        """Delete what is delivered, and let the journal be short again; False if more will be delivered soon."""
        self._contents.end_hurry()
        if time.monotonic() - self._contents.acknowledged_s < TIDY_S:
            return False
        self._contents.delete_acknowledged()
        return True

    def release_idle(self) -> bool:
        """Close the file for a while, if nothing waits in it. Return whether it is closed."""
        released = self._contents.release_idle()
        self._publish()
        return released

    @property
    def used_s(self) -> float:
        """When it was last used, in monotonic seconds."""
        return self._used_s

    # Forking: the child begins a file of its own when it first needs one.

    def prepare_fork(self) -> None:
        """Do nothing: the writer pauses, see `fork_hooks`."""

    def resume_after_fork(self, *, in_child: bool) -> None:
        """Begin again in the child."""
        if in_child:
            self._begin_in_child()

    def _begin_in_child(self) -> None:
        """Start empty in a forked child; also in one that no hook was called for."""
        if self._pid != os.getpid():
            self._pid = os.getpid()
            self._connection.forget_in_child()
            self._contents.reset()
            self._publish()

    def _submit(self, job: Job) -> Job:
        self._begin_in_child()
        return WRITER.submit(self, job)

    def _put_together(self, jobs: Sequence[PutJob]) -> bool:
        refused = self._entries.put_together([job.what for job in jobs])
        if refused is None:
            return False
        self._publish()
        for job, its_refused in zip(jobs, refused, strict=True):
            job.result = its_refused
            job.complete()
        return True

    def _do(self, job: Job) -> None:
        try:
            job.result = job.act(self._entries)
        except Exception as error:  # noqa: BLE001 - who waits for it gets it
            job.error = error
        self._publish()
        job.complete()

    def _publish(self) -> None:
        with self._contents.lock:
            self._counts = self._contents.ledger.snapshot(self._contents.captured)
            self._due_s = self._contents.compute_due_s()

    def _settle(self, act: Callable[[Entries], None]) -> None:
        """Change what is in memory, here if nobody sets it up anew at this moment."""
        self._begin_in_child()
        with self._contents.lock:
            if not self._contents.is_rebuilding:
                act(self._entries)
                self._publish()
                return
        self._run(act)

    def _run(self, act: Callable[[Entries], T], timeout_s: float = FOREVER_S) -> T | None:
        """Let the writer do something, and wait for it; None if it failed or the time is over."""
        job = self._submit(Job(act))
        WRITER.wait(job, timeout_s)
        if job.error is not None:
            internal_errors.count("use the outbox", job.error)
        return cast("T | None", job.result)

    def _read(self, read: Callable[..., Sequence[str]]) -> Sequence[str]:
        return self._run(lambda entries: entries.read_state(read)) or ()
