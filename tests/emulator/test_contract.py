"""The contract says what the published wire schema says, and says it so that a person can act on it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker

from greenflash_otel.emulator.contract import (
    EventRequest,
    MessagesRequest,
    OrganizationRequest,
    OrganizationUpdate,
    RatingRequest,
    UserRequest,
    UserUpdate,
    read,
)
from greenflash_otel.emulator.contract.fields import Body
from greenflash_otel.emulator.refusal import Refused
from tests.emulator.bodies import AGENT, CHAT, EVENT, ORGANIZATION, PROMPTED, RATING, SCHEMA, USER, variations

FORMATS = FormatChecker(formats=["uuid", "date", "email"])


@FORMATS.checks("date-time", raises=ValueError)
def is_date_time(text: object) -> bool:
    """The pattern beside the format sees to the shape; this sees to the calendar."""
    if isinstance(text, str) and len(text) > 19:
        datetime.strptime(text[:19], "%Y-%m-%dT%H:%M:%S")
    return True


KINDS = [
    pytest.param(MessagesRequest, "MessagesRequest", CHAT, id="chat"),
    pytest.param(MessagesRequest, "MessagesRequest", AGENT, id="agent and voice"),
    pytest.param(MessagesRequest, "MessagesRequest", PROMPTED, id="system prompt as object"),
    pytest.param(EventRequest, "EventRequest", EVENT, id="event"),
    pytest.param(RatingRequest, "RatingRequest", RATING, id="rating"),
    pytest.param(UserRequest, "UserRequest", USER, id="user"),
    pytest.param(UserUpdate, "UserUpdateRequest", {"name": "Ada"}, id="user update"),
    pytest.param(OrganizationRequest, "OrganizationRequest", ORGANIZATION, id="organization"),
    pytest.param(OrganizationUpdate, "OrganizationUpdateRequest", {"name": "Acme"}, id="organization update"),
]


def refusal_of(kind: type[Body], body: object) -> str | None:
    """What the contract says against a body, None if nothing."""
    try:
        read(kind, json.dumps(body).encode())
    except Refused as refused:
        return refused.message
    return None


def is_on_its_scale(body: Any) -> bool:
    """What JSON Schema cannot say of a rating."""
    return bool(body["ratingMin"] <= body["rating"] <= body["ratingMax"])


@pytest.mark.parametrize(("kind", "name", "body"), KINDS)
def test_the_contract_and_the_wire_schema_agree(kind: type[Body], name: str, body: Mapping[str, Any]) -> None:
    """Of all bodies with one difference, thousands in sum, both accept the same ones."""
    schema = SCHEMA["$defs"][name]
    validator = Draft202012Validator({**schema, "$defs": SCHEMA["$defs"]}, format_checker=FORMATS)
    accepted, refused, disagreed = 0, 0, []
    for difference, variation in variations(body, schema):
        good = validator.is_valid(variation)
        if good and kind is RatingRequest:
            good = is_on_its_scale(variation)
        accepted, refused = accepted + good, refused + (not good)
        if good != (refusal_of(kind, variation) is None):
            disagreed.append((difference, refusal_of(kind, variation)))
    assert refusal_of(kind, body) is None
    assert disagreed == []
    assert accepted > 10
    assert refused > 50


@pytest.mark.parametrize(("kind", "name", "body"), KINDS)
def test_what_is_read_is_what_was_sent(kind: type[Body], name: str, body: Mapping[str, Any]) -> None:
    """The contract converts nothing: the store keeps bodies as they came."""
    assert read(kind, json.dumps(body).encode()).as_sent() == body


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from("abc"), inner),
    )
)
def test_free_form_objects_hold_anything(value: object) -> None:
    """``properties``, ``input`` and ``output`` carry any JSON."""
    body = {**CHAT, "properties": {"value": value}}
    assert read(MessagesRequest, json.dumps(body).encode()).as_sent() == body


BEYOND_THE_SCHEMA = [
    pytest.param(
        b'{"a": "\\u0000"}', "a: has a NUL", id="NUL: PostgreSQL keeps none, our serialiser sends none"
    ),
    pytest.param(
        b'{"a": ["\\ud800"]}', "a[0]: has a NUL or a lone surrogate", id="lone surrogate: is no text"
    ),
    pytest.param(b'{"\\udfff": 1}', "body: has a NUL or a lone surrogate", id="lone surrogate in a name"),
    pytest.param(b'{"a": NaN}', "body: is not JSON: NaN", id="NaN: JSON has none"),
    pytest.param(b'{"a": -Infinity}', "body: is not JSON: -Infinity", id="infinity: JSON has none"),
    pytest.param(b'{"a": 1e999}', "body: is not JSON: 1e999", id="a number that reads as infinity"),
    pytest.param(b"[" * 100_000, "body: is nested deeper than 200 levels", id="deeper than Python decodes"),
    pytest.param(b"[" * 300 + b"]" * 300, "body: is nested deeper", id="deeper than our bound"),
    pytest.param(b"\xff{}", "body: is not UTF-8", id="not UTF-8"),
    pytest.param(b'{"a": 1', "body: is not JSON: Expecting", id="cut off"),
    pytest.param(b"", "body: is not JSON: Expecting value", id="empty"),
]


@pytest.mark.parametrize(("raw", "message"), BEYOND_THE_SCHEMA)
def test_what_a_schema_cannot_say(raw: bytes, message: str) -> None:
    """Bytes that no database keeps, or that are no JSON, are refused where the schema has no words for it."""
    with pytest.raises(Refused) as refused:
        read(EventRequest, raw)
    assert refused.value.status == 400
    assert refused.value.message.startswith(message)


def test_a_leap_second_is_refused() -> None:
    """RFC 3339 has it, but neither Python nor JavaScript can say when it was."""
    refusal = refusal_of(EventRequest, {**EVENT, "eventAt": "2016-12-31T23:59:60Z"})
    assert refusal is not None
    assert refusal.startswith("eventAt: is no time that exists")


def test_a_zone_beyond_a_day_is_refused() -> None:
    """The wire schema's pattern lets ``+99:99`` pass; no clock does."""
    refusal = refusal_of(EventRequest, {**EVENT, "eventAt": "2026-01-31T09:30:00+99:99"})
    assert refusal == "eventAt: has a zone that does not exist: +99:99"


