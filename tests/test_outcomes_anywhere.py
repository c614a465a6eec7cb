"""Outcomes that are recorded away from their conversation: another day, another process, another kind of id."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from greenflash.types.event_create_params import EventCreateParams
from greenflash.types.message_create_params import MessageCreateParams
from greenflash.types.rating_log_params import RatingLogParams
from greenflash.types.user_create_params import UserCreateParams

import greenflash_otel as greenflash
from greenflash_otel.pipeline import Pipeline
from greenflash_otel.settings import Settings
from greenflash_otel.testing import Emulator
from tests.api.wire import fields_of, validator
from tests.conftest import PRODUCT
from tests.test_runtime import chat, start
from tests.ways_in import WAYS, Way

CONVERSATION = "3c90c3cc-0d44-4b50-8888-8dd25736052a"
USER = "1c90c3cc-0d44-4b50-8888-8dd25736052a"
ORGANIZATION = "2c90c3cc-0d44-4b50-8888-8dd25736052a"
DAY_S = 86_400.0


def bodies(emulator: Emulator, path: str) -> list[Mapping[str, Any]]:
    """What was posted to one path. Several conversations are delivered at a time, in any order."""
    return [request.body for request in emulator.requests() if request.path == path]


def names_of(emulator: Emulator) -> list[dict[str, Any]]:
    """Whose each outcome is, as it was sent."""
    return [
        {
            name: value
            for name, value in body.items()
            if name.endswith("Id") and name not in ("productId", "insertId")
        }
        for body in bodies(emulator, "/events")
    ]


def converse(emulator: Emulator, folder: Path, id: str | None = "chat-1", user: str | None = "ada") -> None:
    """A process that talks with a user, and ends."""
    start(emulator, outbox=folder)
    with greenflash.conversation(id, user_id=user):
        chat(["Hello."], [f"Hi, {id}"])
    greenflash.shutdown()


def test_by_the_conversation_alone(greenflash_emulator: Emulator, tmp_path: Path) -> None:
    """Another process, which never saw the conversation, invents no user; so does a webhook process."""
    converse(greenflash_emulator, tmp_path / "one")
    start(greenflash_emulator, outbox=tmp_path / "two", frameworks=())
    greenflash.record_outcome("upgrade", "149.00", conversation_id="chat-1")
    assert greenflash.flush(10)
    assert names_of(greenflash_emulator) == [{"externalConversationId": "chat-1"}]
    [outcome] = greenflash_emulator.conversation("chat-1").outcomes
    assert outcome.event_type == "upgrade"


def test_the_latest_conversation_of_a_user(greenflash_emulator: Emulator, tmp_path: Path) -> None:
    """In a process that ended, in one that runs, and in this one; in a block of somebody else too."""
    converse(greenflash_emulator, tmp_path, "chat-1")
    converse(greenflash_emulator, tmp_path, "chat-2")
    converse(greenflash_emulator, tmp_path, "chat-3", "bea")
    start(greenflash_emulator, outbox=tmp_path)
    other = Pipeline(
        Settings(PRODUCT, api_key="gf_test", base_url=greenflash_emulator.base_url, outbox=str(tmp_path))
    )
    try:
        greenflash.record_outcome("one", user_id="ada", link="latest")
        with greenflash.conversation("chat-4", user_id="bea"):
            greenflash.record_outcome("two", user_id="ada", link="latest")
            greenflash.record_outcome("three", link="latest")
            chat(["Hello."], ["Hi again"])
            outcome = greenflash.record_outcome("four", link="latest")
        assert outcome.conversation_id == "chat-4"
        assert greenflash.flush(10)
    finally:
        other.shutdown(5)
    linked = {
        body["eventType"]: body["externalConversationId"] for body in bodies(greenflash_emulator, "/events")
    }
    assert linked == {"one": "chat-2", "two": "chat-2", "three": "chat-3", "four": "chat-4"}


def test_a_conversation_that_ended_too_long_ago(greenflash_emulator: Emulator, tmp_path: Path) -> None:
    """It is not linked, and counted; a longer time finds it. A user whom nobody knows has none either."""
    converse(greenflash_emulator, tmp_path)
    start(greenflash_emulator, outbox=tmp_path)
    later: dict[str, Any] = {
        "user_id": "ada",
        "link": "latest",
        "event_at": 4_102_444_800,
    }  # in the year 2100
    greenflash.record_outcome("late", **later)
    greenflash.record_outcome("late", within_s=100 * 366 * DAY_S, **later)
    greenflash.record_outcome("unknown", user_id="eve", link="latest")
    assert greenflash.flush(10)
    found = Counter(
        (body["eventType"], body.get("externalConversationId"))
        for body in bodies(greenflash_emulator, "/events")
    )
    assert found == Counter([("late", None), ("late", "chat-1"), ("unknown", None)])
    assert greenflash.stats().unlinked == 2


def test_an_explicit_conversation_comes_first(greenflash_emulator: Emulator) -> None:
    """`link` is for outcomes that name none."""
    start(greenflash_emulator, outbox=":memory:")
    with greenflash.conversation("chat-1", user_id="ada"):
        chat(["Hello."], ["Hi"])
    outcome = greenflash.record_outcome("upgrade", conversation_id="chat-9", user_id="ada", link="latest")
    assert outcome.conversation_id == "chat-9"


def test_a_link_that_is_none(greenflash_emulator: Emulator) -> None:
    """It is left out with a warning, or raises."""
    start(greenflash_emulator, outbox=":memory:")
    words: Any = {"link": "newest", "within_s": -1}
    with pytest.raises(greenflash.InvalidOutcomeError, match=r"link .* within_s"):
        greenflash.record_outcome("upgrade", strict=True, **words)
    outcome = greenflash.record_outcome("upgrade", **words)
    assert (outcome.link, outcome.within_s) == (None, 30 * DAY_S)
    assert outcome.properties["greenflash_original"] == words


def record_with_greenflash_ids() -> None:
    """Whatever block is active, only what Greenflash made is named."""
    with greenflash.conversation("chat-1", user_id="ada", organization_id="acme"):
        greenflash.record_outcome("one", greenflash_conversation_id=CONVERSATION)
        greenflash.record_outcome(
            "two",
            conversation_id="chat-1",
            greenflash_conversation_id=CONVERSATION.upper(),
            greenflash_user_id=USER,
            greenflash_organization_id=ORGANIZATION,
        )
        greenflash.record_outcome("three", greenflash_user_id=USER)


EXPECTED = [
    {"conversationId": CONVERSATION},
    {"conversationId": CONVERSATION, "userId": USER, "organizationId": ORGANIZATION},
    {"externalConversationId": "chat-1", "userId": USER, "externalOrganizationId": "acme"},
]


@WAYS
def test_ids_that_greenflash_made(greenflash_emulator: Emulator, way: Way) -> None:
    """The fields of the SDK, as the contract has them."""
    way(greenflash_emulator, record_with_greenflash_ids)
    assert sorted(names_of(greenflash_emulator), key=str) == sorted(EXPECTED, key=str)
    for body in bodies(greenflash_emulator, "/events"):
        assert set(body) <= fields_of(EventCreateParams)
        validator("EventRequest").validate(body)


@WAYS
def test_the_latest_conversation_in_every_way(greenflash_emulator: Emulator, way: Way) -> None:
    """Who converts the spans knows the conversations."""

    def act() -> None:
        with greenflash.conversation("chat-1", user_id="ada"):
            greenflash.record_message("user", "Hello.")
            greenflash.record_message("assistant", "Hi.")
        with greenflash.conversation("chat-2", user_id="bea"):
            greenflash.record_outcome("upgrade", user_id="ada", link="latest")

    way(greenflash_emulator, act)
    assert names_of(greenflash_emulator) == [{"externalConversationId": "chat-1", "externalUserId": "ada"}]


def test_ratings_and_users_by_greenflash_ids(greenflash_emulator: Emulator) -> None:
    """A rating names the message or the conversation that Greenflash made, a user the organization."""
    start(greenflash_emulator, outbox=":memory:")
    with greenflash.conversation("chat-1", user_id="ada", organization_id="acme"):
        greenflash.record_rating(True, greenflash_message_id="msg-001")
        greenflash.record_rating(True, greenflash_conversation_id=CONVERSATION)
        greenflash.identify_user(name="Ada", greenflash_organization_id=ORGANIZATION)
    assert greenflash.flush(10)
    first, second = sorted(bodies(greenflash_emulator, "/ratings"), key=lambda body: "messageId" not in body)
    names = ("conversationId", "externalConversationId", "messageId", "externalMessageId")
    assert [first.get(name) for name in names] == [None, None, "msg-001", None]
    assert [second.get(name) for name in names] == [CONVERSATION, None, None, None]
    [user] = bodies(greenflash_emulator, "/users")
    assert user == {"externalUserId": "ada", "name": "Ada", "organizationId": ORGANIZATION}
    assert set(first) | set(second) <= fields_of(RatingLogParams)
    assert set(user) <= fields_of(UserCreateParams)


def test_a_conversation_that_greenflash_began(greenflash_emulator: Emulator) -> None:
    """It is continued under the id that Greenflash answered with; its outcome goes there, too."""
    start(greenflash_emulator, outbox=":memory:")
    with greenflash.conversation("chat-1", user_id="ada"):
        chat(["Hello."], ["Hi"])
    assert greenflash.flush(10)
    id = greenflash_emulator.conversation("chat-1").id
    with greenflash.conversation(greenflash_conversation_id=id, user_id="ada") as continued:
        chat(["Again."], ["Me again"])
        greenflash.record_outcome("upgrade")
    greenflash.record_outcome("renewal", conversation_id=continued.conversation_id)
    assert greenflash.flush(10)
    [_, body] = bodies(greenflash_emulator, "/messages")
    assert body["conversationId"] == id
    assert "externalConversationId" not in body
    assert set(body) <= fields_of(MessageCreateParams)
    assert [message.content for message in greenflash_emulator.conversation("chat-1").messages] == [
        "Hi",
        "Hello.",
        "Me again",
        "Again.",
    ]
    assert [body["conversationId"] for body in bodies(greenflash_emulator, "/events")] == [id, id]


def test_what_greenflash_did_not_make(greenflash_emulator: Emulator) -> None:
    """An id of the application's own is left out of these fields, with a warning; strict raises."""
    start(greenflash_emulator, outbox=":memory:")
    with pytest.raises(greenflash.InvalidOutcomeError, match="greenflash_conversation_id"):
        greenflash.record_outcome("upgrade", greenflash_conversation_id="chat-1", strict=True)
    with pytest.raises(greenflash.InvalidFeedbackError, match="greenflash_conversation_id"):
        greenflash.record_rating(True, greenflash_conversation_id="chat-1", strict=True)
    outcome = greenflash.record_outcome("upgrade", greenflash_conversation_id="chat-1")
    assert outcome.conversation_id is None
    assert outcome.properties["greenflash_original"] == {"greenflash_conversation_id": "chat-1"}


def test_async_code(greenflash_emulator: Emulator) -> None:
    """The twins do the same in the context of the task, while other tasks run."""

    async def main() -> bool:
        async with greenflash.conversation("chat-1", user_id="ada", organization_id="acme"):
            await greenflash.arecord_outcome("upgrade", "149.00")
            await greenflash.arecord_rating(True)
            await greenflash.aidentify_user(name="Ada")
            await greenflash.aidentify_organization(name="Acme")
        return await greenflash.aflush(10)

    start(greenflash_emulator, outbox=":memory:")
    assert asyncio.run(main())
    assert names_of(greenflash_emulator) == [
        {"externalConversationId": "chat-1", "externalUserId": "ada", "externalOrganizationId": "acme"}
    ]
    assert [body["externalConversationId"] for body in bodies(greenflash_emulator, "/ratings")] == ["chat-1"]
    assert [body["name"] for body in bodies(greenflash_emulator, "/users")] == ["Ada"]
    assert [body["name"] for body in bodies(greenflash_emulator, "/organizations")] == ["Acme"]
    asyncio.run(greenflash.ashutdown(5))
    assert greenflash.arecord_outcome.__name__ == "arecord_outcome"
