"""Open the database of one outbox; count and schedule its entries.

Opens it when it is first needed, adopts what processes left that are gone, and begins anew where the file is
damaged or was removed. Single-threaded: only the writer calls it. Nothing here raises at run time but where
it says so. `Entries` puts, hands out and settles what is in it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
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

DAMAGED: Final = "outbox_damaged"
FAILURES: Final = (sqlite3.Error, OSError, ValueError, OverflowError)
"""What SQLite and the file system raise, also for a text or a number that SQLite cannot store."""


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
        self.ledger = Ledger()
        self.schedule = Schedule()
        self.state_table = StateTable(self._limit_bytes)
        self.watches = Watches()
        self.acknowledged: dict[str, list[int]] = {}
        """By queue: delivered, but not yet deleted."""
        self.last_id = 0
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
        """Move from memory to the folder, if it can be used now; whether everything is on disk."""
        if self.connection.owned is not None or self.connection.folder is None:
            return self.connection.owned is not None
        retained = self.ledger.retained
        if not self.connection.move_to_file(self._now_s()):
            return False
        self.acknowledged.clear()
        self.schedule = Schedule()
        self.state_table = StateTable(self._limit_bytes)
        self.ledger.hand_over()
        self._note_found((0, 0), 0, 0)
        self.ledger.lose(retained - self.ledger.retained, DAMAGED)
        return True

    def close(self) -> None:
        """Stop; what is pending stays on disk for the next process. A claimed entry is pending."""
        if self.is_closed:
            return
        self.is_closed = True
        self.delete_acknowledged()
        with internal_errors.guarded("close the outbox"):
            self.connection.close()

    def release_idle(self) -> bool:
        """Close the file for a while, because others need the room; whether nothing was under way."""
        mine = self.connection.owned
        if self.is_closed or mine is None or self.acknowledged or self.ledger.pending or self.captured:
            return False
        with internal_errors.guarded("read state records"):
            self._released = mine.path, state_table.find_last_id(mine.db)
        self.connection.release()
        return True

    def delete_acknowledged(self) -> None:
        """Delete what is delivered. Where a full disk refuses, it is at least not sent again by us."""
        if not self.acknowledged or self.connection.db is None:
            return
        try:
            with transaction(self.connection.db):
                self.delete_acknowledged_within(self.connection.db)
            self.acknowledged.clear()
        except FAILURES as error:
            self.handle_error("remove what was delivered", error)

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
        retained = self.ledger.retained
        path = self.connection.leave_damaged()
        self.ledger.hand_over()
        self.watches.fail()
        unread = self._open(suspect=path)
        self.ledger.lose(retained - self.ledger.retained - unread, DAMAGED)

    def open_database(self) -> sqlite3.Connection:
        """Return the database; open it if need be."""
        if self.connection.db is None:
            self._open()
        assert self.connection.db is not None  # noqa: S101 - opening ends with one, memory at worst
        return self.connection.db

    def ensure_usable(self) -> sqlite3.Connection:
        """Return the database; a new one if the file was removed."""
        db = self.open_database()
        if self.connection.owned is None and self.connection.folder is not None and self.move_to_file():
            return self.open_database()
        return self._leave_removed() if self.connection.was_removed() else db

    def _open(self, suspect: Path | None = None) -> int:
        acknowledged = {id for ids in self.acknowledged.values() for id in ids} if suspect else ()
        self.ledger.hand_over()
        unread = self.connection.open(self._now_s(), suspect=suspect, acknowledged=acknowledged)
        self.acknowledged.clear()
        self.schedule = Schedule()
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
        self.acknowledged.clear()
        self.schedule = Schedule()
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
        for queue in schema.list_queues(db):
            self.schedule.add(queue)
            self.has_news = True
        pending, rejected = schema.count_items(db)
        self.ledger.find(pending=pending - before[0], rejected=rejected - before[1])
        self.ledger.lose(unread, DAMAGED)
        self.captured = captured_table.count(db)
        self.last_id = max(self.last_id, schema.find_last_id(db))

    def delete_acknowledged_within(self, db: sqlite3.Connection) -> None:
        """Delete what is delivered, in a transaction that runs. Clear `acknowledged` when it is committed."""
        schema.delete_many(db, [id for ids in self.acknowledged.values() for id in ids])

    @property
    def acknowledged_count(self) -> int:
        """How many delivered entries wait to be deleted."""
        return sum(map(len, self.acknowledged.values()))
