"""Describe what else an application knows of a conversation: its rating, its user, the user's organization.

Like outcomes: whatever the application passed becomes something that Greenflash takes, if there is a way;
what is wrong is repaired. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from greenflash_otel.arguments import (
    Repairs,
    read_either_id,
    read_flag,
    read_id,
    read_number,
    read_properties,
    read_text,
    unwrap_scalar,
)
from greenflash_otel.model.greenflash_ids import write_greenflash_id
from greenflash_otel.model.operation import Json
from greenflash_otel.outcomes.repair import read_time_ns

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
"""What Greenflash takes for an address."""


@dataclass(frozen=True, slots=True)
class Rating:
    """How a conversation, or one message of it, was liked."""

    rating: float
    rating_min: float
    rating_max: float
    rated_at_ns: int
    conversation_id: str | None = None
    message_id: str | None = None
    """The external id of the message."""
    feedback: str | None = None


@dataclass(frozen=True, slots=True)
class User:
    """What is to be known of a user. What is None stays as Greenflash has it."""

    id: str
    name: str | None = None
    email: str | None = None
    phone: str | None = None
    anonymized: bool | None = None
    organization_id: str | None = None
    properties: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Organization:
    """What is to be known of an organization. What is None stays as Greenflash has it."""

    id: str
    name: str | None = None
    properties: Mapping[str, Json] = field(default_factory=dict)


def repair_rating(
    rating: object,
    *,
    now_ns: int,
    rating_min: object = None,
    rating_max: object = None,
    conversation_id: object = None,
    message_id: object = None,
    feedback: object = None,
    rated_at: object = None,
    greenflash_conversation_id: object = None,
    greenflash_message_id: object = None,
) -> tuple[Rating | None, Repairs]:
    """Make the rating that the arguments mean, and say what was wrong with them; None if they mean none."""
    repairs = Repairs()
    is_thumb = issubclass(type(unwrap_scalar(rating)), bool)
    low = _read_end("rating_min", rating_min, 0.0 if is_thumb else 1.0, repairs)
    high = _read_end("rating_max", rating_max, 1.0 if is_thumb else 5.0, repairs)
    if low > high:
        repairs.note("rating_min", rating_min, "exchanged with rating_max", "a number that is not above it")
        low, high = high, low
    value = read_number(rating)
    conversation = read_either_id("conversation_id", conversation_id, greenflash_conversation_id, repairs)
    made_there = read_id("greenflash_message_id", greenflash_message_id, repairs)
    own = read_id("message_id", message_id, repairs)
    message = own if made_there is None else write_greenflash_id(made_there)
    when_ns = read_time_ns(rated_at, now_ns, repairs, name="rated_at")
    words = read_text("feedback", feedback, repairs)
    if value is None:
        repairs.note("rating", rating, "left out", "a number or a bool")
        return None, repairs
    if not low <= value <= high:
        repairs.note("rating", rating, "moved to the nearest end", f"a number from {low:g} to {high:g}")
        value = min(max(value, low), high)
    return Rating(value, low, high, when_ns, conversation, message, words), repairs


def repair_user(
    id: object,
    *,
    name: object = None,
    email: object = None,
    phone: object = None,
    anonymized: object = None,
    organization_id: object = None,
    greenflash_organization_id: object = None,
    properties: object = None,
) -> tuple[User | None, Repairs]:
    """Make the user that the arguments mean, and say what was wrong with them; None without an id."""
    repairs = Repairs()
    own_id = _read_own_id("user_id", id, repairs)
    user = User(
        own_id or "",
        read_text("name", name, repairs),
        _read_email(email, repairs),
        read_text("phone", phone, repairs),
        read_flag("anonymized", anonymized, repairs),
        read_either_id("organization_id", organization_id, greenflash_organization_id, repairs),
        read_properties(properties, repairs),
    )
    return (replace(user, properties=repairs.add_original(user.properties)) if own_id else None), repairs


def repair_organization(
    id: object, *, name: object = None, properties: object = None
) -> tuple[Organization | None, Repairs]:
    """Make the organization that the arguments mean, and say what was wrong; None without an id."""
    repairs = Repairs()
    own_id = _read_own_id("organization_id", id, repairs)
    words, own_properties = read_text("name", name, repairs), read_properties(properties, repairs)
    return (Organization(own_id, words, repairs.add_original(own_properties)) if own_id else None), repairs


def _read_own_id(name: str, id: object, repairs: Repairs) -> str | None:
    if id is None:
        repairs.note(name, id, "missing", "your id as text")
    return read_id(name, id, repairs)


def _read_end(name: str, end: object, default: float, repairs: Repairs) -> float:
    if end is None:
        return default
    number = read_number(end)
    if number is None:
        repairs.note(name, end, "replaced", "a number")
    return default if number is None else number


def _read_email(email: object, repairs: Repairs) -> str | None:
    text = read_text("email", email, repairs)
    if text is not None and not _EMAIL.fullmatch(text):
        repairs.note("email", email, "left out", "an address, e.g. 'ada@example.com'")
        return None
    return text
