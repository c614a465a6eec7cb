"""Lists of outcomes, requests, users, organizations, and of what belongs to nothing: one statement each."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from greenflash_otel.emulator.endpoints import READING_METHODS
from greenflash_otel.emulator.store.reading import read_named_conversation, read_outcome, read_rating
from greenflash_otel.emulator.stored import StoredOutcome, StoredRating
from greenflash_otel.emulator.viewer.rows import LINK, LOOSE_RATING, PAGE, Listed, make_page

MOST_EVENT_TYPES = 200
"""Event types that the overview shows."""

EVENT_TYPES = f"""
SELECT event_type, coalesce(json_extract(body, '$.valueType'), 'text') AS value_type, count(*) AS count,
       sum(CAST(json_extract(body, '$.value') AS REAL)) AS sum,
       sum(json_extract(body, '$.value') = 'true') AS trues,
       sum(json_extract(body, '$.influence') IS 'positive') AS positive,
       sum(json_extract(body, '$.influence') IS 'negative') AS negative,
       sum({LINK} IS NOT NULL) AS linked
  FROM outcomes AS x GROUP BY event_type, value_type ORDER BY count DESC, event_type, value_type"""  # noqa: S608
DAYS = """
SELECT event_type, date(occurred_at_us / 1000000, 'unixepoch') AS day, count(*) AS count
  FROM outcomes GROUP BY event_type, day ORDER BY event_type, day"""
OUTCOMES = f"""
SELECT x.*, {LINK} AS linked,
       (SELECT substr(json_extract(m.item, '$.content'), 1, 200) FROM messages AS m
         WHERE m.conversation_id = {LINK} AND m.type = 'user_message'
           AND m.created_at_us <= x.occurred_at_us
         ORDER BY m.created_at_us DESC, m.position DESC LIMIT 1) AS asked
  FROM outcomes AS x WHERE {{where}} ORDER BY x.position DESC LIMIT {PAGE + 1}"""  # noqa: S608
RATINGS = f"""
SELECT x.*, {LINK} AS linked FROM ratings AS x
 WHERE {LOOSE_RATING} AND (:before IS NULL OR x.position < :before)
 ORDER BY x.position DESC LIMIT {PAGE + 1}"""  # noqa: S608
REQUEST_COLUMNS = """
    position, at_us, duration_us, method, path, sender, status, about, conversation_id, length(body) AS bytes"""
REQUESTS = f"""
SELECT {REQUEST_COLUMNS} FROM requests WHERE {{where}} ORDER BY position DESC LIMIT {PAGE + 1}"""  # noqa: S608
REQUEST = f"SELECT {REQUEST_COLUMNS}, body FROM requests WHERE position = ?"  # noqa: S608
PROFILES = f"""
SELECT p.rowid AS row, p.id, p.external_id, p.fields, p.created_at_us, p.updated_at_us,
       (SELECT o.external_id FROM profiles AS o
         WHERE o.id = json_extract(p.fields, '$.organizationId')) AS organization,
       (SELECT count(*) FROM conversations AS c WHERE c.user_id = p.id OR c.organization_id = p.id) AS conversations
  FROM profiles AS p WHERE p.kind = :kind AND {{where}} ORDER BY p.rowid DESC LIMIT {PAGE + 1}"""  # noqa: S608
ORPHANS = f"""
SELECT m.position, m.id, m.type, m.parent, m.conversation_id, c.external_id AS conversation
  FROM messages AS m JOIN conversations AS c ON c.id = m.conversation_id
 WHERE m.parent IS NOT NULL AND (:before IS NULL OR m.position < :before)
   AND NOT EXISTS (SELECT 1 FROM messages AS p WHERE p.external_id = m.parent AND p.conversation_id = m.conversation_id)
   AND NOT EXISTS (SELECT 1 FROM messages AS p WHERE p.id = m.parent)
 ORDER BY m.position DESC LIMIT {PAGE + 1}"""  # noqa: S608

REQUEST_KINDS: Mapping[str, str] = {
    "": "1",
    "rejected": "status >= 400",
    "accepted": "status IN (200, 201)",
    "sampled": "status = 204",
}
"""What ``?status=`` may say, and its condition."""


@dataclass(frozen=True, slots=True)
class EventType:
    """All outcomes of one event type and value type."""

    name: str
    value_type: str
    count: int
    sum: float
    trues: int
    positive: int
    negative: int
    linked: int
    twins: Sequence[str]
    """Other event types that differ in case, or in blanks and underscores, only."""


@dataclass(frozen=True, slots=True)
class OutcomeRow:
    """An outcome in a list."""

    stored: StoredOutcome
    conversation_id: str | None
    """Greenflash's; None if its conversation is not stored."""
    named: str | None
    """The conversation as it was named."""
    asked: str | None
    cursor: str


@dataclass(frozen=True, slots=True)
class RatingRow:
    """A rating of something unknown."""

    stored: StoredRating
    named: str | None
    """The conversation as it was named."""
    conversation_id: str | None
    cursor: str


@dataclass(frozen=True, slots=True)
class RequestRow:
    """A request in a list, without its body."""

    position: int
    at_us: int
    duration_us: int
    method: str
    path: str
    sender: str
    status: int
    about: str
    conversation_id: str | None
    bytes: int
    cursor: str

    @property
    def may_be_repeated(self) -> bool:
        """Whether there is a point in sending it again: it would change something."""
        return self.method not in READING_METHODS


