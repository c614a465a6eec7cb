"""The laws of the store: what is kept first, what is kept last, what belongs together, in which order."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenflash_otel.emulator.contract import (
    EventRequest,
    MessagesRequest,
    OrganizationRequest,
    RatingRequest,
    UserRequest,
    UserUpdate,
    read,
)
from greenflash_otel.emulator.refusal import Refused
from greenflash_otel.emulator.store import Store, reading, writing
from greenflash_otel.emulator.stored import StoredConversation
from tests.emulator.bodies import OTHER, PRODUCT

NOW_US = 1_700_000_000_000_000
NOW = "2023-11-14T22:13:20"


def opened(database: str | Path = ":memory:") -> Store:
    """A store whose clock stands still and whose ids count."""
    numbers = itertools.count(1)
    return Store(
        database, now_us=lambda: NOW_US, new_uuid=lambda: f"00000000-0000-4000-8000-{next(numbers):012}"
    )


@pytest.fixture
def store() -> Iterator[Store]:
    """An empty store."""
    store = opened()
    yield store
    store.close()


def say(store: Store, *items: Mapping[str, Any], **fields: Any) -> writing.Receipt:
    """Add messages, to conversation ``c`` of one product unless told otherwise; None takes a field away."""
    body = {"externalUserId": "ada", "productId": PRODUCT, "externalConversationId": "c", **fields}
    body = {name: value for name, value in body.items() if value is not None}
    request = read(MessagesRequest, json.dumps({**body, "messages": items or [text("hi")]}).encode())
    with store.change() as change:
        return writing.add_messages(change, request)


def text(content: str, **fields: Any) -> dict[str, Any]:
    """An item a user wrote."""
    return {"role": "user", "content": content, **fields}


def happen(store: Store, **fields: Any) -> str:
    """Add a Greenflash event."""
    body = {"eventType": "upgrade", "productId": PRODUCT, "value": "1", **fields}
    with store.change() as change:
        return writing.add_event(change, read(EventRequest, json.dumps(body).encode())).id


def rate(store: Store, rating: float, **fields: Any) -> None:
    """Add a rating from 1 to 5."""
    body = {"productId": PRODUCT, "rating": rating, "ratingMin": 1, "ratingMax": 5, **fields}
    with store.change() as change:
        writing.add_rating(change, read(RatingRequest, json.dumps(body).encode()))


def only(store: Store) -> StoredConversation:
    """The one conversation there is."""
    (conversation,) = reading.read_conversations(store)
    return conversation


def test_the_first_version_of_a_message_stays(store: Store) -> None:
    """A repeated external id is reported as known, with the id and the type it got at first."""
    first = say(store, text("yes", externalMessageId="m"))
    again = say(
        store, {"messageType": "thought", "externalMessageId": "m"}, text("no", externalMessageId="n")
    )
    assert [message.content for message in only(store).messages] == ["yes", "no"]
    assert [(receipt.created, receipt.type) for receipt in again.messages] == [
        (False, "user_message"),
        (True, "user_message"),
    ]
    assert again.messages[0].id == first.messages[0].id


def test_a_repeat_inside_one_request_counts_as_known(store: Store) -> None:
    """Not documented; the first of the array wins, as over two requests."""
    receipt = say(store, text("yes", externalMessageId="m"), text("no", externalMessageId="m"))
    assert [message.created for message in receipt.messages] == [True, False]
    assert [message.content for message in only(store).messages] == ["yes"]


def test_messages_without_an_id_are_always_new(store: Store) -> None:
    """There is nothing to know them by."""
    say(store, text("yes"), text("yes"))
    say(store, text("yes"))
    assert len(only(store).messages) == 3


def test_a_message_id_belongs_to_its_conversation(store: Store) -> None:
    """Two conversations may use the same external message id."""
    say(store, text("one", externalMessageId="m"), externalConversationId="a")
    say(store, text("two", externalMessageId="m"), externalConversationId="b")
    contents = [
        [m.content for m in conversation.messages] for conversation in reading.read_conversations(store)
    ]
    assert contents == [["one"], ["two"]]


@given(st.lists(st.lists(st.sampled_from("abcdef"), min_size=1), min_size=1, max_size=8))
def test_each_message_is_stored_once_however_it_is_resent(batches: list[list[str]]) -> None:
    """Any batches of any ids leave each id once, and each is reported as created exactly once."""
    store = opened()
    try:
        receipts = [say(store, *(text(id, externalMessageId=id) for id in batch)) for batch in batches]
        created = [m.external_id for receipt in receipts for m in receipt.messages if m.created]
        sent = dict.fromkeys(itertools.chain.from_iterable(batches))
        assert created == list(sent)
        assert [message.external_id for message in only(store).messages] == list(sent)
    finally:
        store.close()


def test_a_conversation_is_found_by_product_and_external_id(store: Store) -> None:
    """The same external id in another product is another conversation; case of a UUID does not count."""
    one = say(store)
    assert say(store, productId=PRODUCT.upper()).conversation_id == one.conversation_id
    assert say(store, productId=OTHER).conversation_id != one.conversation_id


def test_a_conversation_is_found_by_its_greenflash_id(store: Store) -> None:
    """With nothing else given, and before anything else that is given."""
    one = say(store).conversation_id
    assert say(store, productId=None, externalConversationId=None, conversationId=one).conversation_id == one
    assert say(store, externalConversationId="else", conversationId=one).conversation_id == one
    assert len(reading.read_conversations(store)) == 1


def test_an_unknown_greenflash_id_is_refused_and_leaves_nothing(store: Store) -> None:
    """404: there is nothing to extend, and Greenflash alone makes these ids."""
    with pytest.raises(Refused) as refused:
        say(store, conversationId=OTHER)
    assert refused.value.status == 404
    assert reading.read_conversations(store) == ()
    assert reading.read_users(store) == ()


def test_an_external_id_alone_finds_its_conversation(store: Store) -> None:
    """The newest of that id; without one a new conversation begins in a product of the emulator's own."""
    known = say(store).conversation_id
    assert say(store, productId=None).conversation_id == known
    fresh = say(store, productId=None, externalConversationId="new").conversation_id
    (conversation,) = reading.read_conversations(store, id=fresh)
    assert conversation.product_id == writing.DEFAULT_PRODUCT_ID


