"""Keep, hand out and settle entries: everything the writer does with the database of one outbox.

Only the writer calls it. What the senders do themselves is in `Claims`. Nothing here raises at run time but where
it says so: what cannot be stored is counted under a reason. What others may read at any time, the counts and
when something is due, is published as values after each step.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from greenflash_otel import internal_errors
from greenflash_otel.delivery import captured_table, schema
from greenflash_otel.delivery.claims import REPAIR_S, Claims
from greenflash_otel.delivery.contents import FAILURES, OutboxContents
from greenflash_otel.delivery.schema import GAP, Entry, transaction
from greenflash_otel.delivery.state_table import StateTable
from greenflash_otel.delivery.threads import Ticket
from greenflash_otel.delivery.watches import Watch
from greenflash_otel.delivery.writer import Job
from greenflash_otel.greenflash_api.request import ApiRequest
from greenflash_otel.state_record import StateRecord

MESSAGES_SHARE: Final = 0.9
"""Of the limit; what is left stays free for outcomes and their like, which are small and precious."""
SETTLED_MOST: Final = 64
"""Delivered entries that may wait for the next commit to be deleted."""

_ROW_BYTES: Final = 3 * 4096
"""What a row may take beyond its body: its own half-filled pages and those of the index."""
_RECORD_BYTES: Final = 2 * 4096
"""The same of a state record."""


@dataclass(slots=True)
class PutRequest:
    """Requests to be stored, with the state records that belong to them."""

    requests: Sequence[ApiRequest]
    records: Sequence[StateRecord] = ()
    converted_id: int = 0
    """Up to this id, spans that waited on disk for their conversion are what these requests were made of."""


class PutJob(Job):
    """Requests to be stored; several share a commit."""

    __slots__ = ("waiting", "what")

    def __init__(self, what: PutRequest, waiting: Sequence[Ticket] = ()) -> None:
        super().__init__(lambda entries: entries.put(what))
        self.what = what
        self.waiting = waiting

    def complete(self) -> None:
        """Wake who waits for it, and who waits for what it was made of."""
        for ticket in self.waiting if self.error is None and not self.result else ():
            ticket.complete()
        self.ticket.complete()


class Entries:
    """What is done with the entries of one outbox."""

    def __init__(self, contents: OutboxContents) -> None:
        self.contents = contents
        self.claims = Claims(contents)

    # What comes.

    def put(self, what: PutRequest) -> Sequence[ApiRequest]:
        """Keep requests, in this order; return those that were refused.

        Raises:
            sqlite3.Error, OSError, ValueError: A required record could not be stored, and so nothing was.
        """
        if self.contents.is_closed:
            return self._lose(what.requests, "closed")
        try:
            queues = self._write(what)
        except FAILURES as error:
            self.contents.handle_error("keep a request", error)
            if what.converted_id:  # what they were made of is still on disk
                raise
            self._lose(what.requests, "disk_full" if "disk is full" in str(error) else "outbox_error")
            if any(record.is_required for record in what.records):
                raise
            return what.requests
        self._note_stored(what.requests, queues)
        return self._lose([r for r, q in zip(what.requests, queues, strict=True) if q is None], "outbox_full")

    def put_together(self, several: Sequence[PutRequest]) -> list[Sequence[ApiRequest]] | None:
        """Store what several threads hand over in one commit; None if each has to be tried separately."""
        if self.contents.is_closed:
            return None
        try:
            queues = self._write_all(several)
        except FAILURES:
            self.contents.used_bytes = None
            return None
        refused: list[Sequence[ApiRequest]] = []
        for what, its_queues in zip(several, queues, strict=True):
            self._note_stored(what.requests, its_queues)
            lost = [r for r, q in zip(what.requests, its_queues, strict=True) if q is None]
            refused.append(self._lose(lost, "outbox_full"))
        return refused

    def put_captured(self, bodies: Sequence[bytes]) -> int:
        """Keep spans that are still to be converted; return the id of the last, 0 if they are not on disk."""
        try:
            db, connection = self.contents.ensure_usable(), self.contents.connection
            size = sum(map(len, bodies)) + len(bodies) * 64
            most_bytes = connection.limit_bytes * MESSAGES_SHARE
            if not connection.is_file or schema.measure_used_bytes(db) + size > most_bytes:
                return 0
            self.contents.is_hurried = True
            with captured_table.hurried(db, limit_bytes=connection.limit_bytes), transaction(db):
                captured_table.insert(db, bodies)
            self.contents.used_bytes = None
        except FAILURES as error:
            self.contents.handle_error("keep spans that wait for their conversion", error)
            return 0
        self.contents.captured += len(bodies)
        return captured_table.find_last_id(db)

    def read_captured(self, most: int, most_bytes: int) -> list[tuple[int, bytes | None]]:
        """Return the oldest spans that wait for their conversion."""
        try:
            return captured_table.read_rows(self.contents.open_database(), most=most, most_bytes=most_bytes)
        except FAILURES as error:
            self.contents.handle_error("read spans that wait for their conversion", error)
            return []

    # What goes.

    def claim_next(self, now_s: float) -> Entry | None:
        """Claim the next entry to be sent; None if none is due."""
        if (entry := self.claims.take_ahead()) is None:
            self.claims.read_ahead(now_s)
            entry = self.claims.take_ahead()
        return entry

    def reject(self, entry: Entry, reason: str, now_s: float) -> int | None:
        """Keep an entry with the reason, and send it no more; return its id among the rejected."""
        if not self.claims.is_out(entry):
            return None
        try:
            id = self.claims.move_to_rejected(entry.id, reason, entry.attempt)
        except FAILURES as error:
            self.claims.postpone(entry, now_s + REPAIR_S)
            self.contents.handle_error("reject a request", error)
            return None
        with self.contents.lock:
            self.contents.ledger.reject(entry.request.items)
            self.contents.watches.count_down(entry.id, has_failed=True)
            self.contents.schedule.drop(entry.queue, 1)
            self.contents.schedule.advance(entry.queue)
        return id

    def restore(self, ids: Sequence[int]) -> None:
        """Make rejected entries pending again, in their places."""
        db = self.contents.open_database()
        self.claims.return_ahead()
        for id in ids:
            with internal_errors.guarded("restore a rejected request"):
                with transaction(db):
                    _, _, row = schema.read_rejected_row(db, id)
                    schema.delete_rejected(db, id)
                    queue = schema.queue_of(id, row)
                    schema.insert(db, id, queue, row)
                with self.contents.lock:
                    self.contents.used_bytes = None
                    self.contents.ledger.restore(row[3])
                    self.contents.note_restored(queue, id)
                    self.contents.has_news = True

    def replace(self, entry: Entry, requests: Sequence[ApiRequest], now_s: float) -> None:
        """Put other requests, of as many items in all, into the place of an entry in its conversation."""
        if not self.claims.is_out(entry):
            return
        try:
            db = self.contents.open_database()
            with transaction(db):
                end_id = schema.find_next_id(db, entry.id)
                step = (end_id - entry.id) // len(requests)
                schema.delete_one(db, entry.id)
                for place, request in enumerate(requests):
                    schema.insert(db, entry.id + place * step, entry.queue, schema.row_of(request))
        except FAILURES as error:
            self.claims.postpone(entry, now_s + REPAIR_S)
            self.contents.handle_error("split a request", error)
            return
        with self.contents.lock:
            self.contents.watches.count_split(entry.id, len(requests))
            self.contents.unclaimed_after_id = max(
                self.contents.unclaimed_after_id, end_id - 1
            )  # never merged
            self.contents.schedule.add(entry.queue, len(requests) - 1)
            self.contents.schedule.advance(entry.queue)

    # Flushing.

    def watch(self) -> Watch:
        """Watch the entries that are pending now."""
        with self.contents.lock:
            self.contents.schedule.retry_now()
            self.contents.has_news = True
            left = 0 if self.contents.is_closed else self.contents.schedule.entries
            watch = Watch(self.contents.last_id + GAP, left)
            self.contents.watches.add(watch)
        return watch

    def unwatch(self, watch: Watch) -> None:
        """Stop watching. What is delivered is deleted, so that no later process sends it again."""
        with self.contents.lock:
            self.contents.watches.remove(watch)
        self.contents.delete_acknowledged()

    def put_late(self, what: PutRequest) -> bool:
        """Keep something that comes after the end: the file is opened for it alone. Return whether it is on disk."""
        if not self.contents.is_closed or self.contents.connection.folder is None:
            return False
        self.contents.is_closed = False
        self.contents.ledger.hand_over()
        try:
            return not self.put(what) and self.contents.connection.is_file
        finally:
            self.contents.close()

    def read_state(self, read: Callable[[StateTable, sqlite3.Connection], Sequence[str]]) -> Sequence[str]:
        """Read state records, if there are any."""
        if (
            self.contents.is_closed
            or self.contents.connection.owned is None
            or self.contents.connection.db is None
        ):
            return ()
        try:
            return read(self.contents.state_table, self.contents.connection.db)
        except FAILURES as error:
            self.contents.handle_error("read state records", error)
            return ()

    def _write(self, what: PutRequest) -> list[str | None]:
        """Add entries, and name their queues; None for what the limit has no room for."""
        try:
            return self._write_all([what])[0]
        except FAILURES as error:
            self.contents.used_bytes = None
            if not what.records or any(record.is_required for record in what.records):
                raise
            self.contents.handle_error("keep state records", error)
            return self._write(replace(what, records=()))

    def _write_all(self, several: Sequence[PutRequest]) -> list[list[str | None]]:
        """Add entries of several puts in one commit."""
        db = self.contents.ensure_usable()
        requests = [request for what in several for request in what.requests]
        needs_more = any(what.records or what.converted_id for what in several)
        if not needs_more and len(requests) == 1:  # a statement is a transaction
            return self._part(self._insert(db, requests), several)
        gone = self.contents.list_acknowledged()
        with transaction(db):
            schema.delete_many(db, gone)
            queues = self._part(self._insert(db, requests), several)
            for what, its_queues in zip(several, queues, strict=True):
                self._write_more(db, what, its_queues)
        self.contents.forget_acknowledged(gone)
        for what in several:
            self._note_converted(what, db)
        return queues

    def _part(self, queues: Sequence[str | None], several: Sequence[PutRequest]) -> list[list[str | None]]:
        parts = iter(queues)
        return [[next(parts) for _ in what.requests] for what in several]

    def _write_more(self, db: sqlite3.Connection, what: PutRequest, queues: Sequence[str | None]) -> None:
        """Store what belongs to entries, and remove what they were made of."""
        if what.records and self.contents.connection.is_file and None not in queues:
            self.contents.state_table.write(db, what.records)
            self._use_bytes(sum(len(r.key) + 4 * len(r.value or "") + _RECORD_BYTES for r in what.records))
        if what.converted_id:
            captured_table.delete(db, what.converted_id)

    def _use_bytes(self, more: int) -> None:
        if self.contents.used_bytes is not None:
            self.contents.used_bytes += more

    def _measure_used_bytes(self, db: sqlite3.Connection) -> int:
        self.contents.used_bytes = schema.measure_used_bytes(db)
        return self.contents.used_bytes

    def _insert(self, db: sqlite3.Connection, requests: Sequence[ApiRequest]) -> list[str | None]:
        """Add entries and name their queues; None for one that the limit has no room for."""
        queues: list[str | None] = []
        rows: list[tuple[int, str, schema.Row]] = []
        used_bytes = self.contents.used_bytes
        if used_bytes is None:
            used_bytes = self._measure_used_bytes(db)
        for request in requests:
            share = MESSAGES_SHARE if request.kind == "messages" else 1.0
            most_bytes = self.contents.connection.limit_bytes * share
            size_bytes = len(request.body) + _ROW_BYTES
            if used_bytes + size_bytes > most_bytes:  # it was estimated: rows take less
                schema.insert_many(db, rows)
                rows, used_bytes = [], self._measure_used_bytes(db)
            if used_bytes + size_bytes > most_bytes:
                queues.append(None)
                continue
            used_bytes += size_bytes
            row = schema.row_of(request)
            self.contents.last_id += GAP
            queues.append(schema.queue_of(self.contents.last_id, row))
            rows.append((self.contents.last_id, str(queues[-1]), row))
        schema.insert_many(db, rows)
        self.contents.used_bytes = used_bytes
        return queues

    def _note_converted(self, what: PutRequest, db: sqlite3.Connection) -> None:
        if what.converted_id:
            self.contents.captured = captured_table.count(db)

    def _note_stored(self, requests: Sequence[ApiRequest], queues: Sequence[str | None]) -> None:
        with self.contents.lock:
            for request, queue in zip(requests, queues, strict=True):
                if queue is not None:
                    self.contents.ledger.accept(request.items)
                    self.contents.schedule.add(queue)
                    self.contents.has_news = True

    def _lose(self, requests: Sequence[ApiRequest], reason: str) -> Sequence[ApiRequest]:
        with self.contents.lock:
            for request in requests:
                self.contents.ledger.lose(request.items, reason)
        return requests
