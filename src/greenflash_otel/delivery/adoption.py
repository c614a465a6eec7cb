"""Move the rows of an orphaned database into ours, as far as they can be read."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Collection, Iterator
from typing import Final, TypeVar

from greenflash_otel import internal_errors
from greenflash_otel.delivery import captured_table, schema, state_table
from greenflash_otel.delivery.schema import GAP, transaction

T = TypeVar("T")

_SOURCES: Final = {
    "entries": ("entries NOT INDEXED", "entries INDEXED BY entries_by_lane"),
    "rejected": ("rejected",),
    "captured": ("captured",),
}
"""Where ids are read from: with a page of the table gone, the index still knows what follows it."""
_COPIED_BYTES: Final = 4 * 1024 * 1024
"""So much of what waits for its conversion is in memory at a time."""


def copy_all(
    into: sqlite3.Connection,
    orphan: sqlite3.Connection,
    *,
    after_id: int,
    limit_bytes: int,
    acknowledged: Collection[int] = (),
) -> int:
    """Copy everything that can be read, in one commit; return how much cannot.

    Args:
        acknowledged: Ids of entries of the orphan that are delivered and not deleted yet.

    Raises:
        sqlite3.Error: It does not fit, or ours cannot be written. Nothing is copied then.
    """
    with transaction(into):
        unread = _copy_requests(into, orphan, max(after_id, schema.find_last_id(into)), acknowledged)
        unread += _copy_captured(into, orphan)
        if schema.measure_used_bytes(into) > limit_bytes:
            raise sqlite3.OperationalError("the limit of the outbox is reached")
        with internal_errors.guarded("adopt state records"):  # last: entries go first
            state_table.copy(into, orphan)
    return unread


def is_sound(db: sqlite3.Connection) -> bool:
    """Return whether all tables can be read, though not yet every body, and are what their index says."""
    try:
        for table in ("entries", "rejected"):
            db.execute(f"SELECT total(items), total(length(body)) FROM {table}").fetchall()  # noqa: S608
        db.execute("SELECT total(length(body)) FROM captured").fetchall()
        return schema.is_indexed(db)
    except sqlite3.DatabaseError as error:
        internal_errors.count("read what another process left", error)
        return False


def is_empty(db: sqlite3.Connection) -> bool:
    """Return whether a database contains nothing that anybody needs."""
    try:
        tables = ("entries", "rejected", "state", "captured")
        return not any(db.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchone() for table in tables)  # noqa: S608
    except sqlite3.Error as error:
        internal_errors.count("read the outbox at its end", error)
        return False


def _copy_requests(
    into: sqlite3.Connection, orphan: sqlite3.Connection, last_id: int, acknowledged: Collection[int]
) -> int:
    unread = 0
    for id, row in _read_numbered_rows(orphan, "entries", schema.read_entry_row):
        if id in acknowledged:
            continue
        if row is None:
            unread += 1
        else:
            last_id += GAP
            schema.insert(into, last_id, schema.queue_of(last_id, row), row)
    for rejected in _read_rows(orphan, "rejected", schema.read_rejected_row):
        if rejected is None:
            unread += 1
        else:
            last_id += GAP  # no entry will have this id: one that is rejected or restored keeps its own
            schema.insert_rejected(into, *rejected, id=last_id)
    return unread


def _copy_captured(into: sqlite3.Connection, orphan: sqlite3.Connection) -> int:
    unread, size = 0, 0
    bodies: list[bytes] = []
    for body in _read_rows(orphan, "captured", captured_table.read_body):
        if body is None:
            unread += 1
            continue
        bodies.append(body)
        size += len(body)
        if size >= _COPIED_BYTES:
            captured_table.insert(into, bodies)
            bodies, size = [], 0
    captured_table.insert(into, bodies)
    return unread


def _read_rows(
    db: sqlite3.Connection, table: str, read: Callable[[sqlite3.Connection, int], T | None]
) -> Iterator[T | None]:
    return (row for _, row in _read_numbered_rows(db, table, read))


def _read_numbered_rows(
    db: sqlite3.Connection, table: str, read: Callable[[sqlite3.Connection, int], T | None]
) -> Iterator[tuple[int, T | None]]:
    """Read the rows of a table in order, with their ids; None for one that cannot be read."""
    ids: set[int] = set()
    could_be_read = [_read_ids(db, source, ids) for source in _SOURCES[table]]
    if not any(could_be_read):
        yield 0, None
    for id in sorted(ids):
        row = None
        with contextlib.suppress(sqlite3.DatabaseError):
            row = read(db, id)
        yield id, row


def _read_ids(db: sqlite3.Connection, source: str, ids: set[int]) -> bool:
    """Add the ids that a table or its index knows; False if damage ended that early."""
    try:
        ids.update(id for (id,) in db.execute(f"SELECT id FROM {source}"))  # noqa: S608
    except sqlite3.DatabaseError:
        return False
    return True
