"""Whatever is passed, an outcome comes of it; what was wrong is told and kept."""

from __future__ import annotations

import json
import math
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum
from pathlib import PurePosixPath
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenflash_otel.any_json import MAX_NAME
from greenflash_otel.greenflash_api.events import request_of
from greenflash_otel.model.operation import ORIGINAL
from greenflash_otel.outcomes.repair import RepairedOutcome, repair_outcome
from greenflash_otel.outcomes.span import attributes_of, read
from tests.api.wire import ADDRESS, validator
from tests.strategies import span_of

NOW_NS = 1_700_000_000_000_000_000
UTC = timezone.utc


class Hostile:
    """An object of an application that cannot be shown, compared, counted or asked for its truth."""

    def _refuse(self, *given: object) -> Any:
        raise RuntimeError("no")

    __repr__ = __str__ = __bool__ = __float__ = __eq__ = __len__ = __iter__ = _refuse
    __hash__ = object.__hash__


class Plan(Enum):
    PRO = "pro"


class Tenant(str, Enum):
    ACME = "acme"


class Scalar:
    """A number or a flag as numpy has them: none of Python's types, but it writes one."""

    shape = ()

    def __init__(self, value: float | bool) -> None:
        self._value = value

    def tolist(self) -> float | bool:
        return self._value


class Floaty:
    """A number that says no more of itself than ``float()`` gives."""

    def __float__(self) -> float:
        return 0.5


def _repaired(event_type: object = "upgrade", value: object = "pro", **given: Any) -> RepairedOutcome:
    return repair_outcome(event_type, value, now_ns=NOW_NS, new_insert_id="insert-1", **given)


@pytest.mark.parametrize(
    ("value", "value_type", "expected"),
    [
        ("pro", None, ("pro", "text")),
        ("", None, ("", "text")),
        ("149.00", None, ("149.00", "text")),
        ("149.00", "currency", ("149.00", "currency")),
        (Decimal("149.00"), None, ("149.00", "numeric")),
        (Decimal("1E+2"), "currency", ("100", "currency")),
        (Decimal("0.10"), "currency", ("0.10", "currency")),
        (149, "currency", ("149", "currency")),
        (0.1, None, ("0.1", "numeric")),
        (1e22, None, ("10000000000000000000000", "numeric")),
        (1e-7, None, ("0.0000001", "numeric")),
        (True, None, ("true", "boolean")),
        (False, "boolean", ("false", "boolean")),
        (7, "text", ("7", "text")),
        (7, "count", ("7", "numeric")),
        (Scalar(1.5), None, ("1.5", "numeric")),
        (Scalar(True), None, ("true", "boolean")),
        (Floaty(), None, ("0.5", "numeric")),
        (Plan.PRO, None, ("pro", "text")),
        (date(2026, 1, 2), None, ("2026-01-02", "text")),
        (UUID(int=5), None, (str(UUID(int=5)), "text")),
        (b"pro", None, ("pro", "text")),
    ],
)
def test_good_values(value: object, value_type: object, expected: tuple[str, str]) -> None:
    """A value is sent as exact text, and its type is found out where it is not named."""
    done = _repaired(value=value, value_type=value_type)
    assert (done.outcome.value, done.outcome.value_type) == expected
    assert done.repairs.problems == []
    assert done.outcome.properties == {}


