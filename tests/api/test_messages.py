"""Every request for ``POST /messages`` is one that the published contract and the Greenflash SDK know."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from greenflash.types import message_create_params
from greenflash.types.message_item_param import MessageItemParam
from hypothesis import given
from hypothesis import strategies as st

from greenflash_otel.conversations.assemble import assemble
from greenflash_otel.conversations.store import ConversationStore
from greenflash_otel.conversations.update import ConversationUpdate, MessageItem
from greenflash_otel.greenflash_api.messages import (
    Address,
    item_of,
    requests_of,
    time_of,
)
from greenflash_otel.greenflash_api.request import MAX_BYTES, MAX_ITEMS
from greenflash_otel.model.operation import Operation, Voice, VoiceCall
from tests.api.wire import ADDRESS, fields_of, validator
from tests.strategies import maybe, operations, span_of

VALIDATOR = validator("MessagesRequest")
FRAME_FIELDS = fields_of(message_create_params.MessageCreateParams)
ITEM_FIELDS = fields_of(MessageItemParam)


def _bodies(update: ConversationUpdate, address: Address = ADDRESS) -> list[Any]:
    return [json.loads(request.body) for request in requests_of(update, address)]


@given(st.lists(operations(), min_size=1, max_size=3), maybe(st.floats(0, 1)), maybe(st.booleans()))
def test_the_contract(told: list[Operation], sample_rate: float | None, force_sample: bool | None) -> None:
    """Whatever a span tells of, the request it gives is valid, and has fields the SDK knows."""
    memory = ConversationStore()
    address = replace(ADDRESS, sample_rate=sample_rate, force_sample=force_sample)
    for number, operation in enumerate(told):
        span = span_of(number=number, failure=operation.failure)
        update = assemble(memory, span, operation)
        for body in _bodies(update, address):
            VALIDATOR.validate(body)
            assert set(body) <= FRAME_FIELDS
            assert all(set(message) <= ITEM_FIELDS for message in body["messages"])
            assert body.get("sampleRate") == sample_rate
            assert body.get("forceSample") is force_sample


def test_the_contract_is_checked() -> None:
    """The checks above refuse what they should refuse."""
    assert not VALIDATOR.is_valid({"externalUserId": "ada", "messages": []})
    assert {"externalUserId", "productId", "systemPrompt", "model"} <= FRAME_FIELDS
    assert {"parentExternalMessageId", "toolName", "content"} <= ITEM_FIELDS
    assert "external_user_id" not in FRAME_FIELDS


ITEM = MessageItem("gf_1", "user_message", 1_700_000_000_123, content="Hi")
UPDATE = ConversationUpdate("chat-1", (ITEM,))


def test_a_whole_request() -> None:
    """Everything that is known stands in its field, what is not known is left out."""
    answer = MessageItem(
        "gf_2",
        "tool_call",
        1_700_000_000_124,
        "gf_1",
        None,
        {"city": "Köln"},
        {"degrees": 18},
        "get_weather",
        "gpt-4o",
        {"a": 1},
    )
    update = ConversationUpdate(
        "chat-1", (ITEM, answer), "ada", "acme", "gpt-4o", "Be brief.", properties={"plan": "pro"}
    )
    (request,) = requests_of(update, replace(ADDRESS, sample_rate=0.0, force_sample=False))
    assert (request.kind, request.path, request.conversation_id, request.items) == (
        "messages",
        "/messages",
        "chat-1",
        2,
    )
    assert json.loads(request.body) == {
        "productId": ADDRESS.product_id,
        "externalUserId": "ada",
        "externalConversationId": "chat-1",
        "externalOrganizationId": "acme",
        "model": "gpt-4o",
        "systemPrompt": "Be brief.",
        "properties": {"plan": "pro"},
        "sampleRate": 0.0,
        "forceSample": False,
        "messages": [
            {
                "externalMessageId": "gf_1",
                "messageType": "user_message",
                "content": "Hi",
                "createdAt": "2023-11-14T22:13:20.123Z",
            },
            {
                "externalMessageId": "gf_2",
                "parentExternalMessageId": "gf_1",
                "messageType": "tool_call",
                "input": {"city": "Köln"},
                "output": {"degrees": 18},
                "toolName": "get_weather",
                "createdAt": "2023-11-14T22:13:20.124Z",
                "model": "gpt-4o",
                "properties": {"a": 1},
            },
        ],
    }


def test_a_user_nobody_named() -> None:
    """A conversation without a user has the default one."""
    (body,) = _bodies(UPDATE)
    assert body["externalUserId"] == "anonymous"


def test_empty_objects_are_sent() -> None:
    """A tool called without arguments has an empty input, not none."""
    assert item_of(replace(ITEM, input={}))["input"] == {}


def test_nothing_new_is_no_request() -> None:
    """An update without messages is not sent."""
    assert requests_of(replace(UPDATE, messages=()), ADDRESS) == ()


@pytest.mark.parametrize(
    ("count", "size", "expected"),
    [
        pytest.param(MAX_ITEMS, 1, [MAX_ITEMS], id="as many as fit"),
        pytest.param(MAX_ITEMS + 1, 1, [MAX_ITEMS, 1], id="one too many"),
        pytest.param(5, MAX_BYTES // 3, [2, 2, 1], id="too many bytes"),
        pytest.param(3, MAX_BYTES + 1, [1, 1, 1], id="each too large goes alone"),
    ],
)
def test_batches(count: int, size: int, expected: list[int]) -> None:
    """Requests are bounded in number and bytes of messages; none is left out and the order stays."""
    items = tuple(replace(ITEM, id=f"gf_{place}", content="x" * size) for place in range(count))
    requests = requests_of(replace(UPDATE, messages=items), ADDRESS)
    assert [request.items for request in requests] == expected
    bodies = [json.loads(request.body) for request in requests]
    ids = [message["externalMessageId"] for body in bodies for message in body["messages"]]
    assert ids == [item.id for item in items]


@pytest.mark.parametrize(
    ("unix_ms", "expected"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (1, "1970-01-01T00:00:00.001Z"),
        (-1, "1969-12-31T23:59:59.999Z"),
        (1_709_164_799_999, "2024-02-28T23:59:59.999Z"),
    ],
)
def test_times(unix_ms: int, expected: str) -> None:
    """Times have milliseconds and Z, before 1970 too."""
    assert time_of(unix_ms) == expected


def test_times_and_counts_below_zero() -> None:
    """Some producers mean by −1 that they do not know; the contract has no such number."""
    voice = Voice(started_at_ms=5_000, ended_at_ms=4_000, response_latency_ms=-1, barge_in=True)
    item = MessageItem("gf_1", "user_message", 5_000, content="Hi", voice=voice)
    call = VoiceCall("livekit", "c", duration_ms=-1, interruption_count=-1)
    (body,) = _bodies(ConversationUpdate("talk", messages=(item,), voice_call=call))
    VALIDATOR.validate(body)
    assert body["messages"][0]["voice"] == {
        "startedAt": 5_000,
        "endedAt": 5_000,
        "durationMs": 0,
        "bargeIn": True,
    }
    assert body["voiceCall"] == {"platform": "livekit", "platformCallId": "c"}
