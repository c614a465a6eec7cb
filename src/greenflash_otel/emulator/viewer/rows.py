"""Lists of conversations, of requests, and the counts of the header: a bounded number of statements for each page."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from greenflash_otel.emulator.instants import read_instant_us

PAGE = 50
"""Rows of a page."""

OUTCOME_LINK = """(x.conversation_id = c.id
    OR x.conversation_id IS NULL AND x.product_id = c.product_id AND x.external_conversation_id = c.external_id)"""
"""Whether row ``x``, an outcome or a rating, names the conversation ``c``."""

NAMES_NONE = (
    "x.product_id = c.product_id AND +x.conversation_id IS NULL AND +x.external_conversation_id IS NULL"
)
"""Whether the rating ``x`` names no conversation, but the product of ``c``.

The plus signs keep SQLite from reading all such ratings by an index, for each conversation.
"""

RATING_LINK = f"""({OUTCOME_LINK}
    OR {NAMES_NONE} AND x.message_id IN (SELECT m.id FROM messages AS m WHERE m.conversation_id = c.id)
    OR {NAMES_NONE} AND x.external_message_id IN
       (SELECT m.external_id FROM messages AS m WHERE m.conversation_id = c.id))"""  # noqa: S608 - of names in this module
"""Whether the rating ``x`` names the conversation ``c``, or no conversation and a message of ``c``.

Each term can be searched by an index of its own.
"""

LINK = f"(SELECT c.id FROM conversations AS c WHERE {OUTCOME_LINK} LIMIT 1)"  # noqa: S608 - of names in this module
"""Greenflash's id of the conversation that row ``x``, an outcome or a rating, names; NULL if it is not stored."""

RATED = f"""(
    SELECT c.id FROM messages AS m JOIN conversations AS c ON c.id = m.conversation_id
     WHERE (m.external_id = x.external_message_id OR m.id = x.message_id)
       AND ({OUTCOME_LINK} OR {NAMES_NONE}) LIMIT 1)"""  # noqa: S608
"""Greenflash's id of the conversation that has the rating ``x`` and the message it rates; NULL if none has both."""

LOOSE_RATING = f"""CASE WHEN x.external_message_id IS NULL AND x.message_id IS NULL
    THEN {LINK} IS NULL ELSE {RATED} IS NULL END"""

COUNTS = f"""
SELECT (SELECT count(*) FROM conversations) AS conversations,
       (SELECT count(*) FROM outcomes) AS outcomes,
       (SELECT coalesce(max(position), 0) FROM requests) AS requests,
       (SELECT count(*) FROM profiles WHERE kind = 'user') AS users,
       (SELECT count(*) FROM profiles WHERE kind = 'organization') AS organizations,
       (SELECT count(*) FROM requests WHERE status >= 400) AS rejected,
       (SELECT count(*) FROM outcomes AS x WHERE {LINK} IS NULL)
         + (SELECT count(*) FROM ratings AS x WHERE {LOOSE_RATING}) AS unlinked"""  # noqa: S608 - see above

ANSWER_TYPES = ("assistant_message", "final_response")
"""Types of the messages that answer the user."""
VISIBLE_TYPES = ("user_message", *ANSWER_TYPES, "system_message")
"""Types of the messages that the user said or saw."""
ANSWERS, VISIBLE = str(ANSWER_TYPES), str(VISIBLE_TYPES)
"""The same for SQL: Python writes a tuple of plain texts as SQL writes a list."""

