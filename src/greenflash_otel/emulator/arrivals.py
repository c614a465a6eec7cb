"""What arrived after a place, in the order of arrival: what ``greenflash-otel tail`` prints, schema ``tail/1``.

A place is the number of a request. What a request repeats is left out, so that each thing is reported once.
"""

from __future__ import annotations

import itertools
import json
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from greenflash_otel.emulator.command_views import JsonObject, write_message, write_outcome, write_rating
from greenflash_otel.emulator.instants import write_instant
from greenflash_otel.emulator.store import Store, reading
from greenflash_otel.emulator.stored import StoredMessage
from greenflash_otel.emulator.viewer.items import read_error, read_property
from greenflash_otel.emulator.viewer.rows import VISIBLE_TYPES

MOST_REQUESTS = 200
MOST_BYTES = 4_000_000
"""Of the bodies behind one answer; a single one may be larger."""
KINDS = {"user_message": "user", "system_message": "system"}

REQUESTS = """
SELECT r.position, r.at_us, r.method, r.path, r.status, r.about, r.conversation_id, r.news, length(r.body) AS bytes,
       c.external_id AS conversation, u.external_id AS user
  FROM requests AS r LEFT JOIN conversations AS c ON c.id = r.conversation_id
       LEFT JOIN profiles AS u ON u.id = c.user_id
 WHERE r.position > ? ORDER BY r.position LIMIT ?"""


@dataclass(frozen=True, slots=True)
class Arrivals:
    """What came after a place, as far as fits into one answer."""

    store: str
    """Another one if numbers begin anew."""
    latest: int
    """The number of the latest request."""
    next: int
    """The place to go on from."""
    records: Sequence[JsonObject]


def read_arrivals(store: Store, *, after: int) -> Arrivals:
    """Read what came after the request with a number."""
    records: list[JsonObject] = []
    with store.snapshot() as db:
        identity, latest = _read_place(db)
        next, size = after, 0
        for row in db.execute(REQUESTS, (after, MOST_REQUESTS)):
            size += row["bytes"]
            if size > MOST_BYTES and next > after:
                break
            records += _read_records(db, row)
            next = row["position"]
    return Arrivals(identity, latest, next, records)


def find_place(store: Store, since_us: int | None) -> Arrivals:
    """Return the place before the first request since an instant; without one the latest place."""
    with store.snapshot() as db:
        identity, latest = _read_place(db)
        place = latest
        if since_us is not None:
            statement = "SELECT min(position) FROM requests WHERE at_us >= ?"
            (first,) = db.execute(statement, (since_us,)).fetchone()
            place = latest if first is None else first - 1
    return Arrivals(identity, latest, place, [])


def _read_place(db: sqlite3.Connection) -> tuple[str, int]:
    row = db.execute(
        "SELECT id, (SELECT coalesce(max(position), 0) FROM requests) AS latest FROM identity"
    ).fetchone()
    return row["id"], row["latest"]


def _read_records(db: sqlite3.Connection, row: sqlite3.Row) -> Iterator[JsonObject]:
    base = {
        "schema": "tail/1",
        "at": write_instant(row["at_us"]),
        "kind": "",
        "conversation": row["conversation"] or row["conversation_id"],
        "conversation_id": row["conversation_id"],
        "user": row["user"],
        "cursor": row["position"],
    }
    if row["status"] >= 400:
        about = {name: row[name] for name in ("status", "method", "path")}
        yield {**base, "kind": "rejected", **about, "reason": row["about"]}
    elif row["status"] == reading.SAMPLED_OUT:
        yield {**base, "kind": "sampled", "path": row["path"]}
    elif row["path"] == "/messages":
        yield from _read_messages(db, base, row["news"])
    elif row["path"] == "/events":
        yield from _read_outcomes(db, base, row["news"])
    elif row["path"] == "/ratings":
        yield from _read_rating(db, base, row)
    else:
        segment, _, name = row["path"][1:].partition("/")
        yield {**base, "kind": "profile", "profile": segment.removesuffix("s"), "id": name or row["about"]}


def _read_messages(db: sqlite3.Connection, base: JsonObject, news: str) -> Iterator[JsonObject]:
    found = db.execute(
        "SELECT * FROM messages WHERE id IN (SELECT value FROM json_each(?)) ORDER BY position", (news,)
    )
    messages = [reading.read_message(row) for row in found]
    for is_visible, group in itertools.groupby(messages, lambda message: message.type in VISIBLE_TYPES):
        if is_visible:
            for message in group:
                written = write_message(message)
                written["created_at"] = written.pop("at")  # the line says when it arrived
                yield {**base, **written, "kind": KINDS.get(message.type, "answer")}
        else:
            yield {**base, "kind": "steps", **_write_steps(list(group))}


def _write_steps(messages: Sequence[StoredMessage]) -> JsonObject:
    latencies = [read_property(message, "latency_ms") for message in messages]
    known = [latency for latency in latencies if isinstance(latency, int | float)]
    return {
        "duration_ms": sum(known) if known else None,
        "steps": [
            {
                "id": message.id,
                "external_id": message.external_id,
                "type": message.type,
                "name": message.tool_name,
                "error": read_error(message) or None,
            }
            for message in messages
        ],
    }


def _read_outcomes(db: sqlite3.Connection, base: JsonObject, news: str) -> Iterator[JsonObject]:
    statement = "SELECT * FROM outcomes WHERE id IN (SELECT value FROM json_each(?))"
    for row in db.execute(statement, (news,)):
        outcome = write_outcome(reading.read_outcome(row))
        named = base["conversation"] or row["external_conversation_id"] or row["conversation_id"]
        about = {"user": outcome["user"] or base["user"], "conversation": named}
        outcome["occurred_at"] = outcome.pop("at")
        yield {**base, **outcome, **about, "kind": "outcome"}


def _read_rating(db: sqlite3.Connection, base: JsonObject, request: sqlite3.Row) -> Iterator[JsonObject]:
    for id in json.loads(request["news"]):
        row = db.execute("SELECT * FROM ratings WHERE position = ?", (id,)).fetchone()
        if row is None:  # its conversation was one too many
            continue
        rating = write_rating(reading.read_rating(row))
        named = base["conversation"] or row["external_conversation_id"] or row["conversation_id"]
        rating["rated_at"] = rating.pop("at")
        yield {**base, **rating, "conversation": named, "kind": "rating"}
