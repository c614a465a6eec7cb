"""Find the page of an id, whatever it is the id of."""

from __future__ import annotations

import sqlite3
from urllib.parse import quote

from greenflash_otel.emulator.viewer.rows import OUTCOME_LINK

PLACES = (
    (
        "conversation",
        "SELECT id FROM conversations WHERE id = lower(:id) OR external_id = :id ORDER BY position DESC",
    ),
    (
        "message",
        "SELECT conversation_id, id FROM messages WHERE external_id = :id OR id = lower(:id) ORDER BY position DESC",
    ),
    (
        "outcome",
        f"""SELECT c.id AS conversation_id, x.id, x.event_type
              FROM outcomes AS x LEFT JOIN conversations AS c ON {OUTCOME_LINK}
             WHERE x.id = lower(:id) OR x.insert_id = :id""",  # noqa: S608 - of names of ours
    ),
    (
        "user",
        "SELECT external_id FROM profiles WHERE kind = 'user' AND (external_id = :id OR id = lower(:id))",
    ),
    (
        "organization",
        "SELECT external_id FROM profiles WHERE kind = 'organization' AND (external_id = :id OR id = lower(:id))",
    ),
    (
        "response",
        """SELECT conversation_id, id FROM messages
            WHERE item LIKE '%"response_id"%' AND json_extract(item, '$.properties.response_id') = :id
            ORDER BY position DESC""",
    ),
)
"""Where an id is looked for, in this order, and how."""


def find_address(db: sqlite3.Connection, id: str) -> str | None:
    """Return the address of what has the id; None if nothing has."""
    for place, statement in PLACES:
        row = db.execute(statement + " LIMIT 1", {"id": id}).fetchone()
        if row is not None:
            return _make_address(place, row)
    return None


def _make_address(place: str, row: sqlite3.Row) -> str:
    if place == "conversation":
        return f"/c/{row['id']}"
    if place in ("user", "organization"):
        return f"/{place}s/{quote(row['external_id'], safe='')}"
    if place == "outcome":
        if row["conversation_id"] is None:
            return f"/outcomes/{quote(row['event_type'], safe='')}#o-{row['id']}"
        return f"/c/{row['conversation_id']}#o-{row['id']}"
    return f"/c/{row['conversation_id']}?leaf={row['id']}#m-{row['id']}"
