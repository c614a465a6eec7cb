"""Find the files of an outbox folder that are ours, own one, and adopt those that have no owner.

    00000001764470000123-4711-9f2c1a77.sqlite3          entries, state, spans to be converted
    00000001764470000123-4711-9f2c1a77.sqlite3.lock     locked by the process that owns the database
    00000001764470000123-4711-9f2c1a77.sqlite3.corrupt-…  damaged, stored for a person

A file is ours if its name, its type, its owner and its content say so. We read that without writing, before
anything else. Everything else in the folder is left as it is. If no process owns the lock of a database, the next
process that looks adopts the database: the first one whole, the others row by row. Of a damaged one we copy what
can still be read. Nothing is ever deleted that was not copied.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import sqlite3
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal, TypeAlias

from greenflash_otel import internal_errors
from greenflash_otel.delivery import adoption, schema
from greenflash_otel.delivery.destination import list_folders, read_destination
from greenflash_otel.platform_support import (
    LockedHandle,
    create_private_file,
    is_private_file,
    lock_file,
    own_private_folder,
    sync_folder,
)

NAME: Final = re.compile(r"\d{20}-\d+-[0-9a-f]{8}\.sqlite3")
_CORRUPT: Final = re.compile(rf"{NAME.pattern}\.corrupt-\d+")
_JOURNALS: Final = ("-wal", "-journal", "-shm")
_LOCK: Final = ".lock"
_NEW: Final = ".new"
_LEFT_BEHIND: Final = (*_JOURNALS, _LOCK, _NEW)
_MARK: Final = b"A process of greenflash-otel owns the database next to this file while it is locked.\n"
_HEADER: Final = b"SQLite format 3\x00"
_DAMAGED: Final = ("file is not a database", "database disk image is malformed")
_TRIES: Final = 10

Identity: TypeAlias = Literal["ours", "damaged", "other_schema", "foreign"]


@dataclass(frozen=True, slots=True)
class OwnedFile:
    """A database that is ours for as long as its lock is taken."""

    path: Path
    db: sqlite3.Connection
    lock: LockedHandle
    limit_bytes: int
    unread: int = 0
    """How many rows of damaged files could not be adopted, as far as one can see."""


def is_damage(error: BaseException) -> bool:
    """Return whether an error of SQLite says that the file itself is broken."""
    return isinstance(error, sqlite3.DatabaseError) and str(error).startswith(_DAMAGED)


def identify(path: Path) -> Identity:
    """Say what a file is, without changing it."""
    if not NAME.fullmatch(path.name) or not is_private_file(path):
        return "foreign"
    try:
        with path.open("rb") as file:
            header = file.read(100)
    except OSError:
        return "foreign"
    if header.startswith(_HEADER) and len(header) == 100:
        if int.from_bytes(header[68:72], "big") != schema.APPLICATION_ID:
            return "foreign"
        return "ours" if int.from_bytes(header[60:64], "big") == schema.SCHEMA_VERSION else "other_schema"
    return "damaged" if _has_mark(_add_suffix(path, _LOCK)) else "foreign"


def find_files(folder: Path, identity: Identity) -> list[Path]:
    """List the files of a kind, the oldest first: names begin with a time."""
    return [
        path for path in sorted(folder.iterdir()) if NAME.fullmatch(path.name) and identify(path) == identity
    ]


def find_recorded_destinations(folder: Path) -> set[str]:
    """Return the destinations that the files of a folder were made for, whatever the folder says."""
    with contextlib.suppress(OSError):
        recorded = (schema.read_recorded_destination(path) for path in find_files(folder, "ours"))
        return {destination for destination in recorded if destination is not None}
    return set()


def find_left(root: Path, destinations: Collection[str]) -> Iterator[tuple[Path, str, bool]]:
    """Yield the folders of a root in which something is for some destinations, each with one of them.

    Also folders whose mark is damaged, or names another destination: then the match must be exact, as the last value
    says. Each file records what it was made for.
    """
    for folder in list_folders(root):
        marked = read_destination(folder)
        with contextlib.suppress(OSError):
            for destination in destinations:
                if marked is not None and marked.key == destination:
                    if find_files(folder, "ours") or find_files(folder, "damaged"):
                        yield folder, destination, False
                elif destination in find_recorded_destinations(folder):
                    yield folder, destination, True


def count_corrupt(folder: Path) -> int:
    """Count the damaged files that were moved out of the way."""
    return sum(1 for path in folder.iterdir() if _CORRUPT.fullmatch(path.name) and is_private_file(path))


def acquire(
    folder: Path,
    destination: str,
    *,
    limit_bytes: int,
    suspect: Path | None = None,
    acknowledged: Collection[int] = (),
    is_exact: bool = False,
) -> OwnedFile:
    """Own a file in the folder, with everything that files without an owner contain.

    Args:
        destination: What the file is for. Files for other destinations are left as they are.
        suspect: A file known to be damaged, however sound it looks.
        acknowledged: Ids of entries in the suspect file that are delivered.
        is_exact: Whether only files that record this destination are taken, because the folder is not its own.

    Raises:
        OSError, sqlite3.Error: The folder cannot be used.
    """
    own_private_folder(folder)
    with internal_errors.guarded("tidy up the outbox folder"):
        _tidy(folder)
        for path in find_files(folder, "other_schema"):
            internal_errors.warn_once(
                f"the outbox file {path} is of another version of greenflash-otel and is left as it is; "
                "that version can deliver it"
            )
    mine: OwnedFile | None = None
    unread = 0 if is_exact else _quarantine_damaged(folder)
    broken: list[Path] = []
    for orphan in _find_orphans(folder, destination, limit_bytes, broken, is_exact=is_exact):
        if mine is None and orphan.path != suspect and adoption.is_sound(orphan.db):
            mine = orphan
            continue
        mine = mine or _create(folder, destination, limit_bytes)
        with internal_errors.guarded("adopt what another process left"):
            its_acknowledged = acknowledged if orphan.path == suspect else ()
            unread += merge_from(mine.db, orphan, limit_bytes=limit_bytes, acknowledged=its_acknowledged)
    return replace(mine or _create(folder, destination, limit_bytes), unread=unread + len(broken))


def find_orphans(
    mine: OwnedFile, folder: Path, destination: str, *, is_exact: bool = False
) -> tuple[list[OwnedFile], int]:
    """Own the files of a folder that have no owner; return them, and how many destroyed ones there were.

    Args:
        is_exact: As for `acquire`.

    Raises:
        OSError: The folder cannot be read.
    """
    unread = 0 if is_exact else _quarantine_damaged(folder)
    broken: list[Path] = []
    candidates = _find_orphans(
        folder, destination, mine.limit_bytes, broken, but=mine.path, is_exact=is_exact
    )
    orphans = list(candidates)
    return orphans, unread + len(broken)


def merge_from(
    into: sqlite3.Connection,
    orphan: OwnedFile,
    *,
    limit_bytes: int,
    after_id: int = 0,
    acknowledged: Collection[int] = (),
) -> int:
    """Move everything that can be read; return how much cannot. The orphan stays if it does not fit."""
    try:
        unread = adoption.copy_all(
            into, orphan.db, after_id=after_id, limit_bytes=limit_bytes, acknowledged=acknowledged
        )
    except BaseException:
        orphan.db.close()
        orphan.lock.release(remove=False)
        raise
    if unread:
        orphan.db.close()
        _quarantine(orphan.path)
        orphan.lock.release(remove=True)
    else:
        _remove(orphan)
    return unread


def try_lock(path: Path, *, limit_bytes: int) -> OwnedFile | None:
    """Own an existing file of ours; None if it has an owner or is gone.

    Raises:
        sqlite3.Error, OSError: It cannot be used. A damaged one was moved out of the way.
    """
    if (lock := _lock(path)) is None:
        return None
    try:
        if not path.exists():  # emptied and removed by its last owner while we waited at the door
            lock.release(remove=True)
            return None
        return OwnedFile(path, schema.connect(_write_uri(path), limit_bytes=limit_bytes), lock, limit_bytes)
    except BaseException as error:
        if is_damage(error):
            _quarantine(path)
        lock.release(remove=is_damage(error))
        raise


def release(owned: OwnedFile) -> None:
    """Give a file up; one that contains nothing more is removed."""
    if adoption.is_empty(owned.db):
        _remove(owned)
    else:
        owned.db.close()
        owned.lock.release(remove=False)  # its mark says whose the database is, should that be damaged


def _find_orphans(
    folder: Path,
    destination: str,
    limit_bytes: int,
    broken: list[Path],
    *,
    but: Path | None = None,
    is_exact: bool = False,
) -> Iterator[OwnedFile]:
    """Own the files without an owner one by one; add those that cannot be opened at all to `broken`.

    One that is too damaged to say its destination is of the folder's, unless the match must be exact.
    """
    for path in find_files(folder, "ours"):
        if is_exact and schema.read_recorded_destination(path) != destination:
            continue  # not even locked: its own process may look for it at this moment
        if path == but or (orphan := _take_over(path, limit_bytes, broken)) is None:
            continue
        if schema.destination_of(orphan.db) in ((destination,) if is_exact else (destination, None)):
            yield orphan
        else:
            orphan.db.close()
            orphan.lock.release(remove=False)


def _take_over(path: Path, limit_bytes: int, broken: list[Path]) -> OwnedFile | None:
    try:
        return try_lock(path, limit_bytes=limit_bytes)
    except (sqlite3.Error, OSError) as error:
        internal_errors.count("open what another process left", error)
        if not path.exists():
            broken.append(path)
        return None


def _create(folder: Path, destination: str, limit_bytes: int) -> OwnedFile:
    """Make a file of our own. It is locked before it has its name, and whole when it gets it."""
    for _ in range(_TRIES):
        path = folder / f"{time.time_ns():020}-{os.getpid()}-{secrets.token_hex(4)}.sqlite3"
        if (lock := _lock(path)) is None:
            continue  # another process tidied up at this moment
        new = _add_suffix(path, _NEW)
        try:
            create_private_file(new)
            schema.create(_write_uri(new), destination)
            new.rename(path)
            sync_folder(folder)
            return OwnedFile(
                path, schema.connect(_write_uri(path), limit_bytes=limit_bytes), lock, limit_bytes
            )
        except BaseException:
            for left in (new, path):
                left.unlink(missing_ok=True)
            lock.release(remove=True)
            raise
    raise OSError(f"no file in {folder} stays ours")


def _remove(owned: OwnedFile) -> None:
    """Delete a file while it is locked, so that no other process takes it for an orphan meanwhile."""
    if os.name == "nt":
        owned.db.close()
    for suffix in ("", *_JOURNALS):
        with contextlib.suppress(NotADirectoryError):  # somebody has put a file where the folder was
            _add_suffix(owned.path, suffix).unlink(missing_ok=True)
    owned.db.close()
    owned.lock.release(remove=True)


def _tidy(folder: Path) -> None:
    """Remove what belongs to databases that are gone: their processes were killed while they removed them."""
    names = {path.name for path in folder.iterdir()}
    for name in sorted(names):
        base = next((name[: -len(end)] for end in _LEFT_BEHIND if name.endswith(end)), "")
        if (
            base in names
            or not NAME.fullmatch(base)
            or any(each.startswith(f"{base}.corrupt-") for each in names)
        ):
            continue
        left = folder / name
        if not is_private_file(left) or (lock := lock_file(folder / f"{base}{_LOCK}")) is None:
            continue  # not ours, or its owner is about to make or remove the database
        if not (folder / base).exists() and not name.endswith(_LOCK):
            left.unlink(missing_ok=True)
        lock.release(remove=True)


def _quarantine_damaged(folder: Path) -> int:
    """Move files out of the way whose header is destroyed; return how many.

    Their content is unknown, so each counts as one row.
    """
    moved = 0
    for path in find_files(folder, "damaged"):
        if (lock := _lock(path)) is not None:
            _quarantine(path)
            lock.release(remove=True)
            moved += 1
    return moved


def _quarantine(path: Path) -> None:
    """Rename a damaged file, with its journal, to a name that no process opens again."""
    quarantined = f"{path}.corrupt-{time.time_ns()}"
    with internal_errors.guarded("move a damaged outbox file out of the way"):
        path.rename(quarantined)
        for suffix in _JOURNALS:
            if (journal := _add_suffix(path, suffix)).exists():
                journal.rename(f"{quarantined}{suffix}")
    internal_errors.warn_once(
        f"an outbox file was damaged. What could be read is stored. The file is now {quarantined}"
    )


def _lock(path: Path) -> LockedHandle | None:
    """Take the lease on a database; None if another process has it."""
    with contextlib.suppress(FileExistsError):
        create_private_file(_add_suffix(path, _LOCK), _MARK)
    return lock_file(_add_suffix(path, _LOCK))


def _has_mark(path: Path) -> bool:
    try:
        return is_private_file(path) and path.read_bytes()[: len(_MARK)] == _MARK
    except OSError:
        return False


def _add_suffix(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _write_uri(path: Path) -> str:
    return f"{path.absolute().as_uri()}?mode=rw"
