"""What makes an outcome valid, and that it travels as a span unchanged."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenflash_otel.errors import InvalidOutcomeError
from greenflash_otel.model.telemetry import Attributes
from greenflash_otel.outcomes.outcome import INFLUENCES, VALUE_TYPES, Outcome, attributes_of, is_outcome, read
from greenflash_otel.semconv import registry
from tests.strategies import maybe, names, objects, span_of, texts

outcomes = st.builds(
    Outcome,
    event_type=names,
    value=texts,
    event_at_ns=st.integers(0, 2**63 - 1),
    insert_id=names,
    value_type=st.sampled_from(VALUE_TYPES),
    influence=maybe(st.sampled_from(INFLUENCES)),
    quality_impact_score=maybe(st.floats(-1, 1)),
    conversation_id=maybe(names),
    user_id=maybe(names),
    organization_id=maybe(names),
    properties=objects,
    sample_rate=maybe(st.floats(0, 1)),
    force_sample=maybe(st.booleans()),
)
GOOD = Outcome("upgrade", "149.00", 1, "insert-1")


@given(outcomes)
def test_what_is_written_is_read(outcome: Outcome) -> None:
    """A span carries all of an outcome, and is recognised by it."""
    attributes = attributes_of(outcome)
    assert read(span_of(attributes)) == outcome
    assert registry.recognises(attributes)
    assert registry.read(span_of(attributes)) is None


@pytest.mark.parametrize(
    ("field", "value", "wanted"),
    [
        ("event_type", "", "event_type is empty"),
        ("insert_id", "", "insert_id is empty"),
        ("value_type", "count", "value_type is 'count'"),
        ("influence", "good", "influence is 'good'"),
        ("quality_impact_score", -1.01, "from -1 to 1"),
        ("quality_impact_score", math.nan, "from -1 to 1"),
        ("sample_rate", -0.01, "from 0 to 1"),
        ("sample_rate", math.inf, "from 0 to 1"),
    ],
)
def test_invalid_outcomes(field: str, value: Any, wanted: str) -> None:
    """What Greenflash would always refuse cannot be made."""
    fields: dict[str, Any] = {field: value}
    with pytest.raises(InvalidOutcomeError, match=wanted):
        replace(GOOD, **fields)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"greenflash.outcome.event_type": ""}, id="no event type"),
        pytest.param({"greenflash.outcome.event_type": None}, id="event type missing"),
        pytest.param({"greenflash.outcome.value_type": "count"}, id="an unknown value type"),
        pytest.param({"greenflash.outcome.sample_rate": "all"}, id="a rate that is text"),
    ],
)
def test_a_span_that_tells_of_no_valid_outcome(changes: Attributes) -> None:
    """It is an outcome's span all the same, and gives none."""
    span = span_of({**attributes_of(GOOD), **changes})
    assert is_outcome(span)
    assert read(span) is None


def test_a_span_without_a_time() -> None:
    """The outcome happened when its span began."""
    attributes = attributes_of(GOOD)
    del attributes["greenflash.outcome.event_at_unix_nano"]
    span = span_of(attributes)
    assert read(span) == replace(GOOD, event_at_ns=span.start_ns)


def test_other_spans() -> None:
    """A span of something else is no outcome."""
    assert not is_outcome(span_of())
    assert read(span_of()) is None
