"""The SQL of the outbox: how a database is made and opened, what its tables are, how rows become requests.

One connection per file, exclusive and in WAL mode: so SQLite needs no shared memory, as two connections would.
A lock next to a file decides who owns it, see ``files``. Every commit is on disk when it returns
(``synchronous=FULL``). The header of a file says that it is ours and of which schema. So we recognise a file
without opening it as a database.
"""

# ruff: noqa: S608 - the SQL is put together from constants of this module only
from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias, cast

from greenflash_otel.greenflash_api.request import ApiRequest, Kind

Row: TypeAlias = tuple[str, str, str, int, bytes, bytes]
"""What is stored of a request: kind, path, conversation id, items, body, checksum."""

GAP: Final = 1 << 24
"""Between the ids of what is put, which are its multiples, so that the parts of a split find room in between."""

APPLICATION_ID: Final = 0x67666F78
"""``gfox``: in the header of every file that this library made."""
SCHEMA_VERSION: Final = 1
"""Of the tables. A file of another version is left as it is."""

_STRICT: Final = "STRICT" if sqlite3.sqlite_version_info >= (3, 37) else ""
_REQUEST: Final = "kind, path, conversation_id, items, body, checksum"
_COLUMNS: Final = """
    kind TEXT NOT NULL,
    path TEXT NOT NULL,
    conversation_id TEXT NOT NULL,
    items INTEGER NOT NULL,
    body BLOB NOT NULL,
    checksum BLOB NOT NULL   -- of all the above: SQLite does not notice a flipped bit
"""
TABLES: Final = (
    f"""CREATE TABLE entries (
        id INTEGER PRIMARY KEY,  -- the order in which they are sent
        lane TEXT NOT NULL,      -- the conversation, or a name of its own for an entry of none
        {_COLUMNS}) {_STRICT}""",
    "CREATE INDEX entries_by_lane ON entries (lane)",
    f"""CREATE TABLE rejected (
        id INTEGER PRIMARY KEY,
        reason TEXT NOT NULL,    -- e.g. "HTTP 400: messages[0] has no content"
        attempts INTEGER NOT NULL,
        {_COLUMNS}) {_STRICT}""",
    f"""CREATE TABLE state (
        id INTEGER PRIMARY KEY,
        key TEXT NOT NULL,
        day INTEGER NOT NULL,    -- Unix time, in days
        value TEXT NOT NULL,     -- JSON
        checksum INTEGER NOT NULL) {_STRICT}""",
    "CREATE INDEX state_by_key ON state (key)",
    f"""CREATE TABLE captured (
        id INTEGER PRIMARY KEY,  -- the order in which they came
        body BLOB NOT NULL,      -- spans that are still to be converted
        checksum BLOB NOT NULL) {_STRICT}""",
    f"""CREATE TABLE about (
        destination TEXT NOT NULL,
        checksum BLOB NOT NULL) {_STRICT}""",
)

_VALUES_AT_ONCE: Final = 900
"""Older versions of SQLite take 999, and 500 rows."""
_DELETE_GONE: Final = ") DELETE FROM entries WHERE id IN gone"
_JOURNAL_BYTES: Final = 4 * 1024 * 1024
JOURNAL_PAGES: Final = 1000
"""How long the journal gets before it is copied into the file: SQLite's own default."""
_ROOM_PAGES: Final = 64
_ROOM_SHARE: Final = 1 / 16
"""More than the limit: a full outbox must still be able to split an entry and to reject it."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A request of the outbox, claimed to be sent."""

    id: int
    queue: str
    attempt: int
    """Which attempt this is; counts from 1."""
    request: ApiRequest
    generation: int
    """Which opening of a file it came from: ids mean nothing in another."""


def create(where: str, destination: str) -> None:
    """Make the tables in an empty database file, all of it or nothing, and close it.

    Args:
        where: A SQLite URI.

    Raises:
        sqlite3.Error: It cannot be written.
    """
    db = sqlite3.Connection(where, timeout=0, isolation_level=None, check_same_thread=False, uri=True)
    try:
        db.execute("PRAGMA journal_mode=MEMORY").fetchall()
        db.execute("PRAGMA synchronous=FULL")
        make_tables(db, destination)
    finally:
        db.close()


