"""Open the database of one outbox; count and schedule its entries.

Opens it when it is first needed, adopts what processes left that are gone, and begins anew where the file is
damaged or was removed. Only the writer uses the database. The counts, the schedule and what was read ahead are
changed under a lock, because the senders change them too. Nobody owns the lock while a disk works. Nothing here
raises at run time but where it says so. `Entries` and `Claims` put, hand out and settle what is in it.
"""

from __future__ import annotations

import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from greenflash_otel import internal_errors
from greenflash_otel.delivery import captured_table, files, schema, state_table
from greenflash_otel.delivery.connection import OutboxConnection
from greenflash_otel.delivery.schedule import Schedule
from greenflash_otel.delivery.schema import transaction
from greenflash_otel.delivery.state_table import StateTable
from greenflash_otel.delivery.stats import Ledger
from greenflash_otel.delivery.watches import Watches
from greenflash_otel.greenflash_api.request import ApiRequest

DAMAGED: Final = "outbox_damaged"
FAILURES: Final = (sqlite3.Error, OSError, ValueError, OverflowError)
"""What SQLite and the file system raise, also for a text or a number that SQLite cannot store."""


@dataclass(slots=True, eq=False)
class ReadAhead:
    """An entry that was read before a sender asked for it. Its queue is claimed."""

    id: int
    queue: str
    request: ApiRequest
    absorbed: list[int] = field(default_factory=list)
    """Ids of the entries behind it whose messages it carries now."""
    unmerged: ApiRequest = field(init=False)
    """What it carried before."""


