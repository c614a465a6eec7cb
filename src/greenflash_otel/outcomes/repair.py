"""Make an outcome of whatever the application passed. Pure.

A business outcome is worth more than the form it came in. So `repair_outcome` always returns an outcome, and
keeps the original of every argument it had to change in ``properties["greenflash_original"]``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, timezone
from decimal import Decimal, InvalidOperation
from json import dumps
from typing import Any, cast

from greenflash_otel.any_json import repair_json
from greenflash_otel.arguments import (
    Repairs,
    choose,
    read_either_id,
    read_flag,
    read_id,
    read_number,
    read_properties,
    read_share,
    unwrap_scalar,
    write_id,
)
from greenflash_otel.outcomes.outcome import (
    INFLUENCES,
    LINKS,
    VALUE_TYPES,
    WITHIN_S,
    Influence,
    Link,
    Outcome,
    ValueType,
)

NAMELESS = "unnamed_outcome"
"""``event_type`` of an outcome that was given none."""
SYNONYMS = {"count": "numeric", "number": "numeric", "string": "text", "bool": "boolean"}
"""Other words for a ``value_type``, as Greenflash's guides and other languages use them."""

NS_PER_S = 1_000_000_000
EARLIEST_NS = -62_135_596_800 * NS_PER_S
LATEST_NS = 253_402_300_799 * NS_PER_S
"""The years 1 to 9999, which are all that a request can name."""
_UNITS_NS = ((10**11, NS_PER_S), (10**14, 10**6), (10**17, 10**3), (10**21, 1))
"""Below each bound a Unix time is in seconds, milliseconds, microseconds, nanoseconds."""
_OLDEST_UNIX_TIME = 10**8
"""A smaller number, of the years before 1973, was hardly meant as a time."""
_ISO = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(:\d\d)?(?:[.,](\d{1,6})\d*)?)?"
    r"\s*(Z|[+-]\d\d:?\d\d)?",
    re.IGNORECASE,
)
"""ISO 8601 as it is used; Python 3.10 reads less of it."""
_MAX_DIGITS = 400
"""Of an amount as text: no currency needs more, and ``1e999999`` would become a megabyte of zeros."""


@dataclass(frozen=True, slots=True)
class RepairedOutcome:
    """An outcome, and what had to be done to get it."""

    outcome: Outcome
    repairs: Repairs


def repair_outcome(
    event_type: object,
    value: object,
    *,
    now_ns: int,
    new_insert_id: str,
    insert_id: object = None,
    value_type: object = None,
    influence: object = None,
    quality_impact_score: object = None,
    conversation_id: object = None,
    user_id: object = None,
    organization_id: object = None,
    event_at: object = None,
    event_at_ns: object = None,
    properties: object = None,
    sample_rate: object = None,
    force_sample: object = None,
    link: object = None,
    within_s: object = None,
    greenflash_conversation_id: object = None,
    greenflash_user_id: object = None,
    greenflash_organization_id: object = None,
) -> RepairedOutcome:
    """Make the outcome that the arguments mean.

    Args:
        now_ns: Its time if they name none.
        new_insert_id: Its key if they name none.
        event_at_ns: Its time in nanoseconds, which counts before `event_at`.
    """
    repairs = Repairs()
    text, type = _read_value(value, value_type, repairs)
    own_time_ns = read_ns(event_at_ns)
    facts: dict[str, Any] = {
        "event_type": _read_event_type(event_type, repairs),
        "value": text,
        "value_type": type,
        "influence": cast("Influence | None", choose("influence", influence, INFLUENCES, repairs)),
        "quality_impact_score": read_share("quality_impact_score", quality_impact_score, -1, repairs),
        "insert_id": read_id("insert_id", insert_id, repairs) or new_insert_id,
        "conversation_id": read_either_id(
            "conversation_id", conversation_id, greenflash_conversation_id, repairs
        ),
        "user_id": read_either_id("user_id", user_id, greenflash_user_id, repairs),
        "organization_id": read_either_id(
            "organization_id", organization_id, greenflash_organization_id, repairs
        ),
        "sample_rate": read_share("sample_rate", sample_rate, 0, repairs),
        "force_sample": read_flag("force_sample", force_sample, repairs),
        "link": cast("Link | None", choose("link", link, LINKS, repairs)),
        "within_s": _read_duration("within_s", within_s, WITHIN_S, repairs),
        "event_at_ns": read_time_ns(event_at, now_ns, repairs) if own_time_ns is None else own_time_ns,
    }
    own_properties = read_properties(properties, repairs)
    return RepairedOutcome(Outcome(**facts, properties=repairs.add_original(own_properties)), repairs)


def _read_event_type(event_type: object, repairs: Repairs) -> str:
    text, is_clear = write_id(event_type)
    if text is None or not issubclass(type(unwrap_scalar(event_type)), str):
        text, is_clear = NAMELESS, False
    if not is_clear:
        repairs.note("event_type", event_type, "replaced", "what happened, e.g. 'upgrade'")
    return text