CONVERSATIONS = f"""
SELECT c.position, c.id, c.external_id, c.updated_at_us, u.external_id AS user, o.external_id AS organization,
       json_extract(c.fields, '$.model') AS model,
       (SELECT substr(json_extract(m.item, '$.content'), 1, 400) FROM messages AS m
         WHERE m.conversation_id = c.id AND m.type = 'user_message'
         ORDER BY m.created_at_us, m.position LIMIT 1) AS asked,
       (SELECT substr(json_extract(m.item, '$.content'), 1, 400) FROM messages AS m
         WHERE m.conversation_id = c.id AND m.type IN {ANSWERS}
         ORDER BY m.created_at_us DESC, m.position DESC LIMIT 1) AS answered,
       (SELECT count(*) FROM messages AS m WHERE m.conversation_id = c.id AND m.type IN {VISIBLE}) AS messages,
       (SELECT count(*) FROM messages AS m WHERE m.conversation_id = c.id) AS items,
       (SELECT max(m.created_at_us) FROM messages AS m
         WHERE m.conversation_id = c.id AND m.type IN {ANSWERS}) AS answered_at_us,
       (SELECT json_object('tool', json_extract(m.item, '$.toolName'),
                           'error', json_extract(m.item, '$.properties.error'),
                           'at_us', m.created_at_us)
          FROM messages AS m WHERE m.conversation_id = c.id AND m.failed ORDER BY m.position DESC LIMIT 1) AS error,
       (SELECT json_group_array(json_array(x.event_type, json_extract(x.body, '$.value'),
                                           json_extract(x.body, '$.influence')))
          FROM outcomes AS x WHERE {OUTCOME_LINK}) AS outcomes,
       (SELECT json_group_array(json_array(json_extract(x.body, '$.rating'), json_extract(x.body, '$.ratingMin'),
                                           json_extract(x.body, '$.ratingMax')))
          FROM ratings AS x WHERE {RATING_LINK}) AS ratings
  FROM conversations AS c JOIN profiles AS u ON u.id = c.user_id
       LEFT JOIN profiles AS o ON o.id = c.organization_id
 WHERE {{where}}
 ORDER BY c.updated_at_us DESC, c.position DESC LIMIT {PAGE + 1}"""  # noqa: S608 - see above

OUTCOME_OF = f"EXISTS (SELECT 1 FROM outcomes AS x WHERE {{condition}} {OUTCOME_LINK})"  # noqa: S608 - see above
RATING_OF = f"EXISTS (SELECT 1 FROM ratings AS x WHERE {{condition}} {RATING_LINK})"  # noqa: S608 - see above
MIDDLE = """json_extract(x.body, '$.rating') * 2 {sign}
    json_extract(x.body, '$.ratingMin') + json_extract(x.body, '$.ratingMax') AND"""

CONDITIONS: Mapping[str, str] = {
    "q": """(c.external_id LIKE :q_text ESCAPE '!' OR c.id LIKE :q_text ESCAPE '!'
        OR u.external_id LIKE :q_text ESCAPE '!'
        OR EXISTS (SELECT 1 FROM messages AS m WHERE m.conversation_id = c.id AND m.item LIKE :q_json ESCAPE '!'))""",
    "user": "u.external_id = :user",
    "org": "o.external_id = :org",
    "model": "json_extract(c.fields, '$.model') = :model",
    "outcome": OUTCOME_OF.format(condition="x.event_type = :outcome AND"),
    "since": "c.updated_at_us >= :since_us",
    "before": "(c.updated_at_us, c.position) < (:before_us, :before_position)",
}
"""The condition that each term of the query adds."""

HAS: Mapping[str, str] = {
    "error": "EXISTS (SELECT 1 FROM messages AS m WHERE m.conversation_id = c.id AND m.failed)",
    "step": f"""EXISTS (SELECT 1 FROM messages AS m
        WHERE m.conversation_id = c.id AND m.type NOT IN {VISIBLE})""",  # noqa: S608 - of names in this module
    "outcome": OUTCOME_OF.format(condition=""),
    "rating": RATING_OF.format(condition=""),
    "up": RATING_OF.format(condition=MIDDLE.format(sign=">")),
    "down": RATING_OF.format(condition=MIDDLE.format(sign="<")),
    "branch": """EXISTS (SELECT 1 FROM messages AS m WHERE m.conversation_id = c.id AND m.type = 'user_message'
        AND m.parent IS NOT NULL GROUP BY m.parent HAVING count(*) > 1)""",
}
"""What ``has=`` may ask for."""


@dataclass(frozen=True, slots=True)
class HeaderCounts:
    """What the header says."""

    conversations: int
    outcomes: int
    requests: int
    users: int
    organizations: int
    rejected: int
    unlinked: int
    """Outcomes without a conversation, and ratings of something unknown."""


@dataclass(frozen=True, slots=True)
class ConversationRow:
    """A conversation in a list."""

    id: str
    external_id: str | None
    user: str
    organization: str | None
    model: str | None
    updated_at_us: int
    asked: str | None
    """The first thing that the user said."""
    answered: str | None
    """The last thing that the user saw."""
    messages: int
    steps: int
    error: str | None
    """What failed last, in one line; None if nothing did."""
    failed_last: bool
    """Whether the user saw no answer after that."""
    outcomes: Sequence[tuple[str, str, str]]
    """Type, value and influence."""
    ratings: Sequence[tuple[float, float, float]]
    """Rating, lowest and highest possible."""
    cursor: str


