"""What a checked body changes in the store, under the rules of the API reference.

Messages: the first version of an ``externalMessageId`` within a conversation stays. Events: the first
of an ``insertId`` stays. Fields of conversations, users and organizations: the last one sent counts.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from greenflash_otel.emulator.contract import (
    EventRequest,
    MessageItem,
    MessagesRequest,
    OrganizationRequest,
    OrganizationUpdate,
    RatingRequest,
    UserRequest,
    UserUpdate,
)
from greenflash_otel.emulator.contract.fields import Body
from greenflash_otel.emulator.instants import read_instant_us
from greenflash_otel.emulator.refusal import Refused
from greenflash_otel.emulator.store.database import Change
from greenflash_otel.emulator.terminal_lines import write_line

Kind: TypeAlias = Literal["user", "organization"]

DEFAULT_PRODUCT_ID = "00000000-0000-4000-8000-000000000000"
"""Where a new conversation goes that names no product; the reference does not say where."""

STEP_US = 1_000
"""Between two times that the server assigns; a millisecond keeps the order of the array."""

CONVERSATION_FIELDS = ("model", "systemPrompt", "properties", "voiceCall")
PROFILE_FIELDS = ("name", "email", "phone", "anonymized", "properties")


@dataclass(frozen=True, slots=True)
class Arrival:
    """A request as it came in."""

    method: str
    path: str
    """Below ``/api/v1``."""
    body: bytes
    sender: str
    """The header ``User-Agent``; empty if it had none."""
    began_ns: int
    """When it came, by the clock of `time.perf_counter_ns`."""


@dataclass(frozen=True, slots=True)
class MessageReceipt:
    """What became of one item of a request."""

    id: str
    external_id: str | None
    type: str
    created: bool
    """False where the conversation had it already."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a request to ``/messages``."""

    conversation_id: str
    messages: tuple[MessageReceipt, ...]

    @property
    def created_ids(self) -> Sequence[str]:
        """Greenflash's ids of the messages that it had not before."""
        return [message.id for message in self.messages if message.created]


@dataclass(frozen=True, slots=True)
class EventReceipt:
    """What became of a request to ``/events``."""

    id: str
    created: bool
    """False if its ``insertId`` was known."""


def note(
    change: Change,
    arrival: Arrival,
    status: int,
    about: str = "",
    conversation_id: str | None = None,
    *,
    news: Sequence[str | int] = (),
    brief: str | None = None,
) -> None:
    """Store a request and how it is answered, even if it changes nothing else.

    Args:
        change: The change that it belongs to.
        arrival: The request.
        status: Of the answer.
        about: For people: what it did, or why it was refused.
        conversation_id: Greenflash's, if it is known by then.
        news: Ids of what was not known before.
        brief: As `about`, for a terminal.
    """
    change.lines.append(write_line(status, arrival.method, arrival.path, about if brief is None else brief))
    row = {
        "at_us": change.now_us,
        "duration_us": (time.perf_counter_ns() - arrival.began_ns) // 1_000,
        "method": arrival.method,
        "path": arrival.path,
        "sender": arrival.sender,
        "status": status,
        "about": about,
        "conversation_id": conversation_id,
        "body": arrival.body,
        "news": json.dumps(news),
    }
    _insert(change.db, "requests", row)


def find_conversation_id(change: Change, body: EventRequest | RatingRequest) -> str | None:
    """Return Greenflash's id of the conversation that an outcome or a rating names; None if it is not stored."""
    row = change.db.execute(
        """SELECT id FROM conversations WHERE id = :id
           UNION ALL SELECT id FROM conversations
                      WHERE :id IS NULL AND external_id = :external_id AND product_id = :product_id""",
        {
            "id": _lower(body.conversation_id),
            "external_id": body.external_conversation_id,
            "product_id": body.product_id.lower(),
        },
    ).fetchone()
    return None if row is None else str(row["id"])


