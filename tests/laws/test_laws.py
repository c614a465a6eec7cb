"""The final state in Greenflash is what happened."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenflash_otel.model.operation import Operation
from greenflash_otel.model.telemetry import SpanRecord
from tests.laws.stories import (
    KNOWN_BY_NAME,
    NOTHING,
    RESENDS,
    STRAIGHT,
    TALKS,
    Story,
    Turn,
    chained,
    resent,
    story,
    unnamed,
    unpolished,
)
from tests.laws.world import World, paths_of, shown, spans_of

NAMES = ("amber", "birch")
"""The conversations, which take place at the same time."""
Talks: TypeAlias = tuple[list[Turn], list[Turn]]
TWO = st.tuples(TALKS, TALKS)


def interleaved(stories: Sequence[Sequence[Operation]], whose: Sequence[int]) -> list[Operation]:
    """The calls of several conversations, those of each in their order."""
    left = [list(calls) for calls in stories]
    mixed = [left[name].pop(0) for name in whose if left[name]]
    return mixed + [call for calls in left for call in calls]


def happened(stories: Sequence[Story]) -> list[str]:
    """What must arrive, conversation by conversation."""
    return sorted(shown(Counter(story.happened)) for story in stories)


def arrived(world: World) -> list[str]:
    """What Greenflash holds in the end; summaries are no messages."""
    return sorted(shown(paths_of(entry)) for entry in world.end())


def stories_of(talks: Sequence[Sequence[Turn]]) -> list[Story]:
    """Two conversations that take place at the same time."""
    return [story(name, turns) for name, turns in zip(NAMES, talks, strict=True)]


def in_disorder(spans: Sequence[SpanRecord], data: st.DataObject) -> World:
    """Three processes hear the calls in any order, some twice, and are killed now and then."""
    world = World(processes=3)
    again = data.draw(st.lists(st.sampled_from(spans), max_size=4))
    order = data.draw(st.permutations([*spans, *again]))
    for batch in (order[at : at + 3] for at in range(0, len(order), 3)):
        process = data.draw(st.integers(0, 2))
        world.take(batch, process)
        if data.draw(st.booleans()):
            world.kill(process)
    return world


def in_turn(stories: Sequence[Sequence[Operation]], data: st.DataObject) -> World:
    """A process hears the calls as they are made, some twice, and is killed now and then."""
    world = World()
    given = spans_of(interleaved(stories, data.draw(st.lists(st.integers(0, 1), max_size=20))))
    for number, span in enumerate(given):
        world.take([span])
        if data.draw(st.integers(0, 3)) == 0:
            world.take([given[data.draw(st.integers(0, number))]])
        if data.draw(st.integers(0, 2)) == 0:
            world.kill()
    return world


@settings(max_examples=40)
@given(TWO, st.data())
def test_any_order_any_process_any_number_of_times(talks: Talks, data: st.DataObject) -> None:
    """Whoever resends everything may be heard by anybody, in any order, twice, and across restarts."""
    stories = stories_of(talks)
    spans = spans_of([call for story in stories for call in story.calls if call.tool is None])
    assert arrived(in_disorder(spans, data)) == happened(stories)


@pytest.mark.parametrize(
    ("resend", "named"),
    [(resend, named) for resend in RESENDS for named in (True, False) if named or resend != KNOWN_BY_NAME],
)
@settings(max_examples=10)
@given(talks=TWO, data=st.data())
def test_whatever_is_resent(resend: str, named: bool, talks: Talks, data: st.DataObject) -> None:
    """Known messages are known, and branches are branches, also after a restart and without a name."""
    stories = stories_of(talks)
    calls = [resent(story, RESENDS[resend]) for story in stories]
    world = in_turn(calls if named else [unnamed(call) for call in calls], data)
    assert arrived(world) == happened(stories)


@settings(max_examples=10)
@given(st.tuples(STRAIGHT, STRAIGHT), st.data())
def test_where_nothing_is_resent(talks: Talks, data: st.DataObject) -> None:
    """One message follows on the other, although a span that is delivered again says so once more."""
    stories = stories_of(talks)
    assert arrived(in_turn([resent(story, NOTHING) for story in stories], data)) == happened(stories)


@pytest.mark.parametrize("named", [True, False])
@settings(max_examples=10)
@given(talks=st.tuples(STRAIGHT, STRAIGHT), data=st.data())
def test_where_the_response_before_is_named(named: bool, talks: Talks, data: st.DataObject) -> None:
    """It is known after a restart as well, and tells which conversation it is."""
    stories = stories_of(talks)
    calls = [chained(story) for story in stories]
    world = in_turn(calls if named else [unnamed(call) for call in calls], data)
    assert arrived(world) == happened(stories)


@settings(max_examples=30)
@given(TWO, st.sampled_from([*RESENDS]), st.booleans(), st.data())
def test_nothing_is_lost_and_nobody_is_merged(
    talks: Talks, resend: str, named: bool, data: st.DataObject
) -> None:
    """Whatever is resent of it, in any order, to any process, twice, and across restarts.

    Where the call that resends an answer comes first, the answer has the form in which it was resent.
    """
    stories = stories_of(talks)
    calls = [call for story in stories for call in resent(story, RESENDS[resend])]
    world = in_disorder(spans_of(calls if named else unnamed(calls)), data)
    found = [{unpolished(path[-1][1]) for path in paths_of(entry)} for entry in world.end()]
    said = [{path[-1][1] for path in story.happened} for story in stories]
    assert set.union(*said) <= set.union(*found)
    assert not any(said[0] & each and said[1] & each for each in found)
