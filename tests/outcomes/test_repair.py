"""Whatever the application passes becomes an outcome; what was wrong is told and kept."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenflash_otel.errors import InvalidOutcomeError
from greenflash_otel.outcomes.outcome import Outcome, attributes_of, read
from greenflash_otel.outcomes.repair import ORIGINAL, Repaired, repaired
from greenflash_otel.spans import SpanRecord

NOON = datetime(2026, 11, 20, 12, tzinfo=timezone.utc)
NOON_NS = 1_795_176_000_000_000_000


def made(event_type: object = "upgrade", value: object = True, **given: Any) -> Repaired:
    return repaired(event_type, value, now_ns=NOON_NS, insert_id="i-1", **given)


@pytest.mark.parametrize(
    ("value", "text", "value_type"),
    [
        (Decimal("149.00"), "149.00", "numeric"),
        (Decimal("1E+2"), "100", "numeric"),
        (0.1, "0.1", "numeric"),
        (1e-7, "0.0000001", "numeric"),
        (10**20, "100000000000000000000", "numeric"),
        (True, "true", "boolean"),
        (False, "false", "boolean"),
        ("premium_plan", "premium_plan", "text"),
    ],
)
def test_a_value_says_its_type(value: object, text: str, value_type: str) -> None:
    """Numbers stay exact, booleans are words, and nothing had to be repaired."""
    done = made(value=value)
    assert (done.outcome.value, done.outcome.value_type, done.problems) == (text, value_type, ())


@pytest.mark.parametrize(
    ("given", "field", "expected", "original"),
    [
        ({"influence": "great"}, "influence", None, {"influence": "great"}),
        ({"value_type": "count", "value": 3}, "value_type", "numeric", {"value_type": "count"}),
        ({"value_type": "currency", "value": "$149"}, "value_type", "text", {"value": "$149"}),
        ({"quality_impact_score": 3}, "quality_impact_score", 1.0, {"quality_impact_score": 3}),
        ({"quality_impact_score": "x"}, "quality_impact_score", None, {"quality_impact_score": "x"}),
        ({"sample_rate": -1}, "sample_rate", 0.0, {"sample_rate": -1}),
        ({"event_type": ""}, "event_type", "unnamed_outcome", {"event_type": ""}),
        ({"event_at": "yesterday"}, "event_at_ns", NOON_NS, {"event_at": "yesterday"}),
        ({"value": float("nan")}, "value", "nan", {"value": "nan"}),
        ({"conversation_id": ""}, "conversation_id", None, {"conversation_id": ""}),
        ({"properties": "vip"}, "value", "true", {"properties": "vip"}),
    ],
)
def test_what_is_wrong_is_repaired_and_kept(
    given: dict[str, Any], field: str, expected: object, original: dict[str, object]
) -> None:
    """One problem, named; the original is in the properties."""
    done = made(**given)
    assert getattr(done.outcome, field) == expected
    assert done.outcome.properties[ORIGINAL] == original
    assert [problem.split(" is ")[0] for problem in done.problems] == list(original)


def test_a_time_is_taken_in_every_good_form() -> None:
    """A datetime of any zone, or ISO text."""
    elsewhere = NOON.astimezone(timezone(timedelta(hours=-8)))
    for moment in (NOON, elsewhere, "2026-11-20T12:00:00Z", "2026-11-20T13:00:00+01:00"):
        assert (made(event_at=moment).outcome.event_at_ns, made(event_at=moment).problems) == (NOON_NS, ())


class Hostile:
    """An object that cannot even be shown."""

    def __repr__(self) -> str:
        raise RuntimeError("no")

    __str__ = __repr__


ANYTHING = st.one_of(
    st.none(), st.text(), st.integers(), st.floats(), st.booleans(), st.binary(), st.just(Hostile()),
    st.lists(st.integers()), st.dictionaries(st.text(), st.just(Hostile())), st.datetimes(), st.decimals(),
)  # fmt: skip


@given(st.fixed_dictionaries({}, optional=dict.fromkeys([
    "event_type", "value", "value_type", "influence", "quality_impact_score", "conversation_id", "user_id",
    "organization_id", "event_at", "properties", "sample_rate", "force_sample",
], ANYTHING)))  # fmt: skip
def test_anything_becomes_an_outcome_that_travels_as_a_span(given: dict[str, Any]) -> None:
    """Nothing raises, and the span tells the whole outcome."""
    outcome = made(**given).outcome
    span = SpanRecord("1" * 32, "1" * 16, "greenflash.outcome", 1, 2, attributes=attributes_of(outcome))
    assert read(span) == outcome


@pytest.mark.parametrize(
    "wrong",
    [
        {"event_type": ""},
        {"insert_id": ""},
        {"value_type": "count"},
        {"influence": "great"},
        {"quality_impact_score": 2.0},
        {"sample_rate": float("nan")},
    ],
)
def test_an_outcome_made_by_hand_must_be_valid(wrong: dict[str, Any]) -> None:
    """What Greenflash would refuse for ever is refused at once."""
    right = {"event_type": "x", "value": "1", "event_at_ns": 1, "insert_id": "i"}
    with pytest.raises(InvalidOutcomeError, match=next(iter(wrong))):
        Outcome(**{**right, **wrong})
