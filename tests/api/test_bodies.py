"""What is sent is what the API takes: the wire schema says so, and the official SDK knows every field."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_type_hints

from greenflash.types import event_create_params, message_create_params, message_item_param
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from greenflash_otel.conversations.update import ConversationUpdate, MessageItem
from greenflash_otel.greenflash_api import events, messages
from greenflash_otel.greenflash_api.messages import Address
from greenflash_otel.greenflash_api.request import MAX_ITEMS
from greenflash_otel.message_ids.chain import MessageType
from greenflash_otel.outcomes.outcome import INFLUENCES, VALUE_TYPES, Outcome
from tests.conftest import PRODUCT

SCHEMA: dict[str, Any] = json.loads(
    (Path(__file__).parents[1] / "data" / "greenflash-wire-schema.json").read_text()
)
NAME = st.text(min_size=1, max_size=8)
TYPES: list[MessageType] = [
    "user_message", "assistant_message", "system_message", "final_response", "thought", "tool_call",
    "observation", "tool_error", "llm",
]  # fmt: skip
OBJECT = st.dictionaries(st.text(max_size=4), st.integers() | st.text(max_size=4), max_size=2)
ITEMS = st.builds(
    MessageItem,
    id=NAME,
    type=st.sampled_from(TYPES),
    created_at_ms=st.integers(0, 4 * 10**12),
    parent_id=st.none() | NAME,
    content=st.none() | st.text(max_size=8),
    input=st.none() | OBJECT,
    output=st.none() | OBJECT,
    tool_name=NAME,
    model=st.none() | NAME,
    properties=OBJECT,
)
UPDATES = st.builds(
    ConversationUpdate,
    conversation_id=NAME,
    messages=st.lists(ITEMS, min_size=1, max_size=4).map(tuple),
    user_id=st.none() | NAME,
    organization_id=st.none() | NAME,
    model=st.none() | NAME,
    system_prompt=st.none() | st.text(max_size=8),
    properties=OBJECT,
)
OUTCOMES = st.builds(
    Outcome,
    event_type=NAME,
    value=st.text(max_size=8),
    event_at_ns=st.integers(0, 4 * 10**18),
    insert_id=NAME,
    value_type=st.sampled_from(VALUE_TYPES),
    influence=st.none() | st.sampled_from(INFLUENCES),
    quality_impact_score=st.none() | st.floats(-1, 1),
    conversation_id=st.none() | NAME,
    user_id=st.none() | NAME,
    organization_id=st.none() | NAME,
    properties=OBJECT,
    sample_rate=st.none() | st.floats(0, 1),
    force_sample=st.none() | st.booleans(),
)
ADDRESS = Address(PRODUCT, "anonymous")


def faults_of(kind: str, body: Any) -> list[str]:
    validator = Draft202012Validator({"$ref": f"#/$defs/{kind}", "$defs": SCHEMA["$defs"]})
    return [error.message for error in validator.iter_errors(body)]


def aliases(params: Any) -> set[str]:
    """The names an SDK type puts on the wire."""
    return {alias_of(hint) or name for name, hint in get_type_hints(params, include_extras=True).items()}


def alias_of(hint: Any) -> str | None:
    found = (getattr(meta, "alias", None) for meta in getattr(hint, "__metadata__", ()))
    deeper = (alias_of(inner) for inner in getattr(hint, "__args__", ()))  # below Required[…]
    return next(filter(None, [*found, *deeper]), None)


@given(UPDATES)
def test_a_messages_body_is_what_the_api_takes(update: ConversationUpdate) -> None:
    """By the wire schema and by the fields the SDK knows; always with product, user and conversation."""
    [request] = messages.requests_of(update, ADDRESS)
    body = json.loads(request.body)
    assert faults_of("MessagesRequest", body) == []
    assert {"productId", "externalUserId", "externalConversationId"} <= set(body)
    assert set(body) <= aliases(message_create_params.MessageCreateParams)
    for item in body["messages"]:
        assert set(item) <= aliases(message_item_param.MessageItemParam)


@given(OUTCOMES)
def test_an_event_body_is_what_the_api_takes(outcome: Outcome) -> None:
    """By the wire schema and by the fields the SDK knows; no score that nobody gave."""
    body = json.loads(events.request_of(outcome, ADDRESS).body)
    assert faults_of("EventRequest", body) == []
    assert set(body) <= aliases(event_create_params.EventCreateParams)
    assert ("qualityImpactScore" in body) == (outcome.quality_impact_score is not None)


def test_a_long_conversation_goes_in_several_requests_in_order() -> None:
    """LruDict by count, nothing left out."""
    items = tuple(MessageItem(f"m{number}", "user_message", number) for number in range(2 * MAX_ITEMS + 1))
    requests = messages.requests_of(ConversationUpdate("c", items), ADDRESS)
    assert [request.items for request in requests] == [MAX_ITEMS, MAX_ITEMS, 1]
    sent = [
        item["externalMessageId"] for request in requests for item in json.loads(request.body)["messages"]
    ]
    assert sent == [item.id for item in items]


def test_a_large_message_goes_alone() -> None:
    """LruDict by bytes, and a message that is too large by itself is not held back."""
    items = tuple(
        MessageItem(f"m{n}", "user_message", n, content="x" * size)
        for n, size in enumerate((9, 2_000_000, 9))
    )
    requests = messages.requests_of(ConversationUpdate("c", items), ADDRESS)
    assert [request.items for request in requests] == [1, 1, 1]


def test_no_message_is_no_request() -> None:
    """An update that adds nothing sends nothing."""
    assert messages.requests_of(ConversationUpdate("c", ()), ADDRESS) == ()