def add_messages(change: Change, request: MessagesRequest) -> Receipt:
    """Create or extend a conversation. Raises `Refused` if ``conversationId`` is unknown."""
    conversation_id = _save_conversation(change, request)
    (latest_us,) = change.db.execute(
        "SELECT max(created_at_us) FROM messages WHERE conversation_id = ?", (conversation_id,)
    ).fetchone()
    receipts = []
    for item in request.messages:
        at_us = change.now_us if latest_us is None else max(change.now_us, latest_us + STEP_US)
        if item.created_at is not None:
            at_us = read_instant_us(item.created_at)
        receipt = _add_message(change, conversation_id, item, at_us)
        if receipt.created:
            latest_us = at_us if latest_us is None else max(latest_us, at_us)
        receipts.append(receipt)
    return Receipt(conversation_id, tuple(receipts))


def add_event(change: Change, request: EventRequest) -> EventReceipt:
    """Keep a Greenflash event; one of a known ``insertId`` has the id that it got first."""
    at_us = change.now_us if request.event_at is None else read_instant_us(request.event_at)
    event_id = change.new_uuid()
    row = {
        "id": event_id,
        "insert_id": request.insert_id,
        "event_type": request.event_type,
        "product_id": request.product_id.lower(),
        "conversation_id": _lower(request.conversation_id),
        "external_conversation_id": request.external_conversation_id,
        "occurred_at_us": at_us,
        "body": json.dumps(request.as_sent()),
    }
    if _insert(change.db, "outcomes", row):
        return EventReceipt(event_id, created=True)
    stored = change.db.execute("SELECT id FROM outcomes WHERE insert_id = ?", (request.insert_id,)).fetchone()
    return EventReceipt(str(stored["id"]), created=False)


def add_rating(change: Change, request: RatingRequest) -> int:
    """Keep a rating and return its position. A repeat is a second rating, as there is no key; the last one is shown."""
    at_us = change.now_us if request.rated_at is None else read_instant_us(request.rated_at)
    row = {
        "product_id": request.product_id.lower(),
        "conversation_id": _lower(request.conversation_id),
        "external_conversation_id": request.external_conversation_id,
        "message_id": request.message_id,
        "external_message_id": request.external_message_id,
        "rated_at_us": at_us,
        "body": json.dumps(request.as_sent()),
    }
    _insert(change.db, "ratings", row)
    (position,) = change.db.execute("SELECT last_insert_rowid()").fetchone()
    return int(position)


def save_user(change: Change, external_id: str, request: UserRequest | UserUpdate) -> None:
    """Create a user or change the fields that were sent; ``properties`` are replaced as one."""
    fields = _pick_fields(request, PROFILE_FIELDS)
    if request.organization_id is not None:
        fields["organizationId"] = request.organization_id.lower()
    elif request.external_organization_id is not None:
        fields["organizationId"] = _save_profile(change, "organization", request.external_organization_id, {})
    _save_profile(change, "user", external_id, fields)


def save_organization(
    change: Change, external_id: str, request: OrganizationRequest | OrganizationUpdate
) -> None:
    """Create an organization or change the fields that were sent."""
    _save_profile(change, "organization", external_id, _pick_fields(request, PROFILE_FIELDS))


def demand_profile(change: Change, kind: Kind, external_id: str) -> None:
    """Raise `Refused` with status 404 if there is no such user or organization."""
    row = change.db.execute(
        "SELECT 1 FROM profiles WHERE kind = ? AND external_id = ?", (kind, external_id)
    ).fetchone()
    if row is None:
        raise Refused(404, f"No {kind} has the external id {external_id!r}; create it with POST /{kind}s")


def _save_profile(change: Change, kind: Kind, external_id: str, fields: Mapping[str, object]) -> str:
    """Create a profile or change fields of it; its Greenflash id."""
    stored = change.db.execute(
        "SELECT id, fields FROM profiles WHERE kind = ? AND external_id = ?", (kind, external_id)
    ).fetchone()
    row = {
        "id": stored["id"] if stored else change.new_uuid(),
        "kind": kind,
        "external_id": external_id,
        "fields": _merge_json(stored, fields),
        "created_at_us": change.now_us,
        "updated_at_us": change.now_us,
    }
    if stored is None:
        _insert(change.db, "profiles", row)
    elif fields:
        change.db.execute(
            "UPDATE profiles SET fields = :fields, updated_at_us = :updated_at_us WHERE id = :id", row
        )
    return str(row["id"])


