"""The outbox on disk: one file per process, and who owns which.

The lock on a file is the lease: it has an owner as long as one can be found. A file whose owner is gone is
taken over by the next process that looks, the first whole and the others row by row. A damaged file gives
what can still be read of it and is set apart for a person; nothing is ever deleted that was not copied.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import sqlite3
import time
from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, TypeVar

from greenflash_otel import internal_errors
from greenflash_otel.delivery import schema, state_table
from greenflash_otel.delivery.schema import GAP, NewerSchemaError, transaction

_SUFFIX: Final = ".sqlite3"
_JOURNALS: Final = ("-wal", "-journal", "-shm")
_APART: Final = ".corrupt-"
_DAMAGED: Final = ("file is not a database", "database disk image is malformed")
_SOURCES: Final = {
    "entries": ("entries NOT INDEXED", "entries INDEXED BY entries_by_lane"),
    "aside": ("aside",),
}
"""Where ids are read from: with a page of the table gone, the index still knows what lies behind it."""
_TRIES: Final = 10

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Owned:
    """A file that is ours for as long as its connection is open."""

    path: Path
    db: sqlite3.Connection
    limit_bytes: int
    unread: int = 0
    """How many rows of damaged files could not be adopted, as far as one can tell."""


def is_damage(error: BaseException) -> bool:
    """Whether an error of SQLite says that the file itself is broken."""
    return isinstance(error, sqlite3.DatabaseError) and str(error).startswith(_DAMAGED)


def own(
    folder: Path, *, limit_bytes: int, spared: Container[Path] = (), distrusted: Path | None = None
) -> Owned:
    """Own a file in the folder, with all that ownerless files hold.

    Args:
        spared: Files to leave alone, though they may seem to have no owner at this moment.
        distrusted: A file known to be damaged, however sound it looks.

    Raises:
        OSError, sqlite3.Error: The folder cannot be used.
    """
    _make(folder)
    with internal_errors.guarded("tidy up the outbox folder"):
        _tidy(folder)
    mine: Owned | None = None
    unread = 0
    for path in sorted(folder.glob(f"*{_SUFFIX}")):  # names begin with a time: oldest first
        found = None if path in spared else _take_over(path, limit_bytes)
        if found is None:
            continue
        if mine is None and path != distrusted and _is_sound(found.db):
            mine = found
            continue
        mine = mine or _begin(folder, limit_bytes)
        with internal_errors.guarded("adopt what another process left"):
            unread += adopt(mine, found)
    return replace(mine or _begin(folder, limit_bytes), unread=unread)


def orphans(mine: Owned, *, spared: Container[Path]) -> list[Owned]:
    """The other files in the folder of ours that have no owner; they are ours now.

    Raises:
        OSError: The folder cannot be read.
    """
    others = (path for path in sorted(mine.path.parent.glob(f"*{_SUFFIX}")) if path != mine.path)
    return [found for path in others if path not in spared and (found := _take_over(path, mine.limit_bytes))]


def count(folder: Path, *, damaged: bool = False) -> int:
    """How many files there are, with or without an owner; or how many that were damaged and set apart."""
    pattern = f"*{_SUFFIX}{_APART}[0-9]*" if damaged else f"*{_SUFFIX}"
    return sum(not path.name.endswith(_JOURNALS) for path in folder.glob(pattern))


def adopt(mine: Owned, orphan: Owned, *, after_id: int = 0) -> int:
    """Move all that can be read; how much cannot. The orphan stays as it is if it does not fit."""
    try:
        with transaction(mine.db):
            unread = _copy(mine.db, orphan.db, max(after_id, schema.last_id(mine.db)))
            if schema.used_bytes(mine.db) > mine.limit_bytes:
                raise sqlite3.OperationalError("the budget is used up")
            with internal_errors.guarded("adopt what was noted"):  # last: entries go first
                state_table.copy(mine.db, orphan.db)
    except BaseException:
        orphan.db.close()
        raise
    if unread:
        orphan.db.close()
        _set_apart(orphan.path)
    else:
        _remove(orphan)
    return unread


def lock(path: Path, *, limit_bytes: int) -> Owned | None:
    """Own an existing file; None if it has an owner or is gone.

    Raises:
        sqlite3.Error, NewerSchemaError: It cannot be used.
    """
    try:
        db = schema.connect(f"{path.absolute().as_uri()}?mode=rw", limit_bytes=limit_bytes)
    except sqlite3.OperationalError as error:
        if "locked" in str(error) or not path.exists():
            return None
        raise
    if not path.exists():  # emptied and removed by its last owner while we waited at the door
        db.close()
        return None
    return Owned(path, db, limit_bytes)


def release(owned: Owned) -> None:
    """Give a file up; one that holds nothing more is removed."""
    if _is_empty(owned.db):
        _remove(owned)
    else:
        owned.db.close()


def _make(folder: Path) -> None:
    """Create a folder that only its user can read; once it is there, no power cut takes it away."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if os.name == "nt":  # no directory can be synced there
        return
    for path in missing:
        with internal_errors.guarded("sync the folder above the outbox"):
            parent = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(parent)
            finally:
                os.close(parent)


