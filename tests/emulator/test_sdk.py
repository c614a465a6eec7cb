"""The official SDK gets along with the emulator, in every call that the emulator has.

Each raw answer is checked against the published response schema too: the SDK reads leniently.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

import greenflash
import pytest
from jsonschema import Draft202012Validator

from greenflash_otel.emulator import Emulator, FaultReply
from tests.emulator.bodies import OTHER, PRODUCT, SCHEMA

NINE = datetime(2026, 1, 31, 9, tzinfo=timezone.utc)


@pytest.fixture
def sdk(emulator: Emulator) -> Iterator[greenflash.Greenflash]:
    """The SDK without its own retries."""
    with greenflash.Greenflash(api_key="gf_test", base_url=emulator.base_url, max_retries=0) as sdk:
        yield sdk


def checked(answer: Any, name: str) -> Any:
    """What the SDK makes of a raw answer that the published schema allows."""
    body = answer.http_response.json()
    errors = Draft202012Validator({"$ref": f"#/$defs/{name}", "$defs": SCHEMA["$defs"]}).iter_errors(body)
    assert [error.message for error in errors] == []
    return answer.parse()


def test_messages(sdk: greenflash.Greenflash, emulator: Emulator) -> None:
    """A conversation is created, extended by a resend, and answered in full."""
    asked: Any = {
        "role": "user",
        "content": "hi",
        "external_message_id": "m1",
        "created_at": NINE.isoformat(),
    }
    step: Any = {
        "message_type": "tool_call",
        "tool_name": "find",
        "input": {"q": 1},
        "external_message_id": "m2",
    }
    about: Any = {"external_user_id": "ada", "product_id": PRODUCT, "external_conversation_id": "chat-42"}
    prompt: Any = {"components": [{"content": "Help {{name}}."}], "variables": {"name": "Ada"}}
    create = sdk.messages.with_raw_response.create
    first = checked(create(**about, messages=[asked]), "MessagesResponse")
    again = checked(create(**about, messages=[asked, step], system_prompt=prompt), "MessagesResponse")
    assert again.success
    assert again.conversation_id == first.conversation_id
    assert [(m.status, m.message_type, m.external_message_id) for m in again.messages] == [
        ("deduplicated", "user_message", "m1"),
        ("created", "tool_call", "m2"),
    ]
    assert again.prompt_variables == {"name": "Ada"}
    assert len(again.system_prompt_component_ids) == 1
    assert emulator.conversation("chat-42").messages[1].input == {"q": 1}


def test_a_sampled_out_request_has_no_body(sdk: greenflash.Greenflash) -> None:
    """204, of which the SDK makes an empty string."""
    messages: Any = [{"role": "user", "content": "hi"}]
    answer: object = sdk.messages.create(
        external_user_id="ada", product_id=PRODUCT, messages=messages, sample_rate=0.0
    )
    assert answer == ""


def test_events(sdk: greenflash.Greenflash, emulator: Emulator) -> None:
    """The second event of an insert id answers the id of the first."""
    event: Any = {
        "event_type": "upgrade",
        "product_id": PRODUCT,
        "value": "149.00",
        "value_type": "currency",
        "influence": "positive",
        "event_at": NINE,
        "insert_id": "i1",
        "external_conversation_id": "chat-42",
    }
    create = sdk.events.with_raw_response.create
    first, again = checked(create(**event), "EventResponse"), checked(create(**event), "EventResponse")
    assert first.event_id == again.event_id
    (outcome,) = emulator.outcomes()
    assert (outcome.value, outcome.occurred_at) == ("149.00", "2026-01-31T09:00:00.000000Z")


def test_ratings(sdk: greenflash.Greenflash, emulator: Emulator) -> None:
    """A rating is acknowledged; there is no id to answer."""
    log = sdk.ratings.with_raw_response.log
    answer = log(product_id=PRODUCT, rating=4, rating_min=1, rating_max=5, external_conversation_id="chat-42")
    assert checked(answer, "RatingResponse").success
    assert [rating.rating for rating in emulator.ratings()] == [4]


def test_users_and_organizations(sdk: greenflash.Greenflash) -> None:
    """Created, then changed under their external ids."""
    users, organizations = sdk.users.with_raw_response, sdk.organizations.with_raw_response
    made = checked(organizations.create(external_organization_id="a/c", name="Acme"), "OrganizationResponse")
    changed = checked(organizations.update("a/c", properties={"tier": 1}), "OrganizationResponse")
    assert (changed.organization.id, changed.organization.name) == (made.organization.id, "Acme")
    assert changed.organization.properties == {"tier": 1}
    ada = checked(users.create(external_user_id="a/da", external_organization_id="a/c"), "UserResponse")
    updated = checked(users.update("a/da", name="Ada", anonymized=True), "UserResponse").participant
    assert (updated.id, updated.name, updated.anonymized) == (ada.participant.id, "Ada", True)
    assert (updated.organization_id, updated.external_organization_id) == (made.organization.id, "a/c")


def test_interactions_and_products(sdk: greenflash.Greenflash) -> None:
    """Read back as documented: six roles, the last rating, the participant."""
    messages: Any = [
        {"role": "user", "content": "hi", "created_at": NINE.isoformat()},
        {"message_type": "thought", "output": {"text": "hm"}},
        {"message_type": "final_response", "content": "hello"},
    ]
    about: Any = {"external_user_id": "ada", "external_organization_id": "acme", "model": "gpt-5"}
    for product in (OTHER, PRODUCT):
        sdk.messages.create(**about, product_id=product, external_conversation_id="c", messages=messages)
    sdk.users.update("ada", email="ada@example.com")
    for rating in (1, 4):
        sdk.ratings.log(
            product_id=PRODUCT, rating=rating, rating_min=1, rating_max=5, external_conversation_id="c"
        )
    raw = sdk.interactions.with_raw_response
    (listed,) = checked(raw.list(product_id=PRODUCT, limit=10, page=1), "InteractionList")
    assert (listed.external_id, listed.model, listed.rating, listed.rating_max) == ("c", "gpt-5", 4, 5)
    detail = checked(raw.get(listed.id), "InteractionDetail")
    assert [(m.role, m.content) for m in detail.messages] == [("user", "hi"), ("final_response", "hello")]
    assert detail.messages[0].timestamp == NINE
    assert (detail.participant.external_id, detail.participant.email) == ("ada", "ada@example.com")
    assert detail.organization_external_id == "acme"
    products = checked(sdk.products.with_raw_response.list(page=1, page_size=10), "ProductList")
    assert {product.id for product in products} == {PRODUCT, OTHER}


def test_refusals_are_the_sdks_errors(sdk: greenflash.Greenflash, emulator: Emulator) -> None:
    """Each status becomes the SDK's class for it, with our message inside."""
    with pytest.raises(greenflash.BadRequestError, match="messages: must not be empty"):
        sdk.messages.create(external_user_id="ada", product_id=PRODUCT, messages=[])
    with pytest.raises(greenflash.NotFoundError, match="No user has the external id 'nobody'"):
        sdk.users.update("nobody", name="x")
    with (
        Emulator(api_key="gf_other") as locked,
        pytest.raises(greenflash.AuthenticationError, match="Invalid API key"),
    ):
        sdk.with_options(base_url=locked.base_url).products.list()
    emulator.faults.next(FaultReply(429, {"retry-after": "1"}))
    with pytest.raises(greenflash.RateLimitError):
        sdk.products.list()


async def test_the_async_client_too(emulator: Emulator) -> None:
    """The same over the asynchronous SDK."""
    messages: Any = [{"role": "user", "content": "hi"}]
    async with greenflash.AsyncGreenflash(api_key="gf_test", base_url=emulator.base_url) as sdk:
        answer = await sdk.messages.create(
            external_user_id="ada", external_conversation_id="chat-42", messages=messages
        )
    assert emulator.conversation("chat-42").id == answer.conversation_id