def _read_value(value: object, value_type: object, repairs: Repairs) -> tuple[str, ValueType]:
    text, inferred = _text_of(value, repairs)
    if value_type is None:
        return text, inferred
    word = unwrap_scalar(value_type)
    synonym = SYNONYMS.get(word.strip().lower()) if issubclass(type(word), str) else None
    type_ = cast("ValueType | None", synonym or choose("value_type", value_type, VALUE_TYPES, repairs))
    if type_ in ("currency", "numeric") and not _is_number(text):
        repairs.note("value", value, "retained as text", f"a number, e.g. '149.00', for value_type={type_!r}")
        return text, "text"
    return text, type_ or inferred


def _text_of(value: object, repairs: Repairs) -> tuple[str, ValueType]:
    plain = unwrap_scalar(value)
    kind = type(plain)
    if issubclass(kind, bool):
        return ("true" if plain else "false"), "boolean"
    if issubclass(kind, (int, float, Decimal)) and (number := _write_decimal(plain)) is not None:
        return number, "numeric"
    written = repair_json(value)
    content = written.value
    if (
        written.losses
        or content is None
        or isinstance(content, (list, dict))
        or issubclass(kind, (float, Decimal))
    ):
        repairs.note("value", value, "made a text", "text, a finite number, a Decimal or a bool")
    if isinstance(content, str):
        return content, "text"
    if isinstance(content, (bool, int, float)):
        return _write_decimal(content) or str(content), "numeric"
    return "" if content is None else dumps(content, ensure_ascii=False, separators=(",", ":")), "text"


def _write_decimal(number: Any) -> str | None:
    """Write a number exactly and without an exponent; None if that is not possible."""
    try:
        exact = Decimal(float.__repr__(number)) if isinstance(number, float) else Decimal(number)
        if not exact.is_finite() or abs(exact.adjusted()) > _MAX_DIGITS:
            return None
        return format(exact, "f")
    except (ArithmeticError, ValueError):
        return None


def _is_number(text: str) -> bool:
    try:
        return Decimal(text).is_finite()
    except InvalidOperation:
        return False


def _read_duration(name: str, seconds: object, default: float, repairs: Repairs) -> float:
    number = default if seconds is None else read_number(seconds)
    if number is None or number < 0:
        repairs.note(name, seconds, f"replaced by {default:g}", "a number of seconds")
        return default
    return number


def read_time_ns(moment: object, now_ns: int, repairs: Repairs, *, name: str = "event_at") -> int:
    """Read a time: a datetime, a date, ISO 8601 text, or a Unix time in any of the usual units."""
    if moment is None:
        return now_ns
    time_ns, has_zone = _moment_of(unwrap_scalar(moment))
    if time_ns is None:
        repairs.note(name, moment, "replaced by the time of the call", "a datetime with a zone")
        return now_ns
    if not has_zone:
        repairs.note(name, moment, "taken as UTC", "a datetime with a zone")
    return time_ns


def _moment_of(moment: object) -> tuple[int | None, bool]:
    """Return Unix nanoseconds, None if it is no time, and whether it said its zone."""
    kind = type(moment)
    try:
        if issubclass(kind, str):
            text = str.__str__(cast(str, moment)).strip()
            moment = _parse(text)
            if moment is None:
                return _read_unix_time_ns(read_number(text)), True
        if isinstance(moment, datetime):
            has_zone = moment.utcoffset() is not None
            return _convert_to_unix_ns(moment if has_zone else moment.replace(tzinfo=timezone.utc)), has_zone
        if isinstance(moment, date):
            return _convert_to_unix_ns(
                datetime(moment.year, moment.month, moment.day, tzinfo=timezone.utc)
            ), True
        if issubclass(kind, bool):
            return None, True
        return _read_unix_time_ns(read_number(moment)), True
    except Exception:  # noqa: BLE001 - a time or a zone of the application
        return None, True


def _parse(text: str) -> datetime | date | None:
    match = _ISO.fullmatch(text)
    if match is None:
        return None
    day, minutes, seconds, fraction, zone = match.groups()
    if minutes is None:
        return date.fromisoformat(day)
    zone = "+00:00" if zone and zone in "Zz" else f"{zone[:3]}:{zone[-2:]}" if zone else ""
    parts = f"{day}T{minutes}{seconds or ':00'}.{(fraction or '0').ljust(6, '0')}{zone}"
    return datetime.fromisoformat(parts)


def _read_unix_time_ns(number: float | None) -> int | None:
    """Read a Unix time; its size shows its unit."""
    if number is None or number < _OLDEST_UNIX_TIME:
        return None
    return next((int(Decimal(repr(number)) * unit) for bound, unit in _UNITS_NS if number < bound), None)


def _convert_to_unix_ns(moment: datetime) -> int:
    since = moment - datetime(1970, 1, 1, tzinfo=timezone.utc)
    return (since.days * 86_400 + since.seconds) * NS_PER_S + since.microseconds * 1_000


def read_ns(time_ns: object) -> int | None:
    """Read a time in nanoseconds exactly, within what a request can name."""
    plain = unwrap_scalar(time_ns)
    if issubclass(type(plain), str) and str.__str__(plain).strip().isdecimal():
        plain = int(str.__str__(plain).strip()[:30])
    if not issubclass(type(plain), int):
        number = read_number(plain)
        plain = None if number is None else int(number)
    return None if plain is None else min(max(int(plain), EARLIEST_NS), LATEST_NS)
