"""An emulator with room for some conversations: the oldest go, with all that belongs to them, and nothing else."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from greenflash_otel.emulator import Emulator
from tests.viewer.stories import happen, item, rate, say, send

TABLES = ("conversations", "messages", "outcomes", "ratings", "requests")


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    """With room for three, and a clock that moves a second whenever it is read."""
    clock = itertools.count(1_700_000_000_000_000, 1_000_000)
    with Emulator(max_conversations=3, now_us=lambda: next(clock)) as emulator:
        yield emulator


def fill(url: str, name: str) -> str:
    """Make a conversation with an outcome and two ratings; return Greenflash's id of it."""
    id = say(
        url, name, item(f"{name}-q", "user_message", 1, "hi"), item(f"{name}-a", "final_response", 2, "ho")
    )
    happen(url, "upgrade", "1", name)
    rate(url, 1, 1, externalConversationId=name, externalMessageId=f"{name}-a")
    rate(url, 1, 1, externalMessageId=f"{name}-a")
    return id


def count(emulator: Emulator) -> dict[str, int]:
    """Count the rows of every table."""
    with emulator._store.snapshot() as db:
        return {name: db.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in TABLES}  # noqa: S608


def list_names(emulator: Emulator) -> set[str | None]:
    return {conversation.external_id for conversation in emulator.conversations()}


def test_there_is_never_more_than_was_asked_for(emulator: Emulator) -> None:
    """Twenty conversations later there is as much in each table as with three."""
    for number in range(3):
        fill(emulator.url, f"c{number}")
    before = count(emulator)
    assert before == {"conversations": 3, "messages": 6, "outcomes": 3, "ratings": 6, "requests": 12}
    for number in range(3, 20):
        fill(emulator.url, f"c{number}")
    assert list_names(emulator) == {"c17", "c18", "c19"}
    now = count(emulator)
    assert now.pop("ratings") in (
        before["ratings"],
        before["ratings"] + 1,
    )  # the last number is not used again
    assert now.pop("requests") <= before["requests"] + 1
    assert now.items() <= before.items()


def test_the_one_that_changed_first_goes(emulator: Emulator) -> None:
    """A conversation that goes on stays, however old it is."""
    for name in ("old", "second", "third"):
        fill(emulator.url, name)
    say(emulator.url, "old", item("old-2", "user_message", 3, "still here"))
    fill(emulator.url, "fourth")
    assert list_names(emulator) == {"old", "third", "fourth"}
    assert len(emulator.conversation("old").messages) == 3


def test_what_belongs_to_others_stays(emulator: Emulator) -> None:
    """Of another product with the same id, of no conversation, and what was sent before its conversation."""
    other = "7f1c2b3a-0d4e-4f5a-8b6c-7d8e9f0a1b2c"
    happen(emulator.url, "early", "1", "c3")
    happen(emulator.url, "elsewhere", "1", "c0", productId=other)
    fill(emulator.url, "c0")
    for number in range(1, 3):
        fill(emulator.url, f"c{number}")
    assert send(emulator.url, "/events", {"eventType": ""}).status_code == 400
    fill(emulator.url, "c3")
    assert [one.event_type for one in emulator.conversation("c3").outcomes] == ["early", "upgrade"]
    assert [one.event_type for one in emulator.outcomes()].count(
        "elsewhere"
    ) == 0  # older than c0, and of nothing
    with emulator._store.snapshot() as db:
        rejected = db.execute("SELECT count(*) FROM requests WHERE status = 400").fetchone()[0]
    assert rejected == 1  # it is younger than what went


def test_numbers_are_not_used_twice(emulator: Emulator) -> None:
    """`tail` goes on from the number of a request, whatever has gone meanwhile."""
    with Emulator(max_conversations=1) as small:
        places = []
        for number in range(4):
            say(small.url, f"c{number}", item("q", "user_message", 1, "hi"))
            happen(small.url, "upgrade", "1", f"c{number}")
            page = httpx.get(f"{small.url}/emulator/arrivals", params={"after": 0}).json()
            places.append(page["next"])
            assert {one["conversation"] for one in page["records"]} == {f"c{number}"}
        assert places == [2, 4, 6, 8]


def test_pages_survive(emulator: Emulator) -> None:
    """A page of what has gone says so; a list that was open goes on; a rating without its message is skipped."""
    gone = fill(emulator.url, "c0")
    for number in range(1, 4):
        fill(emulator.url, f"c{number}")
    with httpx.Client(base_url=emulator.url, headers={"accept": "text/html"}) as client:
        assert client.get(f"/c/{gone}").status_code == 404
        assert client.get("/requests/1").status_code == 404
        for path in ("/", "/outcomes", "/outcomes/upgrade", "/requests", "/users", "/users/ada", "/unlinked"):
            assert client.get(path).status_code == 200
        assert gone not in client.get("/").text
    assert httpx.get(f"{emulator.url}/emulator/arrivals", params={"after": 0}).status_code == 200


def test_a_file_that_has_too_many_is_cut_by_the_next_one(tmp_path: Path) -> None:
    """Opening it removes nothing."""
    file = tmp_path / "greenflash.db"
    with Emulator(database=file) as unbounded:
        for number in range(5):
            fill(unbounded.url, f"c{number}")
    with Emulator(database=file, max_conversations=2) as bounded:
        assert len(bounded.conversations()) == 5
        fill(bounded.url, "next")
        assert list_names(bounded) == {"c4", "next"}


def test_removing_reads_by_index(emulator: Emulator) -> None:
    """What a conversation costs does not grow with what stays."""
    from greenflash_otel.emulator.store import bounding

    terms = {"id": "a", "external_id": "b", "product_id": "c", "last_request": 5, "newest": "n", "others": 2}
    statements = [*bounding.BELONGING, f"SELECT path, news {bounding.LOOSE_REQUESTS}"]
    with emulator._store.snapshot() as db:
        for statement in statements:
            plan = [row["detail"] for row in db.execute("EXPLAIN QUERY PLAN " + statement, terms)]
            assert not [each for each in plan if each.startswith("SCAN") and "CONSTANT" not in each], plan