@dataclass(frozen=True, slots=True)
class Listed:
    """A page of a list."""

    rows: Sequence[Any]
    """Of whatever is listed."""
    next: str | None
    """The cursor of the next page; None at the end."""


def count_all(db: sqlite3.Connection) -> HeaderCounts:
    """Count what there is."""
    return HeaderCounts(**dict(db.execute(COUNTS).fetchone()))


def list_conversations(db: sqlite3.Connection, query: Mapping[str, str]) -> Listed:
    """List the conversations that the terms of ``query`` describe, latest change first. Raises ValueError."""
    terms: dict[str, Any] = {name: query[name] for name in CONDITIONS if query.get(name)}
    conditions = [CONDITIONS[name] for name in terms]
    for name in filter(None, query.get("has", "").split(",")):
        if name not in HAS:
            raise ValueError(f"has={name} is not known; write one of {', '.join(HAS)}")
        conditions.append(HAS[name])
    if "q" in terms:
        terms["q_text"] = _make_pattern(terms["q"])
        terms["q_json"] = _make_pattern(json.dumps(terms["q"], ensure_ascii=False)[1:-1])
    if "since" in terms:
        terms["since_us"] = _read_since_us(terms["since"])
    if "before" in terms:
        terms["before_us"], terms["before_position"] = read_cursor(terms["before"])
    statement = CONVERSATIONS.format(where=" AND ".join(conditions) or "1")
    return make_page([_read_row(row) for row in db.execute(statement, terms)])


def make_page(rows: Sequence[Any]) -> Listed:
    """Make a page of rows, one more than fit if there is a next page."""
    return Listed(rows[:PAGE], rows[PAGE - 1].cursor if len(rows) > PAGE else None)


def read_cursor(text: str) -> tuple[int, int]:
    """Read a cursor of `ConversationRow`. Raises ValueError."""
    first, _, second = text.partition("-")
    changed_us, position = read_number(first), read_number(second)
    if changed_us is None or position is None:
        raise ValueError(f"before={text} is no place in this list; begin at its first page")
    return changed_us, position


def read_number(text: str) -> int | None:
    """Read a number of an address; None if it is none, or larger than any that SQLite stores."""
    return int(text) if text.isdecimal() and len(text) < 19 else None


def _read_since_us(text: str) -> int:
    try:
        return read_instant_us(text)
    except ValueError as error:
        raise ValueError(f"since={text}: {error}") from None


def _make_pattern(text: str) -> str:
    """Make a LIKE pattern of what a person typed."""
    return "%" + text.replace("!", "!!").replace("%", "!%").replace("_", "!_") + "%"


def _read_row(row: sqlite3.Row) -> ConversationRow:
    error = None if row["error"] is None else json.loads(row["error"])
    return ConversationRow(
        id=row["id"],
        external_id=row["external_id"],
        user=row["user"],
        organization=row["organization"],
        model=row["model"],
        updated_at_us=row["updated_at_us"],
        asked=row["asked"],
        answered=row["answered"],
        messages=row["messages"],
        steps=row["items"] - row["messages"],
        error=None if error is None else describe_error(error),
        failed_last=error is not None and error["at_us"] >= (row["answered_at_us"] or 0),
        outcomes=[
            (type, value, influence or "neutral") for type, value, influence in json.loads(row["outcomes"])
        ],
        ratings=[(rating, lowest, highest) for rating, lowest, highest in json.loads(row["ratings"])],
        cursor=f"{row['updated_at_us']}-{row['position']}",
    )


def describe_error(row: Mapping[str, Any]) -> str:
    """Say in one line what failed: the error that was sent, else the tool."""
    error = row.get("error")
    if isinstance(error, str):
        try:
            error = json.loads(error)
        except ValueError:
            return str(error)
    if isinstance(error, Mapping):
        parts = [str(error[name]) for name in ("type", "message") if error.get(name)]
        return ": ".join(parts) or "failed"
    if error is not None:
        return str(error)
    return f"{row['tool']} failed" if row.get("tool") else "failed"
