"""Every request for ``POST /events`` is one that the published contract and the Greenflash SDK know."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from greenflash.types.event_create_params import EventCreateParams
from hypothesis import given
from hypothesis import strategies as st

from greenflash_otel.greenflash_api.events import request_of
from greenflash_otel.outcomes.outcome import INFLUENCES, VALUE_TYPES, Outcome
from tests.api.wire import ADDRESS, fields_of, validator
from tests.strategies import maybe, names, objects, texts

VALIDATOR = validator("EventRequest")
FIELDS = fields_of(EventCreateParams)

outcomes = st.builds(
    Outcome,
    event_type=names,
    value=texts,
    event_at_ns=st.integers(0, 4 * 10**18),
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


@given(outcomes)
def test_the_contract(outcome: Outcome) -> None:
    """Whatever outcome there is, its request is valid, and has fields the SDK knows."""
    body = json.loads(request_of(outcome, ADDRESS).body)
    VALIDATOR.validate(body)
    assert set(body) <= FIELDS


OUTCOME = Outcome("upgrade", "149.00", 1_700_000_000_123_999_999, "insert-1")


def test_a_small_outcome() -> None:
    """What was not given is left out, above all the score, which Greenflash derives only then."""
    request = request_of(replace(OUTCOME, conversation_id="chat-1", influence="positive"), ADDRESS)
    assert (request.kind, request.path, request.conversation_id) == ("outcome", "/events", "chat-1")
    assert json.loads(request.body) == {
        "eventType": "upgrade",
        "productId": ADDRESS.product_id,
        "value": "149.00",
        "valueType": "text",
        "influence": "positive",
        "eventAt": "2023-11-14T22:13:20.123Z",
        "insertId": "insert-1",
        "externalConversationId": "chat-1",
    }


@pytest.mark.parametrize(
    ("own", "general", "expected"),
    [
        pytest.param((None, None), (0.5, True), (0.5, True), id="the general ones"),
        pytest.param((0.0, False), (0.5, True), (0.0, False), id="its own, also zero and False"),
        pytest.param((None, None), (None, None), (None, None), id="neither"),
        pytest.param((0.01, None), (0.5, True), (0.01, None), id="a rate of its own against a general force"),
        pytest.param((0.01, True), (0.5, None), (0.01, True), id="a rate and a force of its own"),
    ],
)
def test_sampling(own: Any, general: Any, expected: Any) -> None:
    """What an outcome says of sampling counts before the settings."""
    outcome = replace(OUTCOME, sample_rate=own[0], force_sample=own[1])
    address = replace(ADDRESS, sample_rate=general[0], force_sample=general[1])
    body = json.loads(request_of(outcome, address).body)
    assert (body.get("sampleRate"), body.get("forceSample")) == expected
