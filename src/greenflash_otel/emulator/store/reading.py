"""What the store contains, as the values of `store_as`."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence

from greenflash_otel.emulator.instants import write_instant
from greenflash_otel.emulator.store.database import Store
from greenflash_otel.emulator.stored import (
    AcceptedRequest,
    StoredConversation,
    StoredMessage,
    StoredOrganization,
    StoredOutcome,
    StoredRating,
    StoredUser,
)

SAMPLED_OUT = 204
"""The status of a request of which nothing was stored, by its ``sampleRate``."""
ACCEPTED = "(SELECT * FROM requests WHERE status < 400)"

LATEST = "SELECT id, (SELECT coalesce(max(position), 0) FROM requests) FROM identity"

ALL = -1
"""A limit that SQLite takes for none."""

EVERY_CONVERSATION = """
SELECT c.*, u.external_id AS external_user_id, o.external_id AS external_organization_id
  FROM conversations AS c JOIN profiles AS u ON u.id = c.user_id
       LEFT JOIN profiles AS o ON o.id = c.organization_id"""
CONVERSATION = EVERY_CONVERSATION + " WHERE c.id = lower(?)"
CONVERSATIONS = (
    EVERY_CONVERSATION
    + """
 WHERE (:product_id IS NULL OR c.product_id = :product_id)
   AND (:id IS NULL OR c.id = lower(:id) OR c.external_id = :id)
 ORDER BY {order} LIMIT :limit OFFSET :offset"""
)
OLDEST_CREATED_FIRST, LATEST_CHANGED_FIRST = "c.position", "c.updated_at_us DESC, c.position DESC"

OUTCOMES = """
SELECT * FROM outcomes
 WHERE conversation_id = :id
    OR external_conversation_id = :external_id AND product_id = :product_id AND conversation_id IS NULL
 ORDER BY position"""

RATINGS = """
SELECT * FROM ratings
 WHERE conversation_id = :id
    OR conversation_id IS NULL
       AND product_id = :product_id
       AND coalesce(external_conversation_id, :external_id) IS :external_id
       AND (external_conversation_id IS NOT NULL
            OR message_id IN (SELECT id FROM messages WHERE conversation_id = :id)
            OR external_message_id IN (SELECT external_id FROM messages WHERE conversation_id = :id))
 ORDER BY position"""

PROFILES = """
SELECT p.*, o.external_id AS external_organization_id
  FROM profiles AS p LEFT JOIN profiles AS o
       ON o.kind = 'organization' AND o.id = json_extract(p.fields, '$.organizationId')
 WHERE p.kind = :kind AND (:external_id IS NULL OR p.external_id = :external_id)
 ORDER BY {order} LIMIT :limit OFFSET :offset"""

PRODUCTS = """
SELECT product_id, min(at_us) AS created_at_us
  FROM (SELECT product_id, created_at_us AS at_us FROM conversations
        UNION ALL SELECT product_id, occurred_at_us FROM outcomes
        UNION ALL SELECT product_id, rated_at_us FROM ratings)
 GROUP BY product_id ORDER BY product_id LIMIT :limit OFFSET :offset"""


def read_conversations(
    store: Store,
    *,
    id: str | None = None,
    product_id: str | None = None,
    limit: int = ALL,
    offset: int = 0,
    newest_first: bool = False,
) -> tuple[StoredConversation, ...]:
    """Return conversations in the order of their creation, or what changed last first.

    Args:
        store: Where they are.
        id: Greenflash's or the caller's.
        product_id: Of one product only.
        limit: At most so many.
        offset: Without the first so many.
        newest_first: In the order of their last change, the latest first.
    """
    wanted = {"id": id, "product_id": product_id, "limit": limit, "offset": offset}
    query = CONVERSATIONS.format(order=LATEST_CHANGED_FIRST if newest_first else OLDEST_CREATED_FIRST)
    with store.snapshot() as db:
        return tuple(_read_conversation(db, row) for row in db.execute(query, wanted).fetchall())


def read_conversation(store: Store, id: str) -> StoredConversation | None:
    """Return the conversation that has this id of Greenflash's; None if there is none."""
    with store.snapshot() as db:
        row = db.execute(CONVERSATION, (id,)).fetchone()
        return None if row is None else _read_conversation(db, row)


