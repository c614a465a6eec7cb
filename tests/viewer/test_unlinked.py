"""The page of what belongs to nothing: each of its three lists has pages of its own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape

import httpx
import pytest

from greenflash_otel.emulator import Emulator
from tests.viewer.stories import HEADERS, PRODUCT, item, say

COUNT = 101
"""One more than two pages of each."""


@pytest.fixture(scope="module")
def loose() -> Iterator[httpx.Client]:
    """A client of an emulator with many things that belong to nothing."""
    with Emulator() as emulator, httpx.Client(base_url=emulator.url, headers=HEADERS) as client:
        for number in range(COUNT):
            event = {"eventType": f"e{number:03}", "value": "1", "productId": PRODUCT}
            assert client.post("/api/v1/events", json=event).status_code == 201
            rating = {"productId": PRODUCT, "rating": 1, "ratingMin": 0, "ratingMax": 1}
            named = {**rating, "externalMessageId": f"r{number:03}"}
            assert client.post("/api/v1/ratings", json=named).status_code == 201
        answers = [item(f"m{n:03}", "final_response", n, "ho", parent=f"p{n:03}") for n in range(COUNT)]
        say(emulator.url, "chat", *answers)
        client.headers["accept"] = "text/html"
        yield client


@pytest.mark.parametrize(
    ("kind", "cursor"), [("e", "before"), ("r", "before_rating"), ("p", "before_message")]
)
def test_each_list_goes_on_until_its_end(loose: httpx.Client, kind: str, cursor: str) -> None:
    """Everything is shown once; the other lists stay where they are."""
    seen: list[str] = []
    address, pages = "/unlinked", 0
    while address:
        page = loose.get(address).text
        pages += 1
        found = re.findall(rf">({kind}\d{{3}})<", page)
        assert len(found) <= 50
        seen += found
        others = {"e", "r", "p"} - {kind}
        assert all(re.search(rf">{other}100<", page) for other in others)
        links = [unescape(link) for link in re.findall(r'rel="next" href="([^"]+)"', page)]
        following = [link for link in links if _moves(link, address, cursor)]
        address = f"/unlinked{following[0]}" if following else ""
    assert pages == 3
    assert seen == [f"{kind}{number:03}" for number in reversed(range(COUNT))]


def _moves(link: str, address: str, cursor: str) -> bool:
    """Return whether a link goes on in the list of a cursor."""
    wanted, before = httpx.URL(link).params.get(cursor), httpx.URL(address).params.get(cursor)
    return wanted is not None and wanted != before