def test_a_product_alone_begins_a_conversation_each_time(store: Store) -> None:
    """There is nothing to find an earlier one by."""
    assert say(store, externalConversationId=None) != say(store, externalConversationId=None)
    assert len(reading.read_conversations(store)) == 2


def test_the_last_fields_of_a_conversation_count(store: Store) -> None:
    """What a later request leaves out stays; what it sends replaces, properties as a whole."""
    say(store, model="a", properties={"x": 1}, systemPrompt="s", externalOrganizationId="acme")
    say(store, model="b", properties={"y": 2}, externalUserId="bob")
    conversation = only(store)
    assert (conversation.model, conversation.properties, conversation.system_prompt) == ("b", {"y": 2}, "s")
    assert (conversation.external_user_id, conversation.external_organization_id) == ("bob", "acme")


def test_messages_stand_in_the_order_of_their_times(store: Store) -> None:
    """Over requests; those of one time in order of arrival."""
    say(store, text("late", createdAt="2026-01-02"), text("later", createdAt="2026-01-02"))
    say(store, text("early", createdAt="2026-01-01T23:00:00-00:30"))
    assert [message.content for message in only(store).messages] == ["early", "late", "later"]


def test_times_are_assigned_in_array_order(store: Store) -> None:
    """A message without ``createdAt`` comes a millisecond after the latest, however slow the clock."""
    say(store, text("1"), text("2"))
    say(store, text("3"), text("4", createdAt="2023-11-14T22:13:21Z"), text("5"))
    assert [(m.content, m.created_at) for m in only(store).messages] == [
        ("1", f"{NOW}.000000Z"),
        ("2", f"{NOW}.001000Z"),
        ("3", f"{NOW}.002000Z"),
        ("4", "2023-11-14T22:13:21.000000Z"),
        ("5", "2023-11-14T22:13:21.001000Z"),
    ]


def test_a_message_is_kept_as_it_was_sent(store: Store) -> None:
    """The whole item, a parent that nobody knows included."""
    item = {
        "messageType": "tool_call",
        "toolName": "find",
        "input": {"q": [1, None]},
        "output": {},
        "parentExternalMessageId": "nobody",
        "voice": {"durationMs": 5},
    }
    say(store, item)
    (message,) = only(store).messages
    assert message.item == item
    assert (message.type, message.role, message.tool_name) == ("tool_call", None, "find")
    assert (message.input, message.parent_external_id) == ({"q": [1, None]}, "nobody")