def read_outcomes(
    store: Store, *, limit: int = ALL, offset: int = 0, newest_first: bool = False
) -> tuple[StoredOutcome, ...]:
    """Return all Greenflash events in order of arrival, also those whose conversation is unknown."""
    return tuple(map(read_outcome, _select_page(store, "outcomes", limit, offset, newest_first)))


def read_ratings(
    store: Store, *, limit: int = ALL, offset: int = 0, newest_first: bool = False
) -> tuple[StoredRating, ...]:
    """Return all ratings in order of arrival, also those whose conversation is unknown."""
    return tuple(map(read_rating, _select_page(store, "ratings", limit, offset, newest_first)))


def read_users(
    store: Store,
    *,
    external_id: str | None = None,
    limit: int = ALL,
    offset: int = 0,
    newest_first: bool = False,
) -> tuple[StoredUser, ...]:
    """Return users in the order of their creation."""
    rows = _select_profiles(store, "user", external_id, limit, offset, newest_first)
    return tuple(map(_read_user, rows))


def read_organizations(
    store: Store,
    *,
    external_id: str | None = None,
    limit: int = ALL,
    offset: int = 0,
    newest_first: bool = False,
) -> tuple[StoredOrganization, ...]:
    """Return organizations in the order of their creation."""
    rows = _select_profiles(store, "organization", external_id, limit, offset, newest_first)
    return tuple(map(_read_organization, rows))


def read_products(store: Store, *, limit: int = ALL, offset: int = 0) -> tuple[tuple[str, str], ...]:
    """Return the id of every product that a request named, and since when."""
    with store.snapshot() as db:
        rows = db.execute(PRODUCTS, {"limit": limit, "offset": offset}).fetchall()
    return tuple((row["product_id"], write_instant(row["created_at_us"])) for row in rows)


def read_requests(
    store: Store, *, limit: int = ALL, offset: int = 0, newest_first: bool = False
) -> tuple[AcceptedRequest, ...]:
    """Return every accepted request in order of arrival, repeats and sampled-out ones too."""
    return tuple(
        AcceptedRequest(
            row["position"], row["method"], row["path"], json.loads(row["body"]), row["status"] == SAMPLED_OUT
        )
        for row in _select_page(store, ACCEPTED, limit, offset, newest_first)
    )


def external_id_of(store: Store, conversation_id: str) -> str | None:
    """Return the caller's id of a conversation, None if it has none or is unknown."""
    with store.snapshot() as db:
        row = db.execute(
            "SELECT external_id FROM conversations WHERE id = lower(?)", (conversation_id,)
        ).fetchone()
    return row["external_id"] if row else None


def read_latest(db: sqlite3.Connection) -> tuple[str, int]:
    """Return the id of the store, and the number of its latest request; 0 before the first."""
    (identity, latest) = db.execute(LATEST).fetchone()
    return identity, latest


def read_named_conversation(row: sqlite3.Row) -> str | None:
    """Return the conversation that an outcome or a rating names, by whichever id; None if it names none."""
    named: str | None = row["external_conversation_id"] or row["conversation_id"]
    return named


def _read_conversation(db: sqlite3.Connection, row: sqlite3.Row) -> StoredConversation:
    fields = json.loads(row["fields"])
    key = {"id": row["id"], "external_id": row["external_id"], "product_id": row["product_id"]}
    messages = db.execute(
        "SELECT * FROM messages WHERE conversation_id = :id ORDER BY created_at_us, position", key
    )
    return StoredConversation(
        id=row["id"],
        external_id=row["external_id"],
        product_id=row["product_id"],
        user_id=row["user_id"],
        external_user_id=row["external_user_id"],
        organization_id=row["organization_id"],
        external_organization_id=row["external_organization_id"],
        model=fields.get("model"),
        system_prompt=fields.get("systemPrompt"),
        properties=fields.get("properties"),
        voice_call=fields.get("voiceCall"),
        created_at=write_instant(row["created_at_us"]),
        updated_at=write_instant(row["updated_at_us"]),
        messages=tuple(map(read_message, messages)),
        outcomes=tuple(map(read_outcome, db.execute(OUTCOMES, key))),
        ratings=tuple(map(read_rating, db.execute(RATINGS, key))),
    )