def _save_conversation(change: Change, request: MessagesRequest) -> str:
    """Create the conversation of a request or change fields of it; its Greenflash id."""
    stored = _find_conversation(change.db, request)
    organization_id = None
    if request.external_organization_id is not None:
        organization_id = _save_profile(change, "organization", request.external_organization_id, {})
    membership = {"organizationId": organization_id} if organization_id else {}
    row = {
        "id": stored["id"] if stored else change.new_uuid(),
        "product_id": _lower(request.product_id) or DEFAULT_PRODUCT_ID,
        "external_id": request.external_conversation_id,
        "user_id": _save_profile(change, "user", request.external_user_id, membership),
        "organization_id": organization_id,
        "fields": _merge_json(stored, _pick_fields(request, CONVERSATION_FIELDS)),
        "created_at_us": change.now_us,
        "updated_at_us": change.now_us,
    }
    if stored is None:
        _insert(change.db, "conversations", row)
        change.begun.append(str(row["id"]))
    else:
        change.db.execute(
            """UPDATE conversations
                  SET user_id = :user_id, organization_id = coalesce(:organization_id, organization_id),
                      fields = :fields, updated_at_us = :updated_at_us
                WHERE id = :id""",
            row,
        )
    return str(row["id"])


def _find_conversation(db: sqlite3.Connection, request: MessagesRequest) -> sqlite3.Row | None:
    """Return the conversation a request extends; None if it begins one."""
    row: sqlite3.Row | None = None
    if request.conversation_id is not None:
        row = db.execute(
            "SELECT * FROM conversations WHERE id = ?", (request.conversation_id.lower(),)
        ).fetchone()
        if row is None:
            raise Refused(
                404, "conversationId: no conversation has it; send externalConversationId to begin one"
            )
    elif request.external_conversation_id is not None:
        row = db.execute(
            """SELECT * FROM conversations
                WHERE external_id = :external_id AND product_id = coalesce(:product_id, product_id)
                ORDER BY position DESC LIMIT 1""",
            {"external_id": request.external_conversation_id, "product_id": _lower(request.product_id)},
        ).fetchone()
    return row


def _add_message(change: Change, conversation_id: str, item: MessageItem, at_us: int) -> MessageReceipt:
    row = {
        "id": change.new_uuid(),
        "conversation_id": conversation_id,
        "external_id": item.external_message_id,
        "type": item.type,
        "parent": item.parent_external_message_id or _lower(item.parent_message_id),
        "failed": _has_failed(item),
        "created_at_us": at_us,
        # As text, not as escapes: it is searched with LIKE.
        "item": json.dumps(item.as_sent(), ensure_ascii=False),
    }
    if _insert(change.db, "messages", row):
        return MessageReceipt(str(row["id"]), item.external_message_id, item.type, created=True)
    stored = change.db.execute(
        "SELECT id, type FROM messages WHERE conversation_id = ? AND external_id = ?",
        (conversation_id, item.external_message_id),
    ).fetchone()
    return MessageReceipt(stored["id"], item.external_message_id, stored["type"], created=False)


def _has_failed(item: MessageItem) -> bool:
    """Return whether a tool failed, or the call that the message is about."""
    properties = item.properties or {}
    return item.type == "tool_error" or "error" in properties or properties.get("ending") == "failed"


def _insert(db: sqlite3.Connection, table: str, row: Mapping[str, object]) -> bool:
    """Insert a row; False if its key is there already. Table and columns are names of this module."""
    values = ", ".join(f":{name}" for name in row)
    statement = f"INSERT INTO {table} ({', '.join(row)}) VALUES ({values}) ON CONFLICT DO NOTHING"  # noqa: S608
    return db.execute(statement, row).rowcount == 1


def _pick_fields(body: Body, names: tuple[str, ...]) -> dict[str, object]:
    return {name: value for name, value in body.as_sent().items() if name in names}


def _merge_json(stored: sqlite3.Row | None, fields: Mapping[str, object]) -> str:
    before = json.loads(stored["fields"]) if stored else {}
    return json.dumps({**before, **fields})


def _lower(uuid: str | None) -> str | None:
    """Return a UUID in lower case: UUIDs compare without regard to case."""
    return None if uuid is None else uuid.lower()
