"""What else an application knows of a conversation: how it was rated, who the user is, whom they belong to.

Like outcomes: whatever the application passed becomes something that Greenflash takes, if there is a way;
what is wrong is repaired and told. Pure.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from greenflash_otel.model.operation import Json
from greenflash_otel.outcomes.repair import Repairs, read_id, read_properties, read_time_ns

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


def rating_of(
    rating: object,
    *,
    now_ns: int,
    rating_min: object = None,
    rating_max: object = None,
    conversation_id: object = None,
    message_id: object = None,
    feedback: object = None,
    rated_at: object = None,
) -> tuple[Rating | None, tuple[str, ...]]:
    """The rating the arguments mean, and what was wrong with them; None if they mean none."""
    repairs = Repairs()
    is_thumb = isinstance(rating, bool)
    low = _number("rating_min", rating_min, 0.0 if is_thumb else 1.0, repairs)
    high = _number("rating_max", rating_max, 1.0 if is_thumb else 5.0, repairs)
    if low > high:
        repairs.note("rating_min", rating_min, "a number that is not above rating_max")
        low, high = high, low
    value = _finite(rating)
    whose = read_id("conversation_id", conversation_id, repairs)
    which = read_id("message_id", message_id, repairs)
    if value is None or not (whose or which):
        repairs.note("rating", rating, "a number, inside a conversation or with a conversation_id")
        return None, tuple(repairs.problems)
    if not low <= value <= high:
        repairs.note("rating", rating, f"a number from {low:g} to {high:g}")
        value = min(max(value, low), high)
    when_ns = read_time_ns(rated_at, now_ns, repairs, name="rated_at")
    said = _text("feedback", feedback, repairs)
    return Rating(value, low, high, when_ns, whose, which, said), tuple(repairs.problems)


def user_of(
    id: object,
    *,
    name: object = None,
    email: object = None,
    phone: object = None,
    anonymized: object = None,
    organization_id: object = None,
    properties: object = None,
) -> tuple[User | None, tuple[str, ...]]:
    """The user the arguments mean, and what was wrong with them; None without an id."""
    repairs = Repairs()
    own_id = _own_id("user_id", id, repairs)
    user = own_id and User(
        own_id,
        _text("name", name, repairs),
        _email(email, repairs),
        _text("phone", phone, repairs),
        None if anonymized is None else anonymized is True,
        read_id("organization_id", organization_id, repairs),
        read_properties(properties, repairs),
    )
    return user or None, tuple(repairs.problems)


def organization_of(
    id: object, *, name: object = None, properties: object = None
) -> tuple[Organization | None, tuple[str, ...]]:
    """The organization the arguments mean, and what was wrong with them; None without an id."""
    repairs = Repairs()
    own_id = _own_id("organization_id", id, repairs)
    organization = own_id and Organization(
        own_id, _text("name", name, repairs), read_properties(properties, repairs)
    )
    return organization or None, tuple(repairs.problems)


def _own_id(name: str, id: object, repairs: Repairs) -> str | None:
    if id is None:
        repairs.note(name, id, "your id as text")
    return read_id(name, id, repairs)


def _number(name: str, given: object, default: float, repairs: Repairs) -> float:
    if given is None:
        return default
    number = _finite(given)
    if number is None:
        repairs.note(name, given, "a number")
    return default if number is None else number


def _finite(given: object) -> float | None:
    if not isinstance(given, (int, float)):
        return None
    try:
        number = float(given)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _text(name: str, given: object, repairs: Repairs) -> str | None:
    if given is None or isinstance(given, str):
        return given or None
    repairs.note(name, given, "text")
    return None


def _email(given: object, repairs: Repairs) -> str | None:
    text = _text("email", given, repairs)
    if text is not None and not _EMAIL.fullmatch(text):
        repairs.note("email", given, "an address, e.g. 'ada@example.com'")
        return None
    return text
