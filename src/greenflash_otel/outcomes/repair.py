"""Make an outcome of whatever the application passed: what is wrong is repaired, told, and kept. Pure.

A business outcome is worth more than the form it came in. `repaired` therefore always gives an outcome; the
original of every argument it had to change goes to ``properties["greenflash_original"]``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from decimal import Decimal, InvalidOperation
from typing import Any, cast

from greenflash_otel.model.operation import Json
from greenflash_otel.outcomes.outcome import INFLUENCES, VALUE_TYPES, Influence, Outcome, ValueType

ORIGINAL = "greenflash_original"
"""Property that holds the arguments as they were given, by name."""

NAMELESS = "unnamed_outcome"
"""``event_type`` of an outcome that was given none."""

NS_PER_S = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Repaired:
    """An outcome, and what had to be done to get it."""

    outcome: Outcome
    problems: tuple[str, ...] = ()
    """One sentence per argument that was wrong: what it was and what to write."""


@dataclass(slots=True)
class Repairs:
    """Collects what was wrong while the arguments are read."""

    problems: list[str] = field(default_factory=list)
    original: dict[str, Json] = field(default_factory=dict)

    def note(self, name: str, given: object, wanted: str) -> None:
        shown = _shown(given)
        self.problems.append(f"{name} is {shown}; write {wanted}")
        self.original[name] = given if isinstance(given, (str, bool, int)) else shown


def repaired(
    event_type: object,
    value: object,
    *,
    now_ns: int,
    insert_id: str,
    value_type: object = None,
    influence: object = None,
    quality_impact_score: object = None,
    conversation_id: object = None,
    user_id: object = None,
    organization_id: object = None,
    event_at: object = None,
    properties: object = None,
    sample_rate: object = None,
    force_sample: object = None,
) -> Repaired:
    """The outcome the arguments mean; ``now_ns`` is its time if they name none."""
    repairs = Repairs()
    name = event_type if isinstance(event_type, str) and event_type.strip() else None
    if name is None:
        repairs.note("event_type", event_type, "what happened, e.g. 'upgrade'")
    text, type = _value(value, value_type, repairs)
    facts: dict[str, Any] = {
        "event_type": name or NAMELESS,
        "value": text,
        "value_type": type,
        "influence": _influence(influence, repairs),
        "quality_impact_score": _number("quality_impact_score", quality_impact_score, -1, repairs),
        "event_at_ns": read_time_ns(event_at, now_ns, repairs),
        "insert_id": insert_id,
        "conversation_id": read_id("conversation_id", conversation_id, repairs),
        "user_id": read_id("user_id", user_id, repairs),
        "organization_id": read_id("organization_id", organization_id, repairs),
        "sample_rate": _number("sample_rate", sample_rate, 0, repairs),
        "force_sample": _flag("force_sample", force_sample, repairs),
    }
    kept = read_properties(properties, repairs)
    if repairs.original:
        kept[ORIGINAL] = repairs.original
    return Repaired(Outcome(**facts, properties=kept), tuple(repairs.problems))


def _value(value: object, value_type: object, repairs: Repairs) -> tuple[str, ValueType]:
    text, inferred = _text_of(value, repairs)
    if value_type is None:
        return text, inferred
    if not isinstance(value_type, str) or value_type not in VALUE_TYPES:
        repairs.note("value_type", value_type, f"one of {', '.join(VALUE_TYPES)}")
        return text, inferred
    if value_type in ("currency", "numeric") and not _is_number(text):
        repairs.note("value", value, f"a number, e.g. '149.00', for value_type={value_type!r}")
        return text, "text"
    return text, value_type


def _text_of(value: object, repairs: Repairs) -> tuple[str, ValueType]:
    if isinstance(value, bool):
        return ("true" if value else "false"), "boolean"
    if isinstance(value, str):
        return value, "text"
    if isinstance(value, (int, float, Decimal)):
        number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
        if number.is_finite():
            return format(number, "f"), "numeric"
    repairs.note("value", value, "text, a number, a Decimal or a bool")
    return "" if value is None else _shown(value), "text"


def _is_number(text: str) -> bool:
    try:
        return Decimal(text).is_finite()
    except InvalidOperation:
        return False


def _influence(influence: object, repairs: Repairs) -> Influence | None:
    if influence is None:
        return None
    if isinstance(influence, str) and influence.lower() in INFLUENCES:
        return cast(Influence, influence.lower())
    repairs.note("influence", influence, f"one of {', '.join(INFLUENCES)}")
    return None


def _number(name: str, number: object, low: int, repairs: Repairs) -> float | None:
    if number is None:
        return None
    try:
        value = float(cast(float, number))
    except Exception:  # noqa: BLE001 - whatever an object of the application raises here
        value = math.nan
    if low <= value <= 1:
        return value
    repairs.note(name, number, f"a number from {low} to 1")
    return None if math.isnan(value) else max(float(low), min(1.0, value))


def _flag(name: str, flag: object, repairs: Repairs) -> bool | None:
    if flag is None or isinstance(flag, (bool, int)):
        return None if flag is None else bool(flag)
    repairs.note(name, flag, "True or False")
    return None


def read_time_ns(given: object, now_ns: int, repairs: Repairs, *, name: str = "event_at") -> int:
    if given is None:
        return now_ns
    moment = given
    if isinstance(moment, str):
        try:
            moment = datetime.fromisoformat(moment.strip().replace("Z", "+00:00"))
        except ValueError:
            moment = None
    if not isinstance(moment, datetime):
        repairs.note(name, given, "a datetime with a zone")
        return now_ns
    if moment.tzinfo is None:
        repairs.note(name, given, "a datetime with a zone; UTC was assumed")
        moment = moment.replace(tzinfo=timezone.utc)
    return _unix_ns(moment)


def _unix_ns(moment: datetime) -> int:
    since = moment - datetime(1970, 1, 1, tzinfo=timezone.utc)
    return (since.days * 86_400 + since.seconds) * NS_PER_S + since.microseconds * 1_000


def read_id(name: str, id: object, repairs: Repairs) -> str | None:
    if id is None or (isinstance(id, str) and id):
        return id
    if isinstance(id, int) and not isinstance(id, bool):
        return str(id)  # a database key: what it means is clear
    repairs.note(name, id, "your id as text")
    return None if isinstance(id, str) else _shown(id)


def read_properties(properties: object, repairs: Repairs) -> dict[str, Json]:
    if properties is None:
        return {}
    try:
        return {_name(name): _json(value) for name, value in cast("Mapping[Any, Any]", properties).items()}
    except Exception:  # noqa: BLE001 - no mapping, one of the application's that raises, one within itself
        repairs.note("properties", properties, "a dict of JSON values")
        return {}


def _name(key: object) -> str:
    return key if isinstance(key, str) else _shown(key)


def _shown(value: object) -> str:
    """``repr(value)``, bounded, also of an object that cannot even be shown."""
    try:
        return repr(value)[:200]
    except Exception:  # noqa: BLE001 - whatever an object of the application raises here
        return f"<{type(value).__name__}>"


def _json(value: object) -> Json:
    """``value`` as JSON; what JSON has no form for, as text."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else repr(value)
    if isinstance(value, Mapping):
        return {_name(name): _json(item) for name, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_json(item) for item in value]
    return value.isoformat() if isinstance(value, datetime) else _shown(value)
