"""Hand out entries and settle them: what the senders ask for, without waiting for a disk.

The writer reads entries ahead, so that a sender mostly finds the next one in memory. A sender settles in memory
what was accepted, and the writer deletes the rows of many at a time. Both change what is in memory under the
lock of the contents, which nobody owns while a disk works.

Where updates of one conversation wait behind each other, the writer makes one entry of them. It does so only
with entries that were never claimed, and on disk before the first attempt. So all attempts have the same bytes.
"""

from __future__ import annotations

from contextlib import closing
from typing import Final

from greenflash_otel.delivery import schema
from greenflash_otel.delivery.contents import FAILURES, OutboxContents, ReadAhead
from greenflash_otel.delivery.schema import Entry, transaction
from greenflash_otel.greenflash_api.merging import Merger

REPAIR_S: Final = 60.0
"""How long an entry waits whose new state could not be written. Sending it again is harmless."""
AHEAD: Final = 32
"""How many entries are read ahead."""
AHEAD_BYTES: Final = 1024 * 1024


class Claims:
    """Which entries are claimed, and what becomes of them."""

    def __init__(self, contents: OutboxContents) -> None:
        self.contents = contents

    # On any thread.

    def take_ahead(self) -> Entry | None:
        """Claim an entry that was read ahead; None if there is none."""
        contents = self.contents
        with contents.lock:
            if contents.is_closed or contents.is_rebuilding or not contents.ahead:
                return None
            entry = contents.ahead.popleft()
            attempt = contents.schedule.begin_attempt(entry.queue)
            return Entry(entry.id, entry.queue, attempt, entry.request, contents.connection.generation)

    def acknowledge(self, entry: Entry, *, sampled_out: bool) -> None:
        """Remove an entry that Greenflash accepted; the row goes with one of the next commits."""
        contents = self.contents
        with contents.lock:
            if self.is_out(entry):
                contents.ledger.deliver(entry.request.items, sampled_out=sampled_out)
                contents.note_acknowledged(entry.queue, entry.id)
                contents.watches.count_down(entry.id)
                contents.schedule.drop(entry.queue, 1)
                contents.schedule.advance(entry.queue)

    def postpone(self, entry: Entry, until_s: float) -> None:
        """Send an entry again, not before then; what follows in its conversation waits too."""
        with self.contents.lock:
            if self.is_out(entry):
                self.contents.schedule.postpone(entry.queue, until_s)

    def is_out(self, entry: Entry) -> bool:
        """Return whether an entry is of the file that is open; rows of another went to another process."""
        return not self.contents.is_closed and entry.generation == self.contents.connection.generation

    # On the writer's thread.

    def read_ahead(self, now_s: float) -> None:
        """Claim what is due, and read it."""
        contents, entries = self.contents, list[ReadAhead]()
        with contents.lock:
            size_bytes = sum(len(entry.request.body) for entry in contents.ahead)
        while len(contents.ahead) + len(entries) < AHEAD and size_bytes < AHEAD_BYTES:
            with contents.lock:
                queue = None if contents.is_closed else contents.schedule.claim_next(now_s)
            if queue is None:
                break
            generation = contents.connection.generation
            try:
                entry = self._read_oldest(queue)
            except FAILURES as error:
                with contents.lock:
                    contents.schedule.postpone(queue, now_s + REPAIR_S)
                contents.handle_error("read the outbox", error)
                if generation != contents.connection.generation:  # what was found is in no file any more
                    entries.clear()
                continue
            if entry is not None:
                entries.append(entry)
                size_bytes += len(entry.request.body)
        if self._store_merged(entries):
            with contents.lock:
                contents.ahead.extend(entries)

    def return_ahead(self) -> None:
        """Claim no more what was only read ahead, because something may come before it."""
        with self.contents.lock:
            self.contents.schedule.return_claims([entry.queue for entry in self.contents.ahead])
            self.contents.ahead.clear()

    def move_to_rejected(self, id: int, reason: str, attempts: int) -> int | None:
        """Keep an entry with the reason; return its id among the rejected."""
        db = self.contents.open_database()
        if (row := schema.read_entry_row(db, id)) is None:
            return None
        with transaction(db):
            schema.delete_one(db, id)  # first: in a full file, this makes the room
            schema.insert_rejected(db, schema.make_storable(reason), attempts, row, id=id)
            return id

    def _read_oldest(self, queue: str) -> ReadAhead | None:
        """Return the entry of a queue that comes next; None, and the queue is removed, if there is none."""
        contents = self.contents
        db, after_id, acknowledged = contents.open_database(), *contents.find_acknowledged(queue)
        with closing(schema.read_queue(db, queue, after_id=after_id)) as rows:
            for id, row in rows:
                if id in acknowledged:
                    continue
                if (request := schema.request_of(row)) is not None:
                    entry = ReadAhead(id, queue, request)
                    if self._may_merge(entry):
                        self._merge_following(entry, rows)
                    return entry
                break
            else:
                with contents.lock:
                    contents.schedule.remove(queue)
                return None
        self.move_to_rejected(id, "corrupt", attempts=0)
        with contents.lock:
            contents.ledger.reject(row[3])
            contents.watches.count_down(id, has_failed=True)
            contents.schedule.drop(queue, 1)
        return self._read_oldest(queue)

    def _may_merge(self, entry: ReadAhead) -> bool:
        """Return whether there is anything behind an entry, and neither was ever claimed."""
        schedule = self.contents.schedule
        is_first = not schedule.was_attempted(entry.queue) and entry.id > self.contents.unclaimed_after_id
        return is_first and schedule.count(entry.queue) > 1

    def _merge_following(self, entry: ReadAhead, rows: schema.Rows) -> None:
        """Let an entry carry what those behind it carry, as far as they continue it."""
        merger = Merger(entry.request)
        while merger.can_grow and (following := next(rows, None)) is not None:
            request = schema.request_of(following[1])
            if request is None or not merger.add(request):
                break
            entry.absorbed.append(following[0])
        entry.unmerged = entry.request
        entry.request = merger.merge() if entry.absorbed else entry.request

    def _store_merged(self, entries: list[ReadAhead]) -> bool:
        """Write down what carries more now, before it is sent; False if nothing of what was found is there any more."""
        merged = [entry for entry in entries if entry.absorbed]
        if not merged:
            return True
        contents, generation = self.contents, self.contents.connection.generation
        try:
            db, gone = contents.open_database(), contents.list_acknowledged()
            with transaction(db):
                schema.delete_many(db, [*gone, *(id for entry in merged for id in entry.absorbed)])
                for entry in merged:
                    schema.update(db, entry.id, schema.row_of(entry.request))
        except FAILURES as error:
            for entry in merged:
                entry.request, entry.absorbed = entry.unmerged, []
            contents.handle_error("merge updates of a conversation", error)
            return generation == contents.connection.generation
        contents.forget_acknowledged(gone)
        with contents.lock:
            for entry in merged:
                contents.schedule.drop(entry.queue, len(entry.absorbed))
                contents.watches.count_merged(entry.absorbed)
        return True