def read_message(row: sqlite3.Row) -> StoredMessage:
    """Return the message of a row."""
    item = json.loads(row["item"])
    return StoredMessage(
        id=row["id"],
        external_id=row["external_id"],
        type=row["type"],
        role=item.get("role"),
        content=item.get("content"),
        context=item.get("context"),
        input=item.get("input"),
        output=item.get("output"),
        tool_name=item.get("toolName"),
        parent_external_id=item.get("parentExternalMessageId"),
        parent_id=item.get("parentMessageId"),
        created_at=write_instant(row["created_at_us"]),
        model=item.get("model"),
        properties=item.get("properties"),
        position=row["position"],
        item=item,
    )


def read_outcome(row: sqlite3.Row) -> StoredOutcome:
    """Return the outcome of a row."""
    body = json.loads(row["body"])
    return StoredOutcome(
        id=row["id"],
        event_type=body["eventType"],
        value=body["value"],
        value_type=body.get("valueType", "text"),
        influence=body.get("influence", "neutral"),
        occurred_at=write_instant(row["occurred_at_us"]),
        insert_id=row["insert_id"],
        external_user_id=body.get("externalUserId"),
        external_organization_id=body.get("externalOrganizationId"),
        properties=body.get("properties"),
        body=body,
    )


def read_rating(row: sqlite3.Row) -> StoredRating:
    """Return the rating of a row."""
    body = json.loads(row["body"])
    return StoredRating(
        rating=body["rating"],
        rating_min=body["ratingMin"],
        rating_max=body["ratingMax"],
        feedback=body.get("feedback"),
        message=row["external_message_id"] or row["message_id"],
        rated_at=write_instant(row["rated_at_us"]),
        body=body,
    )


def _select_page(
    store: Store, table: str, limit: int, offset: int, newest_first: bool
) -> Sequence[sqlite3.Row]:
    order = "DESC" if newest_first else "ASC"
    query = f"SELECT * FROM {table} ORDER BY position {order} LIMIT ? OFFSET ?"  # noqa: S608 - of names in this module
    with store.snapshot() as db:
        return db.execute(query, (limit, offset)).fetchall()


def _select_profiles(
    store: Store, kind: str, external_id: str | None, limit: int, offset: int, newest_first: bool
) -> Sequence[sqlite3.Row]:
    query = PROFILES.format(order="p.updated_at_us DESC, p.rowid DESC" if newest_first else "p.rowid")
    wanted = {"kind": kind, "external_id": external_id, "limit": limit, "offset": offset}
    with store.snapshot() as db:
        return db.execute(query, wanted).fetchall()


def _read_user(row: sqlite3.Row) -> StoredUser:
    fields = json.loads(row["fields"])
    return StoredUser(
        id=row["id"],
        external_id=row["external_id"],
        name=fields.get("name"),
        email=fields.get("email"),
        phone=fields.get("phone"),
        anonymized=fields.get("anonymized", False),
        organization_id=fields.get("organizationId"),
        external_organization_id=row["external_organization_id"],
        properties=fields.get("properties", {}),
        created_at=write_instant(row["created_at_us"]),
        updated_at=write_instant(row["updated_at_us"]),
    )


def _read_organization(row: sqlite3.Row) -> StoredOrganization:
    fields = json.loads(row["fields"])
    return StoredOrganization(
        id=row["id"],
        external_id=row["external_id"],
        name=fields.get("name"),
        properties=fields.get("properties", {}),
        created_at=write_instant(row["created_at_us"]),
        updated_at=write_instant(row["updated_at_us"]),
    )
