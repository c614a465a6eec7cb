"""Keep, hand out and settle entries: everything the writer does with the database of one outbox.

Single-threaded: only the writer calls it. Nothing here raises at run time but where it says so: what cannot be
kept is counted under a reason. What others may read at any time, the counts and when something is due, is
published as values after each step.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from greenflash_otel import internal_errors
from greenflash_otel.delivery import files, schema, state_table
from greenflash_otel.delivery.connection import OutboxConnection
from greenflash_otel.delivery.schedule import Schedule
from greenflash_otel.delivery.schema import GAP, Entry, transaction
from greenflash_otel.delivery.state_table import StateTable
from greenflash_otel.delivery.stats import Ledger
from greenflash_otel.greenflash_api.request import ApiRequest
from greenflash_otel.state_record import StateRecord

MESSAGES_SHARE: Final = 0.9
"""Of the limit; the rest is kept free for outcomes and their like, which are small and precious."""
REPAIR_S: Final = 60.0
"""How long an entry waits whose new state could not be written. Sending it again is harmless."""
DAMAGED: Final = "outbox_damaged"
SETTLED_MOST: Final = 64
"""Delivered entries that may wait for the next commit to be deleted."""

_ROW_BYTES: Final = 3 * 4096
"""What a row may take beyond its body: its own half-filled pages and those of the index."""

FAILURES: Final = (sqlite3.Error, OSError, ValueError, OverflowError)
"""What SQLite and the file system raise, also for a text or a number that SQLite cannot store."""


@dataclass(slots=True)
class Watch:
    """What a flush waits for: that the entries before a mark are accepted."""

    mark: int
    left: int
    """Entries before the mark that are still pending."""
    has_failed: bool = False
    """Whether one of them was rejected or lost."""


@dataclass(slots=True)
class PutRequest:
    """Requests to be kept, with the state records that belong to them."""

    requests: Sequence[ApiRequest]
    records: Sequence[StateRecord] = ()
    converted_id: int = 0
    """Up to this id, spans that waited on disk for their conversion are what these requests were made of."""


class Entries:
    """The entries in one database, and what is counted and scheduled of them."""

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
        self._settled: dict[str, list[int]] = {}  # by queue: delivered, but not yet deleted
        self._last_id = 0
        self.captured = 0
        """Spans that wait on disk for their conversion."""
        self._watches: list[Watch] = []
        self.has_news = False
        """Whether there is something to send that the senders may not know of."""

    # What comes.

    def put(self, what: PutRequest) -> Sequence[ApiRequest]:
        """Keep requests, in this order; return those that were refused.

        Raises:
            sqlite3.Error, OSError, ValueError: A required record could not be kept, and so nothing was.
        """
        if self.is_closed:
            return self._lose(what.requests, "closed")
        try:
            queues = self._write(what)
        except FAILURES as error:
            self.handle_error("keep a request", error)
            if what.converted_id:  # what they were made of is still on disk
                raise
            self._lose(what.requests, "disk_full" if "disk is full" in str(error) else "outbox_error")
            if any(record.is_required for record in what.records):
                raise
            return what.requests
        self._note_kept(what.requests, queues)
        return self._lose([r for r, q in zip(what.requests, queues, strict=True) if q is None], "outbox_full")

    def put_together(self, several: Sequence[PutRequest]) -> list[Sequence[ApiRequest]] | None:
        """Keep what several threads hand over in one commit; None where each has to be tried by itself."""
        if self.is_closed:
            return None
        try:
            db = self._usable()
            with transaction(db):
                self._delete_settled_in(db)
                queues = [self._write_in(db, what) for what in several]
        except FAILURES:
            return None
        self._forget_settled()
        refused: list[Sequence[ApiRequest]] = []
        for what, its_queues in zip(several, queues, strict=True):
            self._note_converted(what, db)
            self._note_kept(what.requests, its_queues)
            lost = [r for r, q in zip(what.requests, its_queues, strict=True) if q is None]
            refused.append(self._lose(lost, "outbox_full"))
        return refused

    def put_captured(self, bodies: Sequence[bytes]) -> int:
        """Keep spans that are still to be converted; return the id of the last, 0 if they are not on disk."""
        try:
            db = self._usable()
            size = sum(map(len, bodies)) + len(bodies) * 64
            if (
                not self.connection.is_file
                or schema.used_bytes(db) + size > self.connection.limit_bytes * MESSAGES_SHARE
            ):
                return 0
            with transaction(db):
                schema.insert_captured(db, bodies)
        except FAILURES as error:
            self.handle_error("keep spans that wait for their conversion", error)
            return 0
        self.captured += len(bodies)
        return schema.last_captured_id(db)

    def read_captured(self, most: int, most_bytes: int) -> list[tuple[int, bytes | None]]:
        """Return the oldest spans that wait for their conversion."""
        try:
            return schema.captured_rows(self._database(), most=most, most_bytes=most_bytes)
        except FAILURES as error:
            self.handle_error("read spans that wait for their conversion", error)
            return []

    # What goes.

    def claim(self, now_s: float) -> Entry | None:
        """Claim the next entry to be sent; None if none is due."""
        while not self.is_closed and (queue := self.schedule.claim(now_s)) is not None:
            try:
                entry = self._oldest(queue)
            except FAILURES as error:
                self.schedule.postpone(queue, now_s + REPAIR_S)
                self.handle_error("read the outbox", error)
                continue
            if entry is not None:
                return entry
        return None

    def settle(self, entry: Entry, *, sampled_out: bool) -> None:
        """Remove an entry that Greenflash accepted; the row goes with one of the next commits."""
        if not self._is_out(entry):
            return
        self.ledger.deliver(entry.request.items, sampled_out=sampled_out)
        self._settled.setdefault(entry.lane, []).append(entry.id)
        self._count_down(entry.id)
        self._advance(entry)

    def postpone(self, entry: Entry, until_s: float) -> None:
        """Send an entry again, not before then; what follows in its conversation waits too."""
        if self._is_out(entry):
            self.schedule.postpone(entry.lane, until_s)

    def reject(self, entry: Entry, reason: str, now_s: float) -> int | None:
        """Keep an entry with the reason, and send it no more; return its id among the rejected."""
        if not self._is_out(entry):
            return None
        try:
            id = self._move_to_rejected(entry.id, reason, entry.attempt)
        except FAILURES as error:
            self.schedule.postpone(entry.lane, now_s + REPAIR_S)
            self.handle_error("reject a request", error)
            return None
        self.ledger.reject(entry.request.items)
        self._count_down(entry.id, has_failed=True)
        self._advance(entry)
        return id

    def restore(self, ids: Sequence[int]) -> None:
        """Make rejected entries pending again, in their places."""
        db = self._database()
        for id in ids:
            with internal_errors.guarded("restore a rejected request"):
                with transaction(db):
                    _, _, row = schema.rejected_row(db, id)
                    schema.delete_rejected(db, id)
                    queue = schema.lane_of(id, row)
                    schema.insert(db, id, queue, row)
                self.ledger.restore(row[3])
                self.schedule.add(queue)
                self.has_news = True

    def replace(self, entry: Entry, requests: Sequence[ApiRequest], now_s: float) -> None:
        """Put other requests, of as many items in all, into the place of an entry in its conversation."""
        if not self._is_out(entry):
            return
        try:
            db = self._database()
            with transaction(db):
                step = (schema.next_id(db, entry.id) - entry.id) // len(requests)
                schema.delete(db, entry.id)
                for place, request in enumerate(requests):
                    schema.insert(db, entry.id + place * step, entry.lane, schema.row_of(request))
        except FAILURES as error:
            self.schedule.postpone(entry.lane, now_s + REPAIR_S)
            self.handle_error("split a request", error)
            return
        for watch in self._watches:
            if entry.id < watch.mark:
                watch.left += len(requests) - 1
        self._advance(entry)

    # Flushing.

    def watch(self) -> Watch:
        """Watch the entries that are pending now."""
        self.schedule.retry_now()
        self.has_news = True
        mark = self._last_id + GAP
        left = 0
        with internal_errors.guarded("read the outbox"):
            if self.ledger.pending and not self.is_closed:
                earlier = schema.before(self._database(), mark)
                left = sum(id not in self._settled.get(lane, ()) for id, lane in earlier)
        watch = Watch(mark, left)
        self._watches.append(watch)
        return watch

    def unwatch(self, watch: Watch) -> None:
        """Stop watching. What is delivered is deleted, so that nobody sends it again who comes after this process."""
        if watch in self._watches:
            self._watches.remove(watch)
        self.delete_settled()

    # The files.

    def open(self) -> None:
        """Open the database now, and take over what processes left that are gone."""
        self._database()

    def adopt(self, folder: Path | None = None, destination: str | None = None) -> None:
        """Take over what processes have left that are gone by now; move from memory to disk if possible.

        Args:
            folder: Another folder than ours.
            destination: What the files in it are captured for, if not for the same as ours.
        """
        if self.is_closed or self.connection.db is None:
            return
        if self.connection.owned is None and not self.move_to_file():
            return
        mine, db = self.connection.owned, self._database()
        if mine is None:
            return
        where = folder or mine.path.parent
        self.delete_settled()  # it makes room
        try:
            orphans, unread = files.find_orphans(mine, where, destination or self.connection.destination)
            if not orphans and not unread:
                return
            before, last_record = schema.items(db), state_table.last_id(db)
            captured_before = schema.count_captured(db)
            for orphan in orphans:
                with internal_errors.guarded("adopt what another process left"):
                    unread += files.merge_from(
                        db, orphan, limit_bytes=self.connection.limit_bytes, after_id=self._last_id
                    )
        except FAILURES as error:
            self.handle_error("look for what other processes left", error)
            return
        self._note_found(before, captured_before, unread, after_record=last_record)

    def move_to_file(self) -> bool:
        """Move from memory to the folder, if it can be used now; whether everything is on disk."""
        if self.connection.owned is not None or self.connection.folder is None:
            return self.connection.owned is not None
        kept = self.ledger.kept
        if not self.connection.move_to_file(self._now_s()):
            return False
        self._settled.clear()
        self.schedule = Schedule()
        self.state_table = StateTable(self._limit_bytes)
        self.ledger.hand_over()
        self._note_found((0, 0), 0, 0)
        self.ledger.lose(kept - self.ledger.kept, DAMAGED)
        return True

    def close(self) -> None:
        """Stop; what is pending stays on disk for the next process. A claimed entry is pending."""
        if self.is_closed:
            return
        self.is_closed = True
        self.delete_settled()
        with internal_errors.guarded("close the outbox"):
            self.connection.close()

    def put_late(self, what: PutRequest) -> bool:
        """Keep something that comes after the end: the file is opened for it alone; whether it is on disk."""
        if not self.is_closed or self.connection.folder is None:
            return False
        self.is_closed = False
        self.ledger.hand_over()
        try:
            return not self.put(what) and self.connection.is_file
        finally:
            self.close()

    def release_idle(self) -> bool:
        """Close the file for a while, because others need the room; whether nothing was under way."""
        if (
            self.is_closed
            or self.connection.owned is None
            or self._settled
            or self.ledger.pending
            or self.captured
        ):
            return False
        self.ledger.hand_over()
        self.connection.close()
        return True

    def delete_settled(self) -> None:
        """Delete what is delivered. Where a full disk refuses, it is at least not sent again by us."""
        if not self._settled or self.connection.db is None:
            return
        try:
            with transaction(self.connection.db):
                self._delete_settled_in(self.connection.db)
            self._forget_settled()
        except FAILURES as error:
            self.handle_error("remove what was delivered", error)

    def handle_error(self, step: str, error: BaseException) -> None:
        """Count a failure; leave a damaged file for a new one, with what can still be read."""
        internal_errors.count(step, error)
        if not files.is_damage(error) or self.connection.owned is None or self.connection.db is None:
            return
        kept = self.ledger.kept
        path = self.connection.leave_damaged()
        self.ledger.hand_over()
        self._fail_watches()
        unread = self._open(suspect=path)
        self.ledger.lose(kept - self.ledger.kept - unread, DAMAGED)

    # Rows.

    def read_state(self, read: Callable[[StateTable, sqlite3.Connection], Sequence[str]]) -> Sequence[str]:
        """Read state records, if there are any."""
        if self.is_closed or self.connection.owned is None or self.connection.db is None:
            return ()
        try:
            return read(self.state_table, self.connection.db)
        except FAILURES as error:
            self.handle_error("read state records", error)
            return ()

    def _database(self) -> sqlite3.Connection:
        if self.connection.db is None:
            self._open()
        assert self.connection.db is not None  # noqa: S101 - opening ends with one, memory at worst
        return self.connection.db

    def _usable(self) -> sqlite3.Connection:
        """Return the database; a new one where somebody removed the file."""
        db = self._database()
        if self.connection.owned is None and self.connection.folder is not None and self.move_to_file():
            return self._database()
        return self._leave_removed() if self.connection.was_removed() else db

    def _open(self, suspect: Path | None = None) -> int:
        settled = {id for ids in self._settled.values() for id in ids} if suspect else ()
        unread = self.connection.open(self._now_s(), suspect=suspect, settled=settled)
        self._settled.clear()
        self.schedule = Schedule()
        self.state_table = StateTable(self._limit_bytes)
        self._note_found((0, 0), 0, unread)
        return unread

    def _leave_removed(self) -> sqlite3.Connection:
        """Begin a new file, with everything that ours held, which somebody removed."""
        kept = self.ledger.kept
        self.ledger.hand_over()
        removed = self.connection.leave_removed(self._now_s())
        self._settled.clear()
        self.schedule = Schedule()
        self.state_table = StateTable(self._limit_bytes)
        self._note_found((0, 0), 0, 0)
        db, unread = self._database(), 0
        if removed is not None:
            with internal_errors.guarded("go on where the file of the outbox was removed"):
                before, captured = schema.items(db), schema.count_captured(db)
                unread = files.merge_from(db, removed, limit_bytes=self.connection.limit_bytes)
                self._note_found(before, captured, unread)
        self.ledger.lose(kept - self.ledger.kept - unread, DAMAGED)
        return db

    def _note_found(
        self, before: tuple[int, int], captured_before: int, unread: int, *, after_record: int = 0
    ) -> None:
        """Count and schedule what the file holds beyond so many items, which another process left."""
        db = self._database()
        with internal_errors.guarded("read state records"):
            self.state_table.find(db, after=after_record)
        for queue in schema.lanes(db):
            self.schedule.add(queue)
            self.has_news = True
        pending, rejected = schema.items(db)
        self.ledger.find(pending=pending - before[0], rejected=rejected - before[1])
        self.ledger.lose(unread, DAMAGED)
        self.captured = schema.count_captured(db)
        self._last_id = max(self._last_id, schema.last_id(db))

    def _write(self, what: PutRequest) -> list[str | None]:
        """Add entries, and name their queues; None for what the limit has no room for."""
        db = self._usable()
        try:
            with transaction(db):
                self._delete_settled_in(db)
                queues = self._write_in(db, what)
            self._forget_settled()
            self._note_converted(what, db)
            return queues
        except FAILURES as error:
            if not what.records or any(record.is_required for record in what.records):
                raise
            self.handle_error("keep state records", error)
            return self._write(replace(what, records=()))

    def _write_in(self, db: sqlite3.Connection, what: PutRequest) -> list[str | None]:
        queues = [self._insert(db, request) for request in what.requests]
        if what.records and self.connection.is_file and None not in queues:
            self.state_table.write(db, what.records)
        if what.converted_id:
            schema.delete_captured(db, what.converted_id)
        return queues

    def _insert(self, db: sqlite3.Connection, request: ApiRequest) -> str | None:
        """Add an entry and name its queue; None if the limit is reached."""
        share = MESSAGES_SHARE if request.kind == "messages" else 1.0
        if schema.used_bytes(db) + len(request.body) + _ROW_BYTES > self.connection.limit_bytes * share:
            return None
        row = schema.row_of(request)
        self._last_id += GAP
        queue = schema.lane_of(self._last_id, row)
        schema.insert(db, self._last_id, queue, row)
        return queue

    def _note_converted(self, what: PutRequest, db: sqlite3.Connection) -> None:
        if what.converted_id:
            self.captured = schema.count_captured(db)

    def _note_kept(self, requests: Sequence[ApiRequest], queues: Sequence[str | None]) -> None:
        for request, queue in zip(requests, queues, strict=True):
            if queue is not None:
                self.ledger.accept(request.items)
                self.schedule.add(queue)
                self.has_news = True

    def _oldest(self, queue: str) -> Entry | None:
        """Return the entry of a queue that comes next; None, and the queue is removed, if there is none."""
        db = self._database()
        while (found := schema.oldest(db, queue, settled=self._settled.get(queue, ()))) is not None:
            id, row = found
            request = schema.request_of(row)
            if request is not None:
                return Entry(
                    id, queue, self.schedule.begin_attempt(queue), request, self.connection.generation
                )
            self._move_to_rejected(id, "corrupt", attempts=0)
            self.ledger.reject(row[3])
            self._count_down(id, has_failed=True)
        self.schedule.remove(queue)
        return None

    def _advance(self, entry: Entry) -> None:
        """Give what follows in the queue its turn, or remove the queue."""
        queue = entry.lane
        try:
            more = schema.oldest_id(self._database(), queue, settled=self._settled.get(queue, ())) is not None
        except FAILURES as error:
            self.schedule.advance(queue)
            self.handle_error("read the outbox", error)
            return
        if more:
            self.schedule.advance(queue)
        else:
            self.schedule.remove(queue)

    def _move_to_rejected(self, id: int, reason: str, attempts: int) -> int | None:
        db = self._database()
        if (row := schema.entry_row(db, id)) is None:
            return None
        with transaction(db):
            schema.delete(db, id)  # first: in a full file, this makes the room
            schema.insert_rejected(db, schema.storable(reason), attempts, row, id=id)
            return id

    def _delete_settled_in(self, db: sqlite3.Connection) -> None:
        for ids in self._settled.values():
            for id in ids:
                schema.delete(db, id)

    def _forget_settled(self) -> None:
        self._settled.clear()

    def _is_out(self, entry: Entry) -> bool:
        """Whether an entry is of the file that is open; rows of another went to another process."""
        return not self.is_closed and entry.generation == self.connection.generation

    def _count_down(self, id: int, *, has_failed: bool = False) -> None:
        for watch in self._watches:
            if id < watch.mark:
                watch.left -= 1
                watch.has_failed = watch.has_failed or has_failed

    def _fail_watches(self) -> None:
        for watch in self._watches:
            watch.left, watch.has_failed = 0, True

    def _lose(self, requests: Sequence[ApiRequest], reason: str) -> Sequence[ApiRequest]:
        for request in requests:
            self.ledger.lose(request.items, reason)
        return requests

    @property
    def settled_count(self) -> int:
        """How many delivered entries wait to be deleted."""
        return sum(map(len, self._settled.values()))