@pytest.mark.parametrize(
    ("given", "field", "expected", "original"),
    [
        pytest.param({"event_type": ""}, "event_type", "unnamed_outcome", "", id="an empty event type"),
        pytest.param({"event_type": " "}, "event_type", "unnamed_outcome", " ", id="a blank event type"),
        pytest.param({"event_type": 7}, "event_type", "unnamed_outcome", 7, id="an event type that is none"),
        pytest.param({"value": None}, "value", "", None, id="no value"),
        pytest.param({"value": math.nan}, "value", "nan", "nan", id="NaN"),
        pytest.param({"value": Decimal("Infinity")}, "value", "Infinity", ..., id="infinite"),
        pytest.param({"value": [1]}, "value", "[1]", [1], id="a value of no type"),
        pytest.param(
            {"value": "a lot", "value_type": "currency"}, "value_type", "text", ..., id="an amount in words"
        ),
        pytest.param({"value_type": "much"}, "value_type", "text", "much", id="an unknown value type"),
        pytest.param({"influence": "good"}, "influence", None, "good", id="an unknown influence"),
        pytest.param({"influence": 1}, "influence", None, 1, id="an influence that is a number"),
        pytest.param({"quality_impact_score": 3}, "quality_impact_score", 1.0, 3, id="a score too high"),
        pytest.param({"quality_impact_score": -3}, "quality_impact_score", -1.0, -3, id="a score too low"),
        pytest.param({"quality_impact_score": "x"}, "quality_impact_score", None, "x", id="a score in words"),
        pytest.param({"sample_rate": -1}, "sample_rate", 0.0, -1, id="a rate too low"),
        pytest.param({"sample_rate": math.nan}, "sample_rate", None, "nan", id="a rate that is NaN"),
        pytest.param({"event_at": "soon"}, "event_at_ns", NOW_NS, "soon", id="a time in words"),
        pytest.param({"event_at": 12}, "event_at_ns", NOW_NS, 12, id="a time that is a number"),
        pytest.param({"event_at": "2023-11-14T22:13:20"}, "event_at_ns", NOW_NS, ..., id="without a zone"),
        pytest.param({"user_id": ""}, "user_id", None, "", id="an empty id"),
        pytest.param({"user_id": True}, "user_id", "True", True, id="an id that is a bool"),
        pytest.param({"user_id": 1.5}, "user_id", "1.5", 1.5, id="an id that is a float"),
        pytest.param({"user_id": "  "}, "user_id", None, "  ", id="a blank id"),
        pytest.param({"user_id": object()}, "user_id", None, "<object>", id="an id that names nothing"),
        pytest.param({"user_id": ("acme", 7)}, "user_id", '["acme",7]', ["acme", 7], id="an id of two parts"),
        pytest.param({"user_id": "a\0b"}, "user_id", "a\ufffdb", "a\0b", id="an id with a NUL"),
        pytest.param({"insert_id": object()}, "insert_id", "insert-1", "<object>", id="a key that is none"),
        pytest.param({"properties": "pro"}, "properties", ..., "pro", id="properties that are text"),
    ],
)
def test_bad_arguments(given: dict[str, Any], field: str, expected: object, original: object) -> None:
    """A bad argument is repaired; one sentence tells it, and the properties keep it as it was."""
    done = _repaired(**given)
    wrong = "event_at" if field == "event_at_ns" else next(iter(given))
    if expected is not ...:
        assert getattr(done.outcome, field) == expected
    (problem,) = done.repairs.problems
    assert problem.startswith((f"{wrong} (", f"{wrong} was "))
    assert "; write " in problem
    kept = done.outcome.properties[ORIGINAL]
    assert isinstance(kept, dict)
    assert set(kept) == {wrong}
    if original is not ...:
        assert kept[wrong] == original