def item(**fields: object) -> Callable[[], dict[str, Any]]:
    """A body whose third message has these fields."""
    return lambda: {**CHAT, "messages": [*CHAT["messages"], fields]}


MESSAGES = [
    pytest.param(
        item(messageType="tool_call"), "messages[2].toolName: a tool_call needs a toolName", id="tool name"
    ),
    pytest.param(
        item(role="user", messageType="thought"),
        "messages[2].messageType: stands next to role; send only one of the two",
        id="role and type",
    ),
    pytest.param(
        item(content="x"),
        "messages[2].messageType: is missing; send role for simple chat, else messageType",
        id="neither role nor type",
    ),
    pytest.param(
        item(role="user", parentMessageId=USER["organizationId"], parentExternalMessageId="m1"),
        "messages[2].parentMessageId: stands next to parentExternalMessageId; send only one of the two",
        id="two parents",
    ),
    pytest.param(
        item(role="user", output="hm"),
        "messages[2].output: must be an object, not a string",
        id="output as text",
    ),
    pytest.param(
        item(role="users"),
        "messages[2].role: must be one of 'user', 'assistant' or 'system'",
        id="unknown role",
    ),
    pytest.param(
        item(role="user", external_message_id="m3"),
        "messages[2].external_message_id: is not a field of the API; write externalMessageId",
        id="snake case",
    ),
    pytest.param(
        item(role="user", versionId="v"),
        "messages[2].versionId: is not a field of the API; leave it out",
        id="unknown field",
    ),
    pytest.param(
        item(role="user", createdAt="2026-01-31T09:30:00"),
        'messages[2].createdAt: must be a date-time with a zone; write e.g. "2026-01-31T09:30:00.000Z"',
        id="no zone",
    ),
    pytest.param(
        item(role="user", content=None),
        "messages[2].content: must not be null; leave the field out",
        id="null",
    ),
    pytest.param(
        item(role="user", externalMessageId=7, content=8),
        "messages[2].content: must be a string, not a number (and 1 more)",
        id="two faults",
    ),
    pytest.param(lambda: {**CHAT, "messages": []}, "messages: must not be empty", id="no message"),
    pytest.param(lambda: {**CHAT, "sampleRate": 1.1}, "sampleRate: must be at most 1", id="rate"),
    pytest.param(
        lambda: {**CHAT, "sampleRate": True}, "sampleRate: must be a number, not a boolean", id="boolean"
    ),
    pytest.param(
        lambda: {**CHAT, "systemPrompt": {"components": [{"name": "x"}]}},
        "systemPrompt.components[0].content: is required",
        id="inside one branch of a union",
    ),
    pytest.param(
        lambda: {"externalUserId": "ada", "messages": CHAT["messages"]},
        "body: needs conversationId, externalConversationId or productId; send the last two",
        id="no conversation",
    ),
    pytest.param(list, "body: must be an object, not an array", id="no object"),
]


@pytest.mark.parametrize(("body", "message"), MESSAGES)
def test_a_refusal_names_the_place_and_the_cure(body: Callable[[], object], message: str) -> None:
    """The path first, then what is wrong and what to write; content is never quoted."""
    assert refusal_of(MessagesRequest, body()) == message


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        pytest.param({"rating": 6}, "rating: must lie between ratingMin and ratingMax, 1 to 5.5", id="above"),
        pytest.param(
            {"rating": 0.5}, "rating: must lie between ratingMin and ratingMax, 1 to 5.5", id="below"
        ),
        pytest.param(
            {"ratingMin": 9}, "ratingMin: is greater than ratingMax; swap the two", id="scale upside down"
        ),
    ],
)
def test_a_rating_lies_on_its_scale(fields: Mapping[str, object], message: str) -> None:
    """The reference demands it, though JSON Schema cannot."""
    assert refusal_of(RatingRequest, {**RATING, **fields}) == message


def test_a_value_is_text() -> None:
    """149.0 would be rounded somewhere on its way; "149.00" is not."""
    assert refusal_of(EventRequest, {**EVENT, "value": 149}) == "value: must be a string, not a number"
