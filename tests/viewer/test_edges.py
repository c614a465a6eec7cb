"""Pages at their edges: huge numbers, many event types, a request that only reads, late arrivals, a scale from 1."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest

from greenflash_otel.emulator import Emulator
from greenflash_otel.emulator.contract import EventRequest
from greenflash_otel.emulator.store import reading, writing
from greenflash_otel.emulator.store.database import Change
from greenflash_otel.emulator.viewer import lists, pages
from tests.viewer.stories import PRODUCT, rate, say
from tests.viewer.test_guards import token_of

HUGE = ("9" * 19, "9" * 20, "9" * 5_000)
"""More than SQLite's numbers can be, and more digits than Python reads."""


@pytest.mark.parametrize("huge", HUGE, ids=len)
def test_a_cursor_beyond_all_numbers_is_no_place_in_the_list(client: httpx.Client, huge: str) -> None:
    for before in (f"{huge}-1", f"1-{huge}"):
        answer = client.get("/", params={"before": before})
        assert (answer.status_code, f"before={before[:20]}" in answer.text) == (400, True)


@pytest.mark.parametrize("huge", HUGE, ids=len)
@pytest.mark.parametrize("path", ["/requests", "/outcomes", "/users", "/unlinked"])
def test_a_position_beyond_all_numbers_is_the_first_page(client: httpx.Client, path: str, huge: str) -> None:
    assert client.get(path, params={"before": huge}).status_code == 200


@pytest.mark.parametrize("number", [*HUGE, "x"], ids=len)
@pytest.mark.parametrize("end", ["", "/body"])
def test_a_request_of_no_number_is_not_there(client: httpx.Client, number: str, end: str) -> None:
    answer = client.get(f"/requests/{number}{end}")
    assert (answer.status_code, 'action="/find"' in answer.text) == (404, True)


@pytest.mark.parametrize("number", [*HUGE, "x"], ids=len)
def test_a_request_of_no_number_is_not_sent_again(client: httpx.Client, number: str) -> None:
    """As one that is not there."""
    answer = client.post(f"/requests/{number}/replay", data={"token": pages_token(client)})
    assert (answer.status_code, answer.headers["location"]) == (303, "/requests")


def pages_token(client: httpx.Client) -> str:
    """Note a request, so that the page of all has a form; return the token of that."""
    client.get("/api/v1/nothing")
    return token_of(client, "/requests")


def test_a_request_that_only_reads_is_not_sent_again(client: httpx.Client, emulator: Emulator) -> None:
    """No button is shown; a form that was sent all the same leads back to the request."""
    assert client.get("/api/v1/products").status_code == 401
    say(emulator.url, "chat-42", {"role": "user", "content": "hi"})
    page = client.get("/requests/1").text
    assert "GET" in page
    assert "/replay" not in page
    assert "/replay" in client.get("/requests/2").text
    answer = client.post("/requests/1/replay", data={"token": token_of(client, "/requests")})
    assert (answer.status_code, answer.headers["location"]) == (303, "/requests/1")
    assert client.get("/requests/3").status_code == 404


def test_any_of_many_event_types_has_a_page(client: httpx.Client, emulator: Emulator) -> None:
    """Also one that the overview leaves out, and it knows the names that it resembles."""
    with emulator._store.change() as change:
        for number in range(lists.MOST_EVENT_TYPES):
            for _ in range(2):
                add_event(change, f"type {number:03}")
        add_event(change, "rare")
        add_event(change, "Type_000")
    overview = client.get("/outcomes").text
    assert overview.count('<li class="card">') == lists.MOST_EVENT_TYPES
    assert 'href="/outcomes/rare"' not in overview[: overview.index("Latest")]
    answer = client.get("/outcomes/rare")
    assert (answer.status_code, "1 ×" in answer.text) == (200, True)
    assert "type 000" in client.get("/outcomes/Type_000").text.partition("differs from")[2]
    assert "Type_000" in client.get("/outcomes/type%20000").text.partition("differs from")[2]


def add_event(change: Change, name: str) -> None:
    body = {"eventType": name, "value": "1", "productId": PRODUCT}
    writing.add_event(change, EventRequest.model_validate(body))


@pytest.mark.parametrize("end", ["", "/m/MESSAGE"])
def test_what_arrives_while_a_page_is_read_is_announced(
    client: httpx.Client, emulator: Emulator, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    """The page's stream begins before what the page does not show."""
    id = say(emulator.url, "chat-42", {"role": "user", "content": "hi"})
    read = reading.read_conversation

    def read_before_arrival(*args: Any) -> object:
        found = read(*args)
        say(emulator.url, "chat-42", {"role": "assistant", "content": "late"})
        return found

    monkeypatch.setattr(reading, "read_conversation", read_before_arrival)
    message = emulator.conversation("chat-42").messages[0].id
    page = client.get(f"/c/{id}{end.replace('MESSAGE', message)}").text
    assert ">late<" not in page
    [position] = re.findall(r'data-position="(\d+)"', page)
    assert pages.read_arrivals(emulator._store, int(position))["conversations"] == [id]


@pytest.mark.parametrize(("rating", "side"), [(2, "down"), (3, ""), (4, "up")])
def test_an_unlinked_rating_is_shown_on_its_own_scale(
    client: httpx.Client, emulator: Emulator, rating: float, side: str
) -> None:
    """From 1 to 5, three is neither good nor bad."""
    rate(emulator.url, rating, 5, externalMessageId="nobody-knows")
    page = client.get("/unlinked").text
    assert re.findall(r'class="chip rating ([a-z]*)"', page) == [side]