def test_the_first_event_of_an_insert_id_stays(store: Store) -> None:
    """The repeat answers the first id and adds nothing; events without an insert id are always new."""
    first = happen(store, insertId="i", value="1", externalConversationId="c")
    assert happen(store, insertId="i", value="2", externalConversationId="c") == first
    assert happen(store) != happen(store)
    say(store)
    assert [outcome.value for outcome in only(store).outcomes] == ["1"]
    assert len(reading.read_outcomes(store)) == 3


def test_an_outcome_shows_the_documented_defaults(store: Store) -> None:
    """``text``, ``neutral``, now."""
    happen(store)
    (outcome,) = reading.read_outcomes(store)
    assert (outcome.value_type, outcome.influence, outcome.occurred_at) == (
        "text",
        "neutral",
        f"{NOW}.000000Z",
    )


def test_events_and_ratings_find_their_conversation_later(store: Store) -> None:
    """By Greenflash's id or by the caller's within the product; the conversation may come after them."""
    happen(store, eventType="before", externalConversationId="c")
    happen(store, eventType="elsewhere", externalConversationId="c", productId=OTHER)
    rate(store, 2, externalConversationId="c")
    rate(store, 1, externalConversationId="c", productId=OTHER)
    id = say(store).conversation_id
    happen(store, eventType="after", conversationId=id.upper())
    rate(store, 3, conversationId=id)
    assert [outcome.event_type for outcome in only(store).outcomes] == ["before", "after"]
    assert [rating.rating for rating in only(store).ratings] == [2, 3]
    assert len(reading.read_ratings(store)) == 3


def test_a_rated_message_leads_to_its_conversation(store: Store) -> None:
    """By either id of the message; the same external id in another conversation only if that is named."""
    (message,) = say(store, text("one", externalMessageId="m")).messages
    say(store, text("two", externalMessageId="m2"), externalConversationId="d")
    rate(store, 1, messageId=message.id)
    rate(store, 2, externalMessageId="m")
    rate(store, 3, externalMessageId="m2", externalConversationId="d")
    rate(store, 4, externalMessageId="unknown")
    found = [[(r.rating, r.message) for r in c.ratings] for c in reading.read_conversations(store)]
    assert found == [[(1, message.id), (2, "m")], [(3, "m2")]]


def test_users_and_organizations_come_with_messages(store: Store) -> None:
    """Both are created by the first request that names them, and the user joins the organization."""
    say(store, externalOrganizationId="acme")
    (user,) = reading.read_users(store)
    (organization,) = reading.read_organizations(store)
    assert (user.external_id, user.external_organization_id) == ("ada", "acme")
    assert (organization.id, user.organization_id) == (only(store).organization_id, organization.id)


def test_a_user_is_updated_field_by_field(store: Store) -> None:
    """POST creates or updates, only present fields change, properties change as a whole."""
    create = UserRequest.model_validate(
        {"externalUserId": "ada", "name": "Ada", "properties": {"x": 1}, "externalOrganizationId": "acme"}
    )
    update = UserUpdate.model_validate({"email": "a@b", "properties": {"y": 2}})
    with store.change() as change:
        writing.save_user(change, "ada", create)
        writing.save_user(change, "ada", update)
    (user,) = reading.read_users(store)
    assert (user.name, user.email, user.phone, user.anonymized) == ("Ada", "a@b", None, False)
    assert (user.properties, user.external_organization_id) == ({"y": 2}, "acme")


def test_an_organization_is_one_by_its_external_id(store: Store) -> None:
    """A second POST changes the first one's fields."""
    for name in ("Acme", "Acme Ltd"):
        request = OrganizationRequest.model_validate({"externalOrganizationId": "acme", "name": name})
        with store.change() as change:
            writing.save_organization(change, "acme", request)
    assert [organization.name for organization in reading.read_organizations(store)] == ["Acme Ltd"]


def test_a_change_happens_whole_or_not_at_all(store: Store) -> None:
    """If anything in the block raises, nothing of it is stored, and the store goes on."""
    with pytest.raises(RuntimeError, match="midway"), store.change() as change:
        writing.add_event(
            change, EventRequest.model_validate({"eventType": "e", "productId": OTHER, "value": ""})
        )
        raise RuntimeError("midway")
    assert reading.read_outcomes(store) == ()
    happen(store)
    assert len(reading.read_outcomes(store)) == 1


def test_a_file_is_read_again(tmp_path: Path) -> None:
    """What was stored outlives the process; the schema is applied once."""
    first = opened(tmp_path / "emulator.sqlite3")
    say(first)
    first.close()
    second = opened(tmp_path / "emulator.sqlite3")
    try:
        assert only(second).external_id == "c"
    finally:
        second.close()
