"""The only queue: requests rest here until Greenflash has them.

What `put` was given is on disk when it returns, and survives ``kill -9``. Entries of one conversation leave
in order, one at a time. Nothing here raises at run time: what cannot be kept is counted under a reason, and
a folder that cannot be used is replaced by memory. Which database that is, is left to ``holding``; whose
turn it is, to ``lanes``; tables to ``database``; what the conversation model notes, to ``notebook``; what
becomes of an entry, to the sender.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

from greenflash_otel import internal_errors
from greenflash_otel.conversations.persistence import Note
from greenflash_otel.delivery import files, fork_hooks, schema, state_table
from greenflash_otel.delivery.connection import Holding
from greenflash_otel.delivery.schema import GAP, Entry, transaction
from greenflash_otel.delivery.stats import Stats
from greenflash_otel.greenflash_api.request import ApiRequest

MEMORY: Final = ":memory:"
LIMIT_BYTES: Final = 256 * 1024 * 1024
MESSAGES_SHARE: Final = 0.9
"""Of the limit; the rest is kept free for outcomes and their like, which are small and dear."""
REPAIR_S: Final = 60.0
"""How long an entry rests whose new state could not be written down. Sending it again is harmless."""

_ROW_BYTES: Final = 3 * 4096
"""What a row may take beyond its body: its own half-filled pages and those of the index."""


class Outbox(Holding):
    """Entries on disk, in a file of this process, or in memory. Thread-safe, and safe to fork with.

    Args:
        path: A folder, created if need be and shared with other processes; or ``":memory:"``. What
            processes that are gone left in the folder is taken over.
        limit_bytes: Budget for all entries. When it is used up, the newest are refused.
    """

    def __init__(self, path: str | os.PathLike[str], *, limit_bytes: int = LIMIT_BYTES) -> None:
        super().__init__(None if path == MEMORY else Path(path), limit_bytes)
        with self._alone():
            self._database()
        fork_hooks.watch(self)

    def put(self, requests: Iterable[ApiRequest], notes: Sequence[Note] = ()) -> Sequence[ApiRequest]:
        """Keep requests, in this order; they are committed when this returns. Gives back those refused.

        Args:
            notes: Kept with the requests if all of them are, and if there is a file.

        Raises:
            sqlite3.Error, OSError: A vital note could not be kept, and so nothing was.
        """
        given = tuple(requests)
        with self._alone():
            if self._closed:
                return self._lose(given, "closed")
            try:
                lanes = self._write(given, notes)
            except (sqlite3.Error, OSError) as error:
                self._failed("keep a request", error)
                self._lose(given, "disk_full" if "disk is full" in str(error) else "outbox_error")
                if any(note.is_vital for note in notes):
                    raise
                return given
            for request, lane in zip(given, lanes, strict=True):
                if lane is not None:
                    self._ledger.accept(request.items)
                    self._lanes.add(lane)
            refused = [request for request, lane in zip(given, lanes, strict=True) if lane is None]
            return self._lose(refused, "outbox_full")

    def recall(self, topic: str) -> Sequence[str]:
        """What earlier processes noted on a topic, oldest first."""
        if not self._notebook.inherits:
            return ()
        return self._read(lambda db: self._notebook.read(db, topic))

    def recall_found(self, beginning: str) -> Sequence[str]:
        """What earlier processes noted on topics that begin so; each note once."""
        if not self._notebook.found:
            return ()
        return self._read(lambda db: self._notebook.read_found(db, beginning))

    def claim(self, now_s: float) -> Entry | None:
        """The next entry to be sent; None if none is due. It is out until one of the next four is called.

        Args:
            now_s: Of the clock that `postpone` was given times of.
        """
        with self._alone():
            while not self._closed and (lane := self._lanes.take(now_s)) is not None:
                try:
                    entry = self._oldest(lane)
                except (sqlite3.Error, OSError) as error:
                    self._lanes.wait(lane, now_s + REPAIR_S)
                    self._failed("read the outbox", error)
                    continue
                if entry is not None:
                    return entry
            return None

    def settle(self, entry: Entry, *, sampled_out: bool = False) -> None:
        """Remove an entry: Greenflash has answered for it."""
        with self._alone():
            if not self._is_out(entry):
                return
            self._ledger.deliver(entry.request.items, sampled_out=sampled_out)
            self._settled[entry.lane] = entry.id
            try:
                self._delete_settled()
                self._after(entry)
            except (sqlite3.Error, OSError) as error:
                self._lanes.move_on(entry.lane)
                self._failed("remove what was delivered", error)

    def postpone(self, entry: Entry, until_s: float) -> None:
        """Send an entry again, not before then; what follows in its conversation waits too."""
        with self._alone():
            if self._is_out(entry):
                self._lanes.wait(entry.lane, until_s)

    def reject(self, entry: Entry, reason: str, *, now_s: float) -> None:
        """Keep an entry, with the reason, where it is not sent any more."""
        with self._alone():
            if not self._is_out(entry):
                return
            try:
                self._move_aside(entry.id, reason, entry.attempt)
                self._ledger.reject(entry.request.items)
                self._after(entry)
            except (sqlite3.Error, OSError) as error:
                self._lanes.wait(entry.lane, now_s + REPAIR_S)
                self._failed("set a request aside", error)

    def replace(self, entry: Entry, requests: Sequence[ApiRequest], *, now_s: float) -> None:
        """Put other requests, of as many items in all, into the place of an entry in its conversation."""
        with self._alone():
            if not self._is_out(entry):
                return
            try:
                db = self._database()
                with transaction(db):
                    step = (schema.next_id(db, entry.id) - entry.id) // len(requests)
                    schema.delete(db, entry.id)
                    for place, request in enumerate(requests):
                        id = entry.id + place * step
                        schema.insert(db, id, entry.lane, schema.row_of(request))
                self._after(entry)
            except (sqlite3.Error, OSError) as error:
                self._lanes.wait(entry.lane, now_s + REPAIR_S)
                self._failed("split a request", error)

    def adopt(self) -> None:
        """Take over what processes have left that are gone by now."""
        with self._alone():
            if self._closed or self._owned is None or self._db is None:
                return
            try:
                if not (orphans := files.orphans(self._owned, spared=self._parents_files)):
                    return
                before, last_note = schema.items(self._db), state_table.last_id(self._db)
                unread = 0
                for each in orphans:
                    with internal_errors.guarded("adopt what another process left"):
                        unread += files.adopt(self._owned, each, after_id=self._last_id)
            except (sqlite3.Error, OSError) as error:
                self._failed("look for what other processes left", error)
                return
            self._note_found(before, unread, after_note=last_note)

    def due_s(self) -> float | None:
        """When there will be something to claim; None if nothing waits."""
        with self._alone():
            return None if self._closed else self._lanes.due_s()

    def hurry(self) -> None:
        """Make all that was postponed due at once."""
        with self._alone():
            self._lanes.hurry()

    def mark(self) -> int:
        """A place in the queue: everything put so far is before it."""
        with self._alone():
            return self._last_id + GAP

    def is_clear(self, mark: int) -> bool:
        """Whether all that was put before the mark is delivered, set aside or lost."""
        with self._alone():
            if self._closed or not self._ledger.stats().pending:
                return not self._ledger.stats().pending
            try:
                earlier = schema.before(self._database(), mark)
                return all(id <= self._settled.get(lane, 0) for id, lane in earlier)
            except (sqlite3.Error, OSError) as error:
                self._failed("read the outbox", error)
                return False

    def is_durable(self) -> bool:
        """Tell whether what is put here is on disk; False while only memory could be opened."""
        if self._db is None:
            with self._alone():
                self._database()
        return self._owned is not None

    def counts(self) -> Stats:
        """What became of everything that was put here."""
        with self._alone():
            return self._ledger.stats()

    def close(self) -> None:
        """Stop; what is pending stays on disk for the next process. An entry that is out is pending."""
        with self._alone():
            if self._closed:
                return
            self._closed = True
            with internal_errors.guarded("close the outbox"):
                if self._settled and self._db is not None:
                    self._delete_settled()
            with internal_errors.guarded("close the outbox"):
                if self._owned is not None:
                    files.release(self._owned)
                elif self._db is not None:
                    self._db.close()
            self._db = None
            self._owned = None

    # Rows.

    def _write(self, requests: Sequence[ApiRequest], notes: Sequence[Note]) -> list[str | None]:
        """Add entries, and name their lanes; None for what the budget has no room for."""
        db = self._database()
        if self._owned is not None and not self._owned.path.exists():
            db = self._leave(self._owned)
        try:
            with transaction(db):
                lanes = [self._insert(db, request) for request in requests]
                if notes and self._owned is not None and None not in lanes:
                    self._notebook.write(db, notes)
                return lanes
        except (sqlite3.Error, OSError) as error:
            if not notes or any(note.is_vital for note in notes):
                raise
            self._failed("keep what was noted", error)
            return self._write(requests, ())

    def _read(self, read: Callable[[sqlite3.Connection], Sequence[str]]) -> Sequence[str]:
        with self._alone():
            if self._closed or self._owned is None or self._db is None:
                return ()
            try:
                return read(self._db)
            except (sqlite3.Error, OSError) as error:
                self._failed("recall what was noted", error)
                return ()

    def _insert(self, db: sqlite3.Connection, request: ApiRequest) -> str | None:
        """Add an entry and name its lane; None if the budget is used up."""
        limit_bytes = self._limit_bytes if self._owned else self._memory_limit_bytes
        share = MESSAGES_SHARE if request.kind == "messages" else 1.0
        if schema.used_bytes(db) + len(request.body) + _ROW_BYTES > limit_bytes * share:
            return None
        row = schema.row_of(request)
        self._last_id += GAP
        lane = schema.lane_of(self._last_id, row)
        schema.insert(db, self._last_id, lane, row)
        return lane

    def _oldest(self, lane: str) -> Entry | None:
        """The entry of a lane that comes next; None, and the lane leaves, if there is none."""
        db = self._database()
        while (found := schema.oldest(db, lane, after=self._settled.get(lane, 0))) is not None:
            id, row = found
            request = schema.request_of(row)
            if request is not None:
                return Entry(id, lane, self._lanes.begin_attempt(lane), request, self._opening)
            self._move_aside(id, "corrupt", attempts=0)
            self._ledger.reject(row[3])
        self._lanes.leave(lane)
        return None

    def _after(self, entry: Entry) -> None:
        """What follows in the lane gets its turn, or the lane leaves."""
        lane = entry.lane
        if schema.oldest(self._database(), lane, after=self._settled.get(lane, 0)) is not None:
            self._lanes.move_on(lane)
        else:
            self._lanes.leave(lane)

    def _move_aside(self, id: int, reason: str, attempts: int) -> None:
        db = self._database()
        if (row := schema.entry_row(db, id)) is not None:
            with transaction(db):
                schema.delete(db, id)  # first: in a full file, this makes the room
                schema.insert_aside(db, reason, attempts, row)

    def _delete_settled(self) -> None:
        """Delete what is delivered. Where a full disk refuses, it is at least not sent again by us."""
        db = self._database()
        with transaction(db):
            for lane, id in self._settled.items():
                schema.delete_up_to(db, lane, id)
        self._settled.clear()

    def _is_out(self, entry: Entry) -> bool:
        """Whether an entry is of the file that is open; rows of another went to another process."""
        return not self._closed and entry.opening == self._opening and self._pid == os.getpid()

    def _lose(self, requests: Sequence[ApiRequest], reason: str) -> Sequence[ApiRequest]:
        for request in requests:
            self._ledger.lose(request.items, reason)
        return requests