def make_tables(db: sqlite3.Connection, destination: str) -> None:
    """Make the tables of an empty database."""
    with transaction(db):
        for statement in TABLES:
            db.execute(statement)
        db.execute("INSERT INTO about VALUES (?, ?)", (destination, checksum_of(destination.encode())))
        db.execute(f"PRAGMA application_id={APPLICATION_ID}")
        db.execute(f"PRAGMA user_version={SCHEMA_VERSION}")


def connect(where: str, *, limit_bytes: int) -> sqlite3.Connection:
    """Open a database that has its tables, or memory.

    Args:
        where: A SQLite URI.
        limit_bytes: What is to be stored at most. The database may grow a little more, besides its journal.

    Raises:
        sqlite3.Error: It cannot be used.
    """
    # The class, not connect(): instrumentations wrap that, and we never trace ourselves.
    db = sqlite3.Connection(where, timeout=0, isolation_level=None, check_same_thread=False, uri=True)
    db.text_factory = _decode_text
    try:
        page_bytes = db.execute("PRAGMA page_size").fetchone()[0]
        for pragma in (
            "locking_mode=EXCLUSIVE",  # before the journal mode, else WAL sets up shared memory
            "journal_mode=WAL",
            "synchronous=FULL",
            f"journal_size_limit={_JOURNAL_BYTES}",
            f"max_page_count={int(limit_bytes * (1 + _ROOM_SHARE)) // page_bytes + _ROOM_PAGES}",
        ):
            db.execute(f"PRAGMA {pragma}").fetchall()
        db.execute(
            "SELECT count(*) FROM sqlite_master"
        ).fetchone()  # takes the lock, and finds damage to it all
    except BaseException:
        db.close()
        raise
    return db


def connect_memory(destination: str, *, limit_bytes: int) -> sqlite3.Connection:
    """Open a database in memory, with its tables."""
    db = sqlite3.Connection(":memory:", timeout=0, isolation_level=None, check_same_thread=False)
    page_bytes = db.execute("PRAGMA page_size").fetchone()[0]
    pages = int(limit_bytes * (1 + _ROOM_SHARE)) // page_bytes + _ROOM_PAGES
    db.execute(f"PRAGMA max_page_count={pages}").fetchall()
    make_tables(db, destination)
    return db


def destination_of(db: sqlite3.Connection) -> str | None:
    """Return the destination that everything in a database was captured for; None if damage hides it."""
    try:
        row = db.execute("SELECT destination, checksum FROM about").fetchone()
    except sqlite3.Error:
        return None
    destination, checksum = row or (None, None)
    if isinstance(destination, str) and checksum_of(destination.encode(errors="replace")) == checksum:
        return destination
    return None


def read_recorded_destination(path: Path) -> str | None:
    """Return the destination that a database file was made for, without a lock and without writing.

    It is written once, before the file has its name. None where it cannot be read.
    """
    try:
        db = sqlite3.Connection(f"{path.absolute().as_uri()}?mode=ro&immutable=1", timeout=0, uri=True)
    except sqlite3.Error:
        return None
    try:
        return destination_of(db)
    finally:
        db.close()