@dataclass(frozen=True, slots=True)
class ProfileRow:
    """A user or an organization."""

    id: str
    external_id: str
    name: str | None
    organization: str | None
    fields: Mapping[str, Any]
    conversations: int
    created_at_us: int
    updated_at_us: int
    cursor: str


@dataclass(frozen=True, slots=True)
class OrphanRow:
    """A message whose parent is not stored."""

    id: str
    type: str
    parent: str
    conversation_id: str
    conversation: str | None
    cursor: str


def list_event_types(db: sqlite3.Connection) -> Sequence[EventType]:
    """List all event types, the most frequent first."""
    rows = db.execute(EVENT_TYPES).fetchall()
    names = {row["event_type"]: _fold(row["event_type"]) for row in rows}
    alike: defaultdict[str, list[str]] = defaultdict(list)
    for name in sorted(names):
        alike[names[name]].append(name)
    return [
        EventType(
            name=row["event_type"],
            value_type=row["value_type"],
            count=row["count"],
            sum=round(row["sum"], 4),
            trues=row["trues"],
            positive=row["positive"],
            negative=row["negative"],
            linked=row["linked"],
            twins=[name for name in alike[names[row["event_type"]]] if name != row["event_type"]],
        )
        for row in rows
    ]


def count_days(db: sqlite3.Connection) -> Sequence[tuple[str, str, int]]:
    """Count the outcomes of each event type and day."""
    return [(row["event_type"], row["day"], row["count"]) for row in db.execute(DAYS)]


def list_outcomes(
    db: sqlite3.Connection,
    *,
    event_type: str | None = None,
    user: str | None = None,
    organization: str | None = None,
    loose: bool = False,
    before: int | None = None,
) -> Listed:
    """List outcomes, the newest first; with ``loose`` those whose conversation is not stored."""
    terms = {"event_type": event_type, "user": user, "organization": organization, "before": before}
    conditions = {
        "event_type": "x.event_type = :event_type",
        "user": "json_extract(x.body, '$.externalUserId') = :user",
        "organization": "json_extract(x.body, '$.externalOrganizationId') = :organization",
        "before": "x.position < :before",
    }
    where = [condition for name, condition in conditions.items() if terms[name] is not None]
    if loose:
        where.append(f"{LINK} IS NULL")
    return make_page(
        [_read_outcome(row) for row in db.execute(OUTCOMES.format(where=" AND ".join(where) or "1"), terms)]
    )


def list_loose_ratings(db: sqlite3.Connection, *, before: int | None = None) -> Listed:
    """List the ratings of something that is not stored."""
    return make_page(
        [
            RatingRow(
                stored=read_rating(row),
                named=read_named_conversation(row),
                conversation_id=row["linked"],
                cursor=str(row["position"]),
            )
            for row in db.execute(RATINGS, {"before": before})
        ]
    )


def list_orphans(db: sqlite3.Connection, *, before: int | None = None) -> Listed:
    """List the messages whose parent is not stored."""
    names = ("id", "type", "parent", "conversation_id", "conversation")
    rows = [
        OrphanRow(**{name: row[name] for name in names}, cursor=str(row["position"]))
        for row in db.execute(ORPHANS, {"before": before})
    ]
    return make_page(rows)


def list_requests(
    db: sqlite3.Connection, *, status: str = "", conversation_id: str | None = None, before: int | None = None
) -> Listed:
    """List requests, the newest first. Raises ValueError if the status is none that is known."""
    if status not in REQUEST_KINDS:
        raise ValueError(
            f"status={status} is not known; write one of {', '.join(filter(None, REQUEST_KINDS))}"
        )
    where = REQUEST_KINDS[status]
    if conversation_id is not None:
        where += " AND conversation_id = :conversation_id"
    if before is not None:
        where += " AND position < :before"
    terms = {"conversation_id": conversation_id, "before": before}
    matching = db.execute(REQUESTS.format(where=where), terms)
    return make_page([RequestRow(**dict(row), cursor=str(row["position"])) for row in matching])


def read_request(db: sqlite3.Connection, position: int) -> tuple[RequestRow, bytes] | None:
    """Return a request and its body; None if there is none of that number."""
    row = db.execute(REQUEST, (position,)).fetchone()
    if row is None:
        return None
    columns = dict(row)
    body = bytes(columns.pop("body"))
    return RequestRow(**columns, cursor=str(position)), body


def list_profiles(
    db: sqlite3.Connection,
    kind: Literal["user", "organization"],
    *,
    external_id: str | None = None,
    before: int | None = None,
) -> Listed:
    """List users or organizations, the newest first."""
    where = ["p.external_id = :external_id"] if external_id is not None else []
    where += ["p.rowid < :before"] if before is not None else []
    terms = {"kind": kind, "external_id": external_id, "before": before}
    rows = []
    for row in db.execute(PROFILES.format(where=" AND ".join(where) or "1"), terms):
        fields = json.loads(row["fields"])
        rows.append(
            ProfileRow(
                id=row["id"],
                external_id=row["external_id"],
                name=fields.get("name"),
                organization=row["organization"],
                fields=fields,
                conversations=row["conversations"],
                created_at_us=row["created_at_us"],
                updated_at_us=row["updated_at_us"],
                cursor=str(row["row"]),
            )
        )
    return make_page(rows)


def _read_outcome(row: sqlite3.Row) -> OutcomeRow:
    return OutcomeRow(
        stored=read_outcome(row),
        conversation_id=row["linked"],
        named=read_named_conversation(row),
        asked=row["asked"],
        cursor=str(row["position"]),
    )


def _fold(name: str) -> str:
    return "".join(character for character in name.casefold() if character.isalnum())