def _take_over(path: Path, limit_bytes: int) -> Owned | None:
    try:
        return lock(path, limit_bytes=limit_bytes)
    except NewerSchemaError:
        return None
    except (sqlite3.Error, OSError) as error:
        internal_errors.count("open what another process left", error)
        if is_damage(error):
            _set_apart(path)
        return None


def _begin(folder: Path, limit_bytes: int) -> Owned:
    for _ in range(_TRIES):
        path = folder / f"{time.time_ns():020}-{os.getpid()}-{secrets.token_hex(4)}{_SUFFIX}"
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        if (owned := lock(path, limit_bytes=limit_bytes)) is not None:
            return owned  # None: another process was quicker to take the empty file for ownerless
    raise OSError(f"no file in {folder} stays ours")


def _is_sound(db: sqlite3.Connection) -> bool:
    """Whether all of the tables can be read, though not yet every body, and are what their index says."""
    try:
        for table in _SOURCES:
            db.execute(f"SELECT total(items), total(length(body)) FROM {table}").fetchall()  # noqa: S608
        return schema.is_indexed(db)
    except sqlite3.DatabaseError as error:
        internal_errors.count("read what another process left", error)
        return False


def _is_empty(db: sqlite3.Connection) -> bool:
    try:
        tables = ("entries", "aside", "notes")
        return not any(db.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchone() for table in tables)  # noqa: S608
    except sqlite3.Error as error:
        internal_errors.count("read the outbox at its end", error)
        return False


def _copy(into: sqlite3.Connection, orphan: sqlite3.Connection, last_id: int) -> int:
    """Copy what can be read, with ids above one; how much cannot."""
    unread = 0
    for row in _rows(orphan, "entries", schema.entry_row):
        if row is None:
            unread += 1
        else:
            last_id += GAP
            schema.insert(into, last_id, schema.lane_of(last_id, row), row)
    for aside in _rows(orphan, "aside", schema.aside_row):
        if aside is None:
            unread += 1
        else:
            schema.insert_aside(into, *aside)
    return unread


def _rows(
    db: sqlite3.Connection, table: str, read: Callable[[sqlite3.Connection, int], T | None]
) -> Iterator[T | None]:
    """The rows of a table in order, one by one; None stands for what cannot be read."""
    ids: set[int] = set()
    could_be_read = [_read_ids(db, source, ids) for source in _SOURCES[table]]
    if not any(could_be_read):
        yield None
    for id in sorted(ids):
        row = None
        with contextlib.suppress(sqlite3.DatabaseError):
            row = read(db, id)
        yield row


def _read_ids(db: sqlite3.Connection, source: str, ids: set[int]) -> bool:
    """Add the ids that a table or its index knows; False if damage ended that early."""
    try:
        ids.update(id for (id,) in db.execute(f"SELECT id FROM {source}"))  # noqa: S608
    except sqlite3.DatabaseError:
        return False
    return True


def _remove(owned: Owned) -> None:
    """Delete a file. On POSIX while it is still locked, so that nobody takes it for an orphan meanwhile."""
    if os.name == "nt":
        owned.db.close()
    for suffix in ("", *_JOURNALS):
        with contextlib.suppress(NotADirectoryError):  # somebody has put a file where the folder was
            Path(f"{owned.path}{suffix}").unlink(missing_ok=True)
    owned.db.close()


def _tidy(folder: Path) -> None:
    """Remove the journals of files that are gone: their processes were killed in the midst of `_remove`."""
    for suffix in _JOURNALS:
        for journal in folder.glob(f"*{_SUFFIX}{suffix}"):
            path = journal.with_name(journal.name[: -len(suffix)])
            if not path.exists() and not any(folder.glob(f"{path.name}{_APART}*")):
                journal.unlink(missing_ok=True)


def _set_apart(path: Path) -> None:
    """Rename a damaged file, with its journal, to a name that no process opens again."""
    apart = f"{path}{_APART}{time.time_ns()}"
    with internal_errors.guarded("set a damaged outbox file apart"):
        path.rename(apart)
        for suffix in _JOURNALS:
            if (journal := Path(f"{path}{suffix}")).exists():
                journal.rename(f"{apart}{suffix}")
    internal_errors.warn_once(
        f"an outbox file was damaged; what could be read is kept, the file is now {apart}"
    )
