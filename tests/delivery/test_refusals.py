"""When refusals are about their items, and when something else is wrong for all of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenflash_otel.delivery.refusals import ALIKE, RefusalStreak, SuspectRefusals, kind_of_refusal

NO_PRODUCT = "HTTP 404: product not found"
MANY = 1_000
"""Entries that wait; enough that nobody ever waits for the last one."""


def refuse(
    streak: RefusalStreak[int], *entries: int, reason: str = NO_PRODUCT, waiting: int = MANY
) -> list[SuspectRefusals[int] | None]:
    """Refuse an entry of a conversation of its own each."""
    return [streak.note_rejected(f"c{entry}", entry, reason, waiting=waiting) for entry in entries]


@pytest.fixture
def streak() -> RefusalStreak[int]:
    """At a destination that has accepted something before."""
    return RefusalStreak(has_accepted=True)


def test_five_conversations_in_a_row_with_the_same_refusal(streak: RefusalStreak[int]) -> None:
    """All five are restored, in order, and the pause says why and for how many."""
    *before, last = refuse(streak, 1, 2, 3, 4, 5)
    assert before == [None] * (ALIKE - 1)
    assert last is not None
    assert last.entries == (1, 2, 3, 4, 5)
    assert last.reason == f"{NO_PRODUCT} (the same for 5 conversations)"
    assert last.summary.startswith("HTTP 404 (the same for 5 conversations)")


def test_a_success_between_them_says_that_the_others_are_bad(streak: RefusalStreak[int]) -> None:
    """The count begins anew."""
    refuse(streak, 1, 2, 3, 4)
    streak.note_accepted()
    assert refuse(streak, 5, 6, 7, 8) == [None] * 4


def test_a_different_refusal_between_them(streak: RefusalStreak[int]) -> None:
    """Who tells items apart has looked at them."""
    refuse(streak, 1, 2, 3, 4)
    assert refuse(streak, 5, reason="HTTP 400: value is too long") == [None]
    assert refuse(streak, 6, 7, 8, 9) == [None] * 4
    assert refuse(streak, 10)[0] is not None


def test_many_of_one_conversation_are_one(streak: RefusalStreak[int]) -> None:
    """A conversation can well have a hundred bad messages; they are restored with the others."""
    for entry in range(100):
        assert streak.note_rejected("one", entry, NO_PRODUCT, waiting=MANY) is None
    *_, last = refuse(streak, 100, 101, 102, 103)
    assert last is not None
    assert last.entries == tuple(range(104))


def test_entries_without_a_conversation_are_one_each(streak: RefusalStreak[int]) -> None:
    """Outcomes need none."""
    results = [streak.note_rejected("", entry, NO_PRODUCT, waiting=MANY) for entry in range(ALIKE)]
    assert [result is not None for result in results] == [False] * 4 + [True]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('HTTP 404: product "6a1d4b7e" not found', 'HTTP 404: product "77f0" not found'),
        ("HTTP 404: no product 3c90c3cc-0d44-4b50-8888-8dd25736052a", "HTTP 404: no product " + "ab0" * 11),
        ("HTTP 400: messages[3].content is 'a' today", "HTTP 400: messages[12].content is 'b c' today"),
        ("HTTP 400: conversation chat-one is closed", "HTTP 400: conversation chat-two is closed"),
        ('HTTP 400: bad text "cut off \ufffd', 'HTTP 400: bad text "another'),
    ],
)
def test_the_same_but_for_ids_and_quotes(one: str, other: str) -> None:
    """What a server quotes of an item does not make it another refusal."""
    assert kind_of_refusal(one, "chat-one") == kind_of_refusal(other, "chat-two")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("HTTP 404: product not found", "HTTP 400: product not found"),
        ("HTTP 400: value can't be empty", "HTTP 400: name can't be empty"),
        ("HTTP 400: messages[1].content is missing", "HTTP 400: messages[1].role is missing"),
        ("HTTP 413", "HTTP 422"),
    ],
)
def test_different_refusals(one: str, other: str) -> None:
    """Field names and statuses count."""
    assert kind_of_refusal(one) != kind_of_refusal(other)


def test_while_it_pauses_a_probe_that_is_refused_alike_is_restored(streak: RefusalStreak[int]) -> None:
    """One by one, for as long as it takes; nothing trickles into the rejected ones."""
    refuse(streak, 1, 2, 3, 4, 5)
    for probe in (1, 2, 9):
        [suspect] = refuse(streak, probe)
        assert suspect is not None
        assert suspect.entries == (probe,)


def test_a_probe_that_is_refused_otherwise_is_rejected(streak: RefusalStreak[int]) -> None:
    """It is about the item again."""
    refuse(streak, 1, 2, 3, 4, 5)
    assert refuse(streak, 6, reason="HTTP 400: value is too long") == [None]


def test_what_was_restored_and_is_refused_again_while_others_are_accepted(streak: RefusalStreak[int]) -> None:
    """It is rejected for good: five bad items in a row do not stop delivery again and again."""
    refuse(streak, 1, 2, 3, 4, 5)
    streak.note_accepted()
    assert refuse(streak, 1, 2, 3, 4, 5) == [None] * 5
    assert refuse(streak, 6, 7, 8, 9) == [None] * 4
    assert refuse(streak, 10)[0] is not None


class TestWhereNothingWasEverAccepted:
    """A destination that has never taken anything may be the wrong one."""

    def test_all_that_waits_is_refused(self) -> None:
        """Whatever the reasons are: a wrong product has other words at other paths."""
        streak: RefusalStreak[int] = RefusalStreak()
        assert refuse(streak, 1, waiting=2) == [None]
        assert refuse(streak, 2, reason="HTTP 400: productId is unknown", waiting=1) == [None]
        [suspect] = refuse(streak, 3, waiting=0)
        assert suspect is not None
        assert suspect.entries == (1, 2, 3)
        assert suspect.reason == NO_PRODUCT

    def test_then_everything_is_restored_until_something_is_accepted(self) -> None:
        """Whatever the probe's refusal says."""
        streak: RefusalStreak[int] = RefusalStreak()
        refuse(streak, 1, waiting=0)
        assert refuse(streak, 2, reason="HTTP 400: other", waiting=7)[0] is not None
        streak.note_accepted()
        assert streak.has_accepted
        assert refuse(streak, 2, 3, waiting=0) == [None, None]

    def test_five_alike_need_not_wait_for_the_last(self) -> None:
        """As anywhere."""
        streak: RefusalStreak[int] = RefusalStreak()
        assert refuse(streak, 1, 2, 3, 4, 5)[-1] is not None


STEPS = st.lists(
    st.none() | st.tuples(st.integers(0, 8), st.sampled_from(["HTTP 400: a", "HTTP 404: b", "HTTP 413"])),
    max_size=60,
)


@given(STEPS, st.booleans())
def test_nothing_is_restored_twice_nor_without_having_been_refused(
    steps: list[tuple[int, str] | None], has_accepted: bool
) -> None:
    """Whatever happens, in whatever order: what is restored was refused since the last time."""
    streak: RefusalStreak[int] = RefusalStreak(has_accepted=has_accepted)
    rejected: set[int] = set()
    for entry, step in enumerate(steps):
        if step is None:
            streak.note_accepted()
            continue
        conversation, reason = step
        rejected.add(entry)
        if suspect := streak.note_rejected(f"c{conversation}", entry, reason, waiting=MANY):
            assert entry in suspect.entries
            assert len(set(suspect.entries)) == len(suspect.entries)
            assert rejected.issuperset(suspect.entries)
            rejected.difference_update(suspect.entries)
