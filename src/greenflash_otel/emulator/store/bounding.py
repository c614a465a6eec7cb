"""Keep the store small: the conversations that changed last stay, the others go, with all that belongs to them.

What belongs to no conversation goes when it is older than the last request of one that goes. Users and organizations
stay.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping
from typing import Any

from greenflash_otel.emulator.store.database import Change
from greenflash_otel.emulator.store.reading import LATEST_CHANGED_FIRST, OUTCOMES, RATINGS

SURPLUS = f"""
SELECT c.id, c.external_id, c.product_id,
       (SELECT max(r.position) FROM requests AS r WHERE r.conversation_id = c.id) AS last_request
  FROM conversations AS c WHERE c.id IS NOT :newest
 ORDER BY {LATEST_CHANGED_FIRST} LIMIT -1 OFFSET :others"""  # noqa: S608 - of names of this package
BELONGING = (
    # The last position stays in use: a request names a rating by it.
    f"""DELETE FROM ratings WHERE position IN (SELECT position FROM ({RATINGS}))
           AND position < (SELECT max(position) FROM ratings)""",  # noqa: S608
    f"DELETE FROM outcomes WHERE position IN (SELECT position FROM ({OUTCOMES}))",  # noqa: S608
    "DELETE FROM messages WHERE conversation_id = :id",
    "DELETE FROM requests WHERE conversation_id = :id",
    "DELETE FROM conversations WHERE id = :id",
)
"""In an order in which each finds what it needs."""
LOOSE_REQUESTS = "FROM requests WHERE conversation_id IS NULL AND position < :last_request"
NAMES_A_CONVERSATION = """EXISTS (SELECT 1 FROM conversations AS c
    WHERE c.id = x.conversation_id
       OR x.conversation_id IS NULL AND c.product_id = x.product_id AND c.external_id = x.external_conversation_id)"""
LOOSE_OUTCOME = f"""
DELETE FROM outcomes AS x WHERE id IN (SELECT value FROM json_each(:news)) AND NOT {NAMES_A_CONVERSATION}"""  # noqa: S608
LOOSE_RATING = f"""
DELETE FROM ratings AS x
 WHERE position IN (SELECT value FROM json_each(:news)) AND position < (SELECT max(position) FROM ratings)
   AND NOT {NAMES_A_CONVERSATION}
   AND NOT EXISTS (SELECT 1 FROM messages AS m WHERE m.external_id = x.external_message_id OR m.id = x.message_id)
"""  # noqa: S608


def make_bound(most: int | None) -> Callable[[Change], None]:
    """Make what a `Store` ends its changes with, for a number of conversations; None is no bound."""

    def bound(change: Change) -> None:
        if most is not None and change.begun:
            remove_oldest(change.db, most, newest=change.begun[-1])

    return bound


def remove_oldest(db: sqlite3.Connection, most: int, *, newest: str) -> None:
    """Remove what is beyond a number of conversations.

    Args:
        db: Within a transaction.
        most: How many conversations stay.
        newest: Greenflash's id of one that stays whatever the clock says.
    """
    for row in db.execute(SURPLUS, {"newest": newest, "others": most - 1}).fetchall():
        _remove(db, dict(row))


def _remove(db: sqlite3.Connection, conversation: Mapping[str, Any]) -> None:
    for statement in BELONGING:
        db.execute(statement, conversation)
    for request in db.execute(f"SELECT path, news {LOOSE_REQUESTS}", conversation).fetchall():
        if json.loads(request["news"]):
            db.execute(LOOSE_OUTCOME if request["path"] == "/events" else LOOSE_RATING, dict(request))
    db.execute(f"DELETE {LOOSE_REQUESTS}", conversation)
