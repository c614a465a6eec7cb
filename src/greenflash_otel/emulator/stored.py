"""What the emulator contains, as plain frozen values: what tests compare and what the tree prints.

Ids come in pairs, as everywhere in Greenflash: ``id`` is Greenflash's own, ``external_id`` the caller's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

JsonObject: TypeAlias = Mapping[str, Any]
"""A JSON object as it was sent. Any: its reader knows what it put there."""


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """One message of a conversation, as it was first sent; a repeat never changes it."""

    id: str
    external_id: str | None
    type: str
    """``messageType``; for simple chat what the ``role`` counts as, e.g. ``user_message``."""
    role: str | None
    """``role`` if it was sent with one."""
    content: str | None
    context: str | None
    input: JsonObject | None
    output: JsonObject | None
    tool_name: str | None
    parent_external_id: str | None
    """As sent. The parent may be unknown: it is stored dangling."""
    parent_id: str | None
    created_at: str
    """``createdAt`` in UTC; assigned by the emulator, in array order, where none was sent."""
    model: str | None
    properties: JsonObject | None
    position: int
    """Order of arrival over all conversations."""
    item: JsonObject
    """The whole item as it was sent."""


@dataclass(frozen=True, slots=True)
class StoredOutcome:
    """One Greenflash event."""

    id: str
    event_type: str
    value: str
    value_type: str
    influence: str
    occurred_at: str
    """``eventAt``, or when it arrived."""
    insert_id: str | None
    external_user_id: str | None
    external_organization_id: str | None
    properties: JsonObject | None
    body: JsonObject
    """The whole body as it was first sent."""


@dataclass(frozen=True, slots=True)
class StoredRating:
    """One rating of a conversation or of a message."""

    rating: float
    rating_min: float
    rating_max: float
    feedback: str | None
    message: str | None
    """Id of the rated message, external or Greenflash's as it was sent; None for the conversation."""
    rated_at: str
    body: JsonObject


@dataclass(frozen=True, slots=True)
class StoredConversation:
    """One conversation with all that belongs to it. Of its fields the last one sent counts."""

    id: str
    external_id: str | None
    product_id: str
    user_id: str
    external_user_id: str
    organization_id: str | None
    external_organization_id: str | None
    model: str | None
    system_prompt: str | JsonObject | None
    properties: JsonObject | None
    voice_call: JsonObject | None
    created_at: str
    updated_at: str
    messages: tuple[StoredMessage, ...]
    """In the order of their times; those of one time in order of arrival."""
    outcomes: tuple[StoredOutcome, ...]
    """In order of arrival."""
    ratings: tuple[StoredRating, ...]
    """In order of arrival; Greenflash shows the last."""


@dataclass(frozen=True, slots=True)
class StoredUser:
    """A user, created by its first conversation or by ``/users``."""

    id: str
    external_id: str
    name: str | None
    email: str | None
    phone: str | None
    anonymized: bool
    organization_id: str | None
    external_organization_id: str | None
    properties: JsonObject
    created_at: str
    updated_at: str


@dataclass(frozen=True, slots=True)
class StoredOrganization:
    """An organization, created by the first body that named it or by ``/organizations``."""

    id: str
    external_id: str
    name: str | None
    properties: JsonObject
    created_at: str
    updated_at: str


@dataclass(frozen=True, slots=True)
class AcceptedRequest:
    """One request that changed something or repeated something, in order of arrival."""

    position: int
    method: str
    path: str
    """Below ``/api/v1``, e.g. ``/messages``."""
    body: JsonObject
    sampled_out: bool
    """True where it was answered with 204 and nothing was stored."""