@pytest.mark.parametrize(
    ("given", "field", "expected"),
    [
        ({"influence": "Positive"}, "influence", "positive"),
        ({"quality_impact_score": "0.5"}, "quality_impact_score", 0.5),
        ({"quality_impact_score": Decimal(-1)}, "quality_impact_score", -1.0),
        ({"user_id": 42}, "user_id", "42"),
        ({"user_id": UUID(int=5)}, "user_id", str(UUID(int=5))),
        ({"user_id": Plan.PRO}, "user_id", "pro"),
        ({"user_id": Tenant.ACME}, "user_id", "acme"),
        ({"user_id": PurePosixPath("a/b")}, "user_id", "a/b"),
        ({"user_id": Decimal("4.50")}, "user_id", "4.50"),
        ({"user_id": b"ada"}, "user_id", "ada"),
        ({"insert_id": 4711}, "insert_id", "4711"),
        ({"insert_id": UUID(int=5)}, "insert_id", str(UUID(int=5))),
        ({"event_at": NOW_NS // 10**9}, "event_at_ns", NOW_NS),
        ({"event_at": NOW_NS / 10**9}, "event_at_ns", NOW_NS),
        ({"event_at": NOW_NS // 10**6}, "event_at_ns", NOW_NS),
        ({"event_at": str(NOW_NS // 10**9)}, "event_at_ns", NOW_NS),
        ({"event_at": date(2023, 11, 14)}, "event_at_ns", 1_699_920_000 * 10**9),
        ({"event_at": "2023-11-14"}, "event_at_ns", 1_699_920_000 * 10**9),
        ({"event_at": "2023-11-14 22:13:20.000000001+0000"}, "event_at_ns", NOW_NS),
        ({"conversation_id": "chat-1"}, "conversation_id", "chat-1"),
        ({"event_at": datetime(2023, 11, 14, 22, 13, 20, 5, UTC)}, "event_at_ns", NOW_NS + 5_000),
        ({"event_at": "2023-11-14T22:13:20Z"}, "event_at_ns", NOW_NS),
        (
            {"event_at": datetime(2023, 11, 14, 23, 13, 20, tzinfo=timezone(timedelta(hours=1)))},
            "event_at_ns",
            NOW_NS,
        ),
        ({"force_sample": 1}, "force_sample", True),
        ({"properties": {"a": 1, 2: (3,)}}, "properties", {"a": 1, "2": [3]}),
        (
            {"properties": {"at": datetime(2023, 11, 14, tzinfo=UTC), "n": math.inf}},
            "properties",
            {"at": "2023-11-14T00:00:00+00:00", "n": "inf"},
        ),
    ],
)
def test_what_is_clear_is_taken(given: dict[str, Any], field: str, expected: object) -> None:
    """An argument whose meaning is clear needs no complaint."""
    done = _repaired(**given)
    assert getattr(done.outcome, field) == expected
    assert done.repairs.problems == []


NAMES = (
    "event_type",
    "value",
    "value_type",
    "influence",
    "quality_impact_score",
    "conversation_id",
    "user_id",
    "organization_id",
    "event_at",
    "properties",
    "sample_rate",
    "force_sample",
)
keys = st.integers() | st.text() | st.builds(Hostile)
anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.decimals()
    | st.text(st.characters(), max_size=8)
    | st.binary(max_size=4)
    | st.datetimes()
    | st.complex_numbers()
    | st.sampled_from(["NaN", "1e9999999", "currency", "numeric"])
    | st.builds(Hostile),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(keys, inner, max_size=2),
    max_leaves=4,
)


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(NAMES, anything)))
def test_nothing_raises(given: dict[str, Any]) -> None:
    """Of any arguments comes an outcome that Greenflash takes."""
    done = _repaired(**given)
    assert read(span_of(attributes_of(done.outcome))) == done.outcome
    validator("EventRequest").validate(json.loads(request_of(done.outcome, ADDRESS).body))


@pytest.mark.parametrize("name", NAMES)
def test_an_object_that_cannot_be_shown(name: str) -> None:
    """It is named by its class."""
    assert "(Hostile)" in _repaired(**{name: Hostile()}).repairs.problems[0]


def test_properties_that_contain_themselves() -> None:
    """The cycle is cut, the rest is kept."""
    properties: dict[str, Any] = {"plan": "pro"}
    properties["self"] = properties
    done = _repaired(properties=properties)
    assert done.outcome.properties == {"plan": "pro", "self": "<cycle>"}
    assert len(done.repairs.problems) == 1


def test_a_long_id() -> None:
    """It is bounded; two that begin alike stay two, and the original is kept."""
    long, other = "x" * 2**20, "x" * 2**20 + "y"
    done = _repaired(user_id=long)
    assert len(str(done.outcome.user_id)) == MAX_NAME
    assert done.outcome.user_id != _repaired(user_id=other).outcome.user_id
    assert done.outcome.properties[ORIGINAL] == {"user_id": long}


@given(st.text(min_size=1, max_size=8).filter(str.strip), st.sampled_from(NAMES[1:]))
def test_no_value_is_quoted(secret: str, name: str) -> None:
    """What a user may have written is in no warning."""
    secret = f"secret {secret} of ada@example.com"
    assert secret not in "; ".join(_repaired(**{name: [secret]}).repairs.problems)
