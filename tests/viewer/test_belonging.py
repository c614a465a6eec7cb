"""What belongs to a conversation: its own page, the list, the filters and the unlinked page agree."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping

import pytest

from greenflash_otel.emulator import Emulator
from greenflash_otel.emulator.contract import EventRequest, RatingRequest
from greenflash_otel.emulator.store import writing
from greenflash_otel.emulator.viewer import lists, rows
from tests.viewer.stories import PRODUCT, item, say

OTHER = "0b6a4c0e-5a51-4c52-9a9c-3b1d8f2e7a90"
UNKNOWN = "11111111-2222-4333-8444-555555555555"


@pytest.fixture
def two(emulator: Emulator) -> Emulator:
    """Two conversations, each with two messages; the second message has the same id in both."""
    for name in ("one", "two"):
        say(
            emulator.url,
            name,
            item(f"{name}-1", "user_message", 1, "hi"),
            item("same", "assistant_message", 2, "ho"),
        )
    return emulator


def name_targets(emulator: Emulator) -> Iterator[Mapping[str, str]]:
    """Every way to name a conversation, a message or both, of either product."""
    one, two = emulator.conversation("one"), emulator.conversation("two")
    choices: Mapping[str, tuple[str | None, ...]] = {
        "conversationId": (None, one.id, UNKNOWN),
        "externalConversationId": (None, "one", "two", "never-sent"),
        "messageId": (None, one.messages[0].id, two.messages[1].id, "nothing"),
        "externalMessageId": (None, "one-1", "same", "nothing"),
        "productId": (PRODUCT, OTHER),
    }
    for values in itertools.product(*choices.values()):
        yield {name: value for name, value in zip(choices, values, strict=True) if value is not None}


def list_names(emulator: Emulator, **query: str) -> set[str | None]:
    with emulator._store.snapshot() as db:
        return {row.external_id for row in rows.list_conversations(db, query).rows}


def test_a_rating_is_listed_where_it_belongs(two: Emulator) -> None:
    """However it names its target: a chip, ``has=rating`` and ``has=up`` where the conversation has it."""
    seen = set()
    for target in name_targets(two):
        if len(target) == 1:
            continue  # a rating of nothing is refused
        with two._store.change() as change:
            change.db.execute("DELETE FROM ratings")
            request = RatingRequest.model_validate({"rating": 5, "ratingMin": 1, "ratingMax": 5, **target})
            writing.add_rating(change, request)
        rated = {each.external_id for each in two.conversations() if each.ratings}
        with two._store.snapshot() as db:
            listed = rows.list_conversations(db, {}).rows
            unlinked = rows.count_all(db).unlinked
            loose = lists.list_loose_ratings(db).rows
        assert {row.external_id for row in listed if row.ratings} == rated, target
        assert list_names(two, has="rating") == rated, target
        assert list_names(two, has="up") == rated, target
        assert list_names(two, has="down") == set(), target
        named = {target.get("externalMessageId"), target.get("messageId")} - {None}
        known = any(
            not named or named & {id for message in each.messages for id in (message.id, message.external_id)}
            for each in two.conversations()
            if each.ratings
        )
        assert (unlinked, len(loose)) == ((0, 0) if known else (1, 1)), target
        seen.add((frozenset(rated), known))
    assert {len(rated) for rated, _ in seen} == {0, 1, 2}
    assert {known for _, known in seen} == {True, False}


def test_an_outcome_is_listed_where_it_belongs(two: Emulator) -> None:
    """However it names its conversation: a chip, ``has=outcome`` and ``outcome=`` where the conversation has it."""
    for target in name_targets(two):
        if "messageId" in target or "externalMessageId" in target:
            continue
        with two._store.change() as change:
            change.db.execute("DELETE FROM outcomes")
            request = EventRequest.model_validate({"eventType": "upgrade", "value": "1", **target})
            writing.add_event(change, request)
        led = {each.external_id for each in two.conversations() if each.outcomes}
        with two._store.snapshot() as db:
            listed = rows.list_conversations(db, {}).rows
            unlinked = rows.count_all(db).unlinked
        assert {row.external_id for row in listed if row.outcomes} == led, target
        assert list_names(two, has="outcome") == led, target
        assert list_names(two, outcome="upgrade") == led, target
        assert list_names(two, outcome="churn") == set(), target
        assert unlinked == (0 if led else 1), target


INDEXES = {
    "rating": {
        "ratings_by_id",
        "ratings_by_external_id",
        "ratings_of_message",
        "ratings_of_external_message",
    },
    "outcome": {"outcomes_by_id", "outcomes_by_external_id"},
}
"""What finds each kind of link."""


@pytest.mark.parametrize(
    ("has", "kind"), [("rating", "rating"), ("up", "rating"), ("down", "rating"), ("outcome", "outcome")]
)
def test_what_belongs_is_found_by_an_index(emulator: Emulator, has: str, kind: str) -> None:
    """No filter reads all ratings, all of one sort, or all outcomes for each conversation."""
    query = f"SELECT 1 FROM conversations AS c WHERE {rows.HAS[has]}"  # noqa: S608 - of names of ours
    with emulator._store.snapshot() as db:
        plan = [row["detail"] for row in db.execute("EXPLAIN QUERY PLAN " + query)]
    found = [re.findall(r"INDEX (\w+)", detail) for detail in plan if detail.startswith("SEARCH x")]
    assert sorted(name for names in found for name in names) == sorted(INDEXES[kind])
    assert not [detail for detail in plan if detail.startswith(("SCAN m", "SCAN x"))]
