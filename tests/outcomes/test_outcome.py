"""What makes an outcome valid, and that it travels as a span unchanged."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenflash_otel.errors import InvalidOutcomeError
from greenflash_otel.outcomes.outcome import INFLUENCES, VALUE_TYPES, Outcome
from greenflash_otel.outcomes.span import attributes_of, is_outcome, read, read_repaired
from greenflash_otel.semconv import registry
from tests.strategies import ids, json_values, maybe, span_of, texts

valued = st.tuples(texts, st.sampled_from(("text", "boolean"))) | st.tuples(
    st.decimals(allow_nan=False, allow_infinity=False).map(str), st.sampled_from(VALUE_TYPES)
)
outcomes = st.builds(
    lambda valued, **fields: Outcome(value=valued[0], value_type=valued[1], **fields),
    valued,
    event_type=ids,
    event_at_ns=st.integers(0, 2**63 - 1),
    insert_id=ids,
    influence=maybe(st.sampled_from(INFLUENCES)),
    quality_impact_score=maybe(st.floats(-1, 1)),
    conversation_id=maybe(ids),
    user_id=maybe(ids),
    organization_id=maybe(ids),
    properties=st.dictionaries(texts, json_values, max_size=3),
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
        ("value_type", "count", "value_type is unknown"),
        ("influence", "good", "influence is unknown"),
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
    ("name", "value", "field", "expected"),
    [
        pytest.param("event_type", None, "event_type", "unnamed_outcome", id="no event type"),
        pytest.param("event_type", "", "event_type", "unnamed_outcome", id="an empty event type"),
        pytest.param("value", 149.5, "value", "149.5", id="a number as the value"),
        pytest.param("value_type", "count", "value_type", "numeric", id="the guides' word for a number"),
        pytest.param("value_type", "Currency", "value_type", "currency", id="a capital letter"),
        pytest.param("sample_rate", "0.5", "sample_rate", 0.5, id="a rate that is text"),
        pytest.param("sample_rate", "all", "sample_rate", None, id="a rate in words"),
        pytest.param("force_sample", "true", "force_sample", True, id="a flag that is text"),
        pytest.param("insert_id", 4711, "insert_id", "4711", id="an order number"),
        pytest.param("insert_id", None, "insert_id", f"{1:032x}-{1:016x}", id="no key"),
        pytest.param(
            "event_at_unix_nano", "1700000000000000001", "event_at_ns", 1700000000000000001, id="ns"
        ),
        pytest.param("event_at_unix_nano", 2**70, "event_at_ns", 253402300799 * 10**9, id="a far time"),
        pytest.param("properties", {"a": 1}, "properties", {"a": 1}, id="properties that are an object"),
        pytest.param("properties.a", 1, "properties", {"a": 1}, id="properties one by one"),
    ],
)
def test_a_span_of_another_language(name: str, value: Any, field: str, expected: object) -> None:
    """It is read as the arguments of `record_outcome()` are: repaired, never dropped."""
    attributes: dict[str, Any] = {**attributes_of(GOOD), f"greenflash.outcome.{name}": value}
    attributes = {name: value for name, value in attributes.items() if value is not None}
    span = span_of(attributes)
    assert is_outcome(span)
    found = read_repaired(span)
    assert found is not None
    assert getattr(found.outcome, field) == expected


@pytest.mark.parametrize(
    ("name", "field"), [("user.id", "user_id"), ("gen_ai.conversation.id", "conversation_id")]
)
def test_ids_of_another_language(name: str, field: str) -> None:
    """A number is an id."""
    outcome = read(span_of({**attributes_of(GOOD), name: 42}))
    assert getattr(outcome, field) == "42"


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
