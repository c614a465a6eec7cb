"""The emulator's own pages: the newest first, and each says how to see more."""

from __future__ import annotations

import httpx
import pytest

from greenflash_otel.emulator import Emulator
from tests.emulator.bodies import CHAT, EVENT, RATING, USER


def _send_chats(client: httpx.Client, *names: str) -> None:
    for name in names:
        client.post("/messages", json={**CHAT, "externalConversationId": name}).raise_for_status()


def test_the_newest_conversation_comes_first_and_the_rest_can_be_reached(
    client: httpx.Client, emulator: Emulator
) -> None:
    """Page by page, by the addresses in the body: a browser shows no headers."""
    names = [f"c{number}" for number in range(7)]
    _send_chats(client, *names)
    seen: list[str] = []
    url = f"{emulator.url}/emulator/conversations?limit=3"
    while url:
        page = client.get(url).json()
        seen += [conversation["externalId"] for conversation in page["conversations"]]
        assert len(page["conversations"]) <= 3
        url = page["next"]
    assert seen == names[::-1]
    assert client.get(page["previous"]).json()["conversations"][-1]["externalId"] == "c1"


def test_a_conversation_that_goes_on_comes_first(client: httpx.Client, emulator: Emulator) -> None:
    """However long ago it began."""
    _send_chats(client, "old", "new")
    more = {**CHAT, "externalConversationId": "old", "messages": [{"role": "user", "content": "more"}]}
    client.post("/messages", json=more).raise_for_status()
    page = client.get(f"{emulator.url}/emulator/conversations").json()
    assert [conversation["externalId"] for conversation in page["conversations"]] == ["old", "new"]


def test_what_belongs_to_no_conversation_is_shown(client: httpx.Client, emulator: Emulator) -> None:
    """Outcomes and ratings of something unknown, users and requests: each on a page of its own."""
    for number in range(2):
        client.post("/events", json={**EVENT, "insertId": f"i{number}"}).raise_for_status()
        client.post("/ratings", json={**RATING, "rating": 1 + number}).raise_for_status()
        client.post("/users", json={**USER, "externalUserId": f"u{number}"}).raise_for_status()
    pages = client.get(f"{emulator.url}/emulator/conversations").json()["seeAlso"]
    shown = {url.rpartition("/")[2]: client.get(url).json() for url in pages}
    assert [outcome["insertId"] for outcome in shown["outcomes"]["outcomes"]] == ["i1", "i0"]
    assert [rating["rating"] for rating in shown["ratings"]["ratings"]] == [2, 1]
    assert [user["externalId"] for user in shown["users"]["users"]][:2] == ["u1", "u0"]
    assert len(shown["requests"]["requests"]) == 6
    assert shown["requests"]["requests"][0]["path"] == "/users"
    assert "organizations" in shown["organizations"]


@pytest.mark.parametrize(
    "name", ["conversations", "outcomes", "ratings", "users", "organizations", "requests"]
)
def test_every_page_is_bounded(name: str, client: httpx.Client, emulator: Emulator) -> None:
    """More than a hundred at once is refused in a sentence."""
    answer = client.get(f"{emulator.url}/emulator/{name}?limit=1000")
    assert (answer.status_code, answer.json()["message"]) == (
        400,
        "limit: must be a whole number from 1 to 100",
    )