def _decode_text(stored: bytes) -> str:
    """Read damaged text as well: the checksum says that it is not what was stored."""
    return stored.decode(errors="replace")


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """Change all of it or nothing; on disk when the block is left."""
    db.execute("BEGIN EXCLUSIVE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def row_of(request: ApiRequest) -> Row:
    """Return a request as it is stored. Lone surrogates, which SQLite refuses, become ``?``."""
    conversation_id = make_storable(request.conversation_id)
    stored = (request.kind, request.path, conversation_id, request.items, request.body)
    return (*stored, _compute_checksum(*stored))


def request_of(row: Row) -> ApiRequest | None:
    """Return the request that was stored; None if a bit has changed since."""
    kind, path, conversation_id, items, body, checksum = row
    if _compute_checksum(kind, path, conversation_id, items, body) != checksum:
        return None
    return ApiRequest(cast(Kind, kind), path, body, conversation_id, items)


def _compute_checksum(kind: str, path: str, conversation_id: str, items: int, body: bytes) -> bytes:
    head = "\n".join((kind, path, conversation_id, str(items), ""))
    return hashlib.blake2b(head.encode() + body, digest_size=16).digest()


def queue_of(id: int, row: Row) -> str:
    """Return the queue of an entry: that of its conversation, else one for it alone."""
    return row[2] or f"entry {id}"


def find_last_id(db: sqlite3.Connection) -> int:
    """Return the id that the newest of all requests was put under, pending or rejected; 0 if there is none.

    Parts of it have ids up to the next multiple of the gap.
    """
    both = "SELECT max(id) AS id FROM entries UNION ALL SELECT max(id) FROM rejected"
    newest = db.execute(f"SELECT ifnull(max(id), 0) FROM ({both})").fetchone()[0]
    return cast(int, newest) // GAP * GAP


def insert(db: sqlite3.Connection, id: int, queue: str, row: Row) -> None:
    """Add an entry."""
    db.execute(
        f"INSERT INTO entries (id, lane, {_REQUEST}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (id, queue, *row)
    )


def insert_many(db: sqlite3.Connection, entries: Sequence[tuple[int, str, Row]]) -> None:
    """Add entries, each an id, a lane and a row, in few statements: see `execute_in_batches`."""
    rows = [(id, queue, *row) for id, queue, row in entries]
    execute_in_batches(db, f"INSERT INTO entries (id, lane, {_REQUEST}) VALUES", rows)


def update(db: sqlite3.Connection, id: int, row: Row) -> None:
    """Put another request into the place of an entry that was not attempted yet."""
    db.execute("UPDATE entries SET items = ?, body = ?, checksum = ? WHERE id = ?", (*row[3:], id))


def delete_one(db: sqlite3.Connection, id: int) -> None:
    """Remove an entry."""
    db.execute("DELETE FROM entries WHERE id = ?", (id,))


def delete_many(db: sqlite3.Connection, ids: Sequence[int]) -> None:
    """Remove entries."""
    execute_in_batches(db, "WITH gone (id) AS (VALUES", [(id,) for id in ids], _DELETE_GONE)


def execute_in_batches(
    db: sqlite3.Connection, before: str, rows: Sequence[Sequence[object]], after: str = ""
) -> None:
    """Run a statement for many rows of values at once.

    Each statement lets other threads of Python run, and may then wait 5 ms for its turn again: a busy application
    would slow down hundreds of statements to seconds.
    """
    if not rows:
        return
    at_once = _VALUES_AT_ONCE // len(rows[0])
    places = f"({', '.join('?' * len(rows[0]))})"
    for at in range(0, len(rows), at_once):
        some = rows[at : at + at_once]
        values = [value for row in some for value in row]
        db.execute(f"{before} {', '.join([places] * len(some))}{after}", values)


def insert_rejected(db: sqlite3.Connection, reason: str, attempts: int, row: Row, *, id: int) -> None:
    """Add a request that was refused for good, under an id that no entry has or will have."""
    sql = f"INSERT INTO rejected (id, reason, attempts, {_REQUEST}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
    db.execute(sql, (id, reason, attempts, *row))


def make_storable(text: str) -> str:
    """Return a text that SQLite can store: lone surrogates become ``?``."""
    return text.encode(errors="replace").decode()


def delete_rejected(db: sqlite3.Connection, id: int) -> None:
    """Remove a request that was refused for good."""
    db.execute("DELETE FROM rejected WHERE id = ?", (id,))


def list_ids(db: sqlite3.Connection, table: str) -> list[int]:
    """Return the ids in a table, in order."""
    return [id for (id,) in db.execute(f"SELECT id FROM {table} ORDER BY id")]


Rows: TypeAlias = Generator[tuple[int, Row], None, None]


def read_queue(db: sqlite3.Connection, queue: str, *, after_id: int) -> Rows:
    """Read the entries of a queue with ids above one, the oldest first."""
    sql = f"SELECT id, {_REQUEST} FROM entries WHERE lane = ? AND id > ? ORDER BY id"
    for row in db.execute(sql, (queue, after_id)):
        yield row[0], _convert_row(row[1:])


def find_next_id(db: sqlite3.Connection, id: int) -> int:
    """Return where the room behind an entry ends: at the next entry, or at what may be put next."""
    both = (
        "SELECT min(id) AS id FROM entries WHERE id > ? UNION ALL SELECT min(id) FROM rejected WHERE id > ?"
    )
    next_id = db.execute(f"SELECT min(id) FROM ({both})", (id, id)).fetchone()[0]
    end = (id // GAP + 1) * GAP
    return end if next_id is None else min(cast(int, next_id), end)


def is_indexed(db: sqlite3.Connection) -> bool:
    """Return whether the index, by which entries are found, names each of them, and nothing else."""
    table, index = "entries NOT INDEXED", "entries INDEXED BY entries_by_lane"
    subquery = f"SELECT 1 FROM {index} WHERE lane = e.lane AND id = e.id"
    unknown = f"SELECT 1 FROM (SELECT id, lane FROM {table}) AS e WHERE NOT EXISTS ({subquery})"
    counts = f"SELECT (SELECT count(*) FROM {table}) = (SELECT count(lane) FROM {index})"
    return bool(db.execute(f"{counts} AND NOT EXISTS ({unknown})").fetchone()[0])


def list_queues(db: sqlite3.Connection) -> Iterator[tuple[str, int]]:
    """Return all queues with the number of their entries, that of the oldest entry first."""
    return db.execute("SELECT lane, count(*) FROM entries GROUP BY lane ORDER BY min(id)")


def count_items(db: sqlite3.Connection) -> tuple[int, int]:
    """Return how many items the entries carry, and how many what was rejected.

    They are integers even if a flipped bit made a number of items something else.
    """
    entries, rejected = (
        db.execute(f"SELECT CAST(total(items) AS INTEGER) FROM {table}").fetchone()[0]
        for table in ("entries", "rejected")
    )
    return entries, rejected


def read_entry_row(db: sqlite3.Connection, id: int) -> Row | None:
    """Return an entry as stored."""
    row = db.execute(f"SELECT {_REQUEST} FROM entries WHERE id = ?", (id,)).fetchone()
    return None if row is None else _convert_row(row)


def _convert_row(row: Sequence[Any]) -> Row:  # Any: the bit that was flipped may be one of a column's type
    """Convert a row to the types of its table."""
    kind, path, conversation_id = (
        _decode_text(column) if isinstance(column, bytes) else str(column) for column in row[:3]
    )
    items = int(row[3]) if isinstance(row[3], (int, float)) else 0
    body, checksum = (column if isinstance(column, bytes) else str(column).encode() for column in row[4:])
    return kind, path, conversation_id, items, body, checksum


def read_rejected_row(db: sqlite3.Connection, id: int) -> tuple[str, int, Row]:
    """Return one request that was rejected: reason, attempts, and what is stored of it."""
    sql = f"SELECT reason, attempts, {_REQUEST} FROM rejected WHERE id = ?"
    reason, attempts, *row = db.execute(sql, (id,)).fetchone()
    return reason, attempts, cast(Row, tuple(row))


def checksum_of(body: bytes) -> bytes:
    """Return what shows whether a bit of a body has changed."""
    return hashlib.blake2b(body, digest_size=8).digest()


def measure_used_bytes(db: sqlite3.Connection) -> int:
    """Return the bytes that the rows take up, in whole pages; free pages will be used again and do not count."""
    pages, free, page_bytes = (
        db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
    )
    return cast(int, (pages - free) * page_bytes)