class OutboxContents:
    """What an outbox contains, whichever file it is in."""

    def __init__(self, connection: OutboxConnection, now_s: Callable[[], float]) -> None:
        self.connection = connection
        self._now_s = now_s
        self._limit_bytes = connection._limit_bytes
        self.is_closed = False
        self.reset()

    def reset(self) -> None:
        """Start empty: in a new process, or before the first opening."""
        self.lock = threading.RLock()  # a signal handler may interrupt its owner
        self._rebuilding = 0
        self.ledger = Ledger()
        self.schedule = Schedule()
        self.state_table = StateTable(self._limit_bytes)
        self.watches = Watches()
        self.acknowledged: dict[str, list[int]] = {}
        """By queue: delivered, but not yet deleted."""
        self.acknowledged_count = 0
        self.acknowledged_s = 0.0
        """When the last of them was."""
        self._restored: set[str] = set()
        """Queues with entries that may come before some that are delivered and not deleted."""
        self.ahead: deque[ReadAhead] = deque()
        self.last_id = 0
        self.unclaimed_after_id = 0
        """Entries above it were never claimed, unless they are the oldest of their queue."""
        self.used_bytes: int | None = None
        """No less than what the rows take up; None if it has to be measured."""
        self.captured = 0
        """Spans that wait on disk for their conversion."""
        self.is_hurried = False
        """Whether the journal may become long, because much came at once."""
        self.has_news = False
        """Whether there is something to send that the senders may not know of."""
        self._released: tuple[Path, int] | None = None
        """The file that was closed for a while, and the id of the last state record in it."""

    def open(self) -> None:
        """Open the database now, and take over what processes left that are gone."""
        self.open_database()

    def adopt(
        self, folder: Path | None = None, destination: str | None = None, *, is_exact: bool = False
    ) -> None:
        """Take over what processes have left that are gone by now; move from memory to disk if possible.

        Args:
            folder: Another folder than ours.
            destination: What the files in it are captured for, if not for the same as ours.
            is_exact: Whether only files that record this destination are taken: the folder does not say it.
        """
        if self.is_closed or self.connection.db is None:
            return
        if self.connection.owned is None and not self.move_to_file():
            return
        with self._rebuild():
            self._adopt(folder, destination, is_exact=is_exact)

    def _adopt(self, folder: Path | None, destination: str | None, *, is_exact: bool) -> None:
        mine, db = self.connection.owned, self.open_database()
        if mine is None:
            return
        where = folder or mine.path.parent
        self.delete_acknowledged()  # it makes room
        try:
            orphans, unread = files.find_orphans(
                mine, where, destination or self.connection.destination, is_exact=is_exact
            )
            if not orphans and not unread:
                return
            before, last_record = schema.count_items(db), state_table.find_last_id(db)
            captured_before = captured_table.count(db)
            for orphan in orphans:
                with internal_errors.guarded("adopt what another process left"):
                    unread += files.merge_from(
                        db, orphan, limit_bytes=self.connection.limit_bytes, after_id=self.last_id
                    )
        except FAILURES as error:
            self.handle_error("look for what other processes left", error)
            return
        self._note_found(before, captured_before, unread, after_record=last_record)

    def move_to_file(self) -> bool:
        """Move from memory to the folder, if it can be used now. Return whether everything is on disk."""
        if self.connection.owned is not None or self.connection.folder is None:
            return self.connection.owned is not None
        with self._rebuild():
            retained = self.ledger.retained
            if not self.connection.move_to_file(self._now_s()):
                return False
            self._begin_schedule()
            self.state_table = StateTable(self._limit_bytes)
            self.ledger.hand_over()
            self._note_found((0, 0), 0, 0)
            self.ledger.lose(retained - self.ledger.retained, DAMAGED)
        return True

    def close(self) -> None:
        """Stop; what is pending stays on disk for the next process. A claimed entry is pending."""
        if self.is_closed:
            return
        with self.lock:
            self.is_closed = True
        self.delete_acknowledged()
        with internal_errors.guarded("close the outbox"):
            self.connection.close()

    def release_idle(self) -> bool:
        """Close the file for a while, because others need the room. Return whether nothing was under way."""
        mine = self.connection.owned
        if self.is_closed or mine is None or self.acknowledged or self.ledger.pending or self.captured:
            return False
        with internal_errors.guarded("read state records"):
            self._released = mine.path, state_table.find_last_id(mine.db)
        self.connection.release()
        return True

    def delete_acknowledged(self) -> None:
        """Delete what is delivered. Where a full disk refuses, it is at least not sent again by us."""
        if not self.acknowledged_count or self.connection.db is None:
            return
        try:
            gone = self.list_acknowledged()
            with transaction(self.connection.db):
                schema.delete_many(self.connection.db, gone)
            self.forget_acknowledged(gone)
        except FAILURES as error:
            self.handle_error("remove what was delivered", error)

    def note_acknowledged(self, queue: str, id: int) -> None:
        """Note that an entry is delivered. The caller owns the lock."""
        self.acknowledged.setdefault(queue, []).append(id)
        self.acknowledged_count += 1
        self.acknowledged_s = self._now_s()

    def list_acknowledged(self) -> list[int]:
        """Return the ids of what is delivered; pass them to `forget_acknowledged` when they are deleted."""
        with self.lock:
            return [id for ids in self.acknowledged.values() for id in ids]

    def forget_acknowledged(self, ids: Collection[int]) -> None:
        """Forget ids that are deleted."""
        gone = set(ids)
        with self.lock:
            left = {queue: [id for id in some if id not in gone] for queue, some in self.acknowledged.items()}
            self.acknowledged = {queue: some for queue, some in left.items() if some}
            self.acknowledged_count = sum(map(len, self.acknowledged.values()))
            self._restored = {queue for queue in self._restored if self.schedule.count(queue)}

    def find_acknowledged(self, queue: str) -> tuple[int, Collection[int]]:
        """Return an id before all that waits in a queue, and what behind it is delivered and not deleted."""
        with self.lock:
            ids = self.acknowledged.get(queue, ())
            return (0, set(ids)) if queue in self._restored else (max(ids, default=0), ())

    def note_restored(self, queue: str, id: int) -> None:
        """Count an entry that is pending again, in its old place."""
        with self.lock:
            self.schedule.add(queue)
            self.unclaimed_after_id = max(self.unclaimed_after_id, id)
            self._restored.add(queue)

    def end_hurry(self) -> None:
        """Let the journal become long no more."""
        if self.is_hurried and self.connection.db is not None:
            self.is_hurried = False
            with internal_errors.guarded("shorten the journal of the outbox"):
                captured_table.end_hurry(self.connection.db)

    def handle_error(self, step: str, error: BaseException) -> None:
        """Count a failure; leave a damaged file for a new one, with what can still be read."""
        internal_errors.count(step, error)
        if not files.is_damage(error) or self.connection.owned is None or self.connection.db is None:
            return
        with self._rebuild():
            retained = self.ledger.retained
            path = self.connection.leave_damaged()
            self.ledger.hand_over()
            self.watches.fail()
            unread = self._open(suspect=path)
            self.ledger.lose(retained - self.ledger.retained - unread, DAMAGED)

    def open_database(self) -> sqlite3.Connection:
        """Return the database; open it if need be."""
        if self.connection.db is None:
            with self._rebuild():
                self._open()
        assert self.connection.db is not None  # noqa: S101 - opening ends with one, memory at worst
        return self.connection.db

    def ensure_usable(self) -> sqlite3.Connection:
        """Return the database; a new one if the file was removed."""
        db = self.open_database()
        if self.connection.owned is None and self.connection.folder is not None and self.move_to_file():
            return self.open_database()
        if not self.connection.was_removed():
            return db
        with self._rebuild():
            return self._leave_removed()

    def _open(self, suspect: Path | None = None) -> int:
        acknowledged = set(self.list_acknowledged()) if suspect else ()
        self.ledger.hand_over()
        unread = self.connection.open(self._now_s(), suspect=suspect, acknowledged=acknowledged)
        self._begin_schedule()
        released, self._released = self._released, None
        last_record = 0
        if released is not None and self.connection.owned and self.connection.owned.path == released[0]:
            last_record = released[1]  # what is up to there, this process has noted or found itself
        else:
            self.state_table = StateTable(self._limit_bytes)
        self._note_found((0, 0), 0, unread, after_record=last_record)
        return unread

    def _leave_removed(self) -> sqlite3.Connection:
        """Begin a new file with everything that our removed file contained."""
        retained = self.ledger.retained
        self.ledger.hand_over()
        removed = self.connection.leave_removed(self._now_s())
        self._begin_schedule()
        self.state_table = StateTable(self._limit_bytes)
        self._note_found((0, 0), 0, 0)
        db, unread = self.open_database(), 0
        if removed is not None:
            with internal_errors.guarded("go on where the file of the outbox was removed"):
                before, captured = schema.count_items(db), captured_table.count(db)
                unread = files.merge_from(db, removed, limit_bytes=self.connection.limit_bytes)
                self._note_found(before, captured, unread)
        self.ledger.lose(retained - self.ledger.retained - unread, DAMAGED)
        return db

    def _note_found(
        self, before: tuple[int, int], captured_before: int, unread: int, *, after_record: int = 0
    ) -> None:
        """Count and schedule what the file contains beyond so many items, which another process left."""
        db = self.open_database()
        with internal_errors.guarded("read state records"):
            self.state_table.find(db, after=after_record)
        for queue, entries in schema.list_queues(db):
            entries -= len(self.acknowledged.get(queue, ()))
            if (more := entries - self.schedule.count(queue)) > 0:
                self.schedule.add(queue, more)
                self.has_news = True
        pending, rejected = schema.count_items(db)
        self.ledger.find(pending=pending - before[0], rejected=rejected - before[1])
        self.ledger.lose(unread, DAMAGED)
        self.captured = captured_table.count(db)
        self.last_id = max(self.last_id, schema.find_last_id(db))
        self.unclaimed_after_id = self.last_id  # who left them may have sent some
        self.used_bytes = None

    def compute_due_s(self) -> float | None:
        """Return when there will be something to claim; None if nothing waits. The caller owns the lock."""
        if self.is_closed:
            return None
        return float("-inf") if self.ahead else self.schedule.compute_due_s()

    def _begin_schedule(self) -> None:
        """Schedule anew what is in another file now."""
        self.acknowledged.clear()
        self.acknowledged_count = 0
        self._restored.clear()
        self.ahead.clear()
        self.schedule = Schedule()

    @property
    def is_rebuilding(self) -> bool:
        """Whether the writer sets up anew what the senders change; they hand it their changes meanwhile."""
        return self._rebuilding > 0

    @contextmanager
    def _rebuild(self) -> Iterator[None]:
        """Keep the senders from the counts and the schedule, without the lock: a disk works in the block."""
        with self.lock:
            self._rebuilding += 1
        try:
            yield
        finally:
            with self.lock:
                self._rebuilding -= 1
