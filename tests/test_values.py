"""Values are written as JSON with named fields, and read again whatever a later version adds."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenflash_otel.conversations.changes import (
    ConversationFacts,
    Excerpt,
    Exchange,
    Location,
    MessageNode,
    StateChange,
)
from greenflash_otel.message_ids.chain import Cursor
from greenflash_otel.values import from_json, to_json
from tests.strategies import counts, json_values, maybe, names, tuples

cursors = st.builds(
    Cursor,
    head_id=maybe(names),
    last_visible_id=maybe(names),
    turn_user_id=maybe(names),
    tool_preamble_id=maybe(names),
    used_tools=st.booleans(),
    calls=tuples(st.tuples(names, names)),
)
excerpts = st.builds(Excerpt, counts, names)
facts = st.builds(
    ConversationFacts,
    cursor=cursors,
    last_ms=counts,
    turn_count=counts,
    user_id=maybe(names),
    organization_id=maybe(names),
    resends_history=st.booleans(),
    primary_prompt_sketch=maybe(st.integers(0, 2**256 - 1)),
    primary_output_is_structured=st.booleans(),
    last_exchange=maybe(st.builds(Exchange, excerpts, excerpts)),
)
nodes = st.builds(
    MessageNode,
    id=names,
    kind=st.sampled_from(["user", "answer", "tool_call"]),
    content_key=names,
    previous_id=maybe(names),
    cursor=cursors,
    sketch=st.integers(0, 2**256 - 1),
)
changes = st.builds(
    StateChange,
    parent_overrides=tuples(st.tuples(names, names)),
    tool_call_message_ids=tuples(st.tuples(names, names)),
    nodes=tuples(nodes),
    emitted_ids=tuples(names),
    emitted_spans=tuples(names),
    properties=tuples(st.tuples(names, json_values)),
    branch_cursors=tuples(st.tuples(names, cursors)),
    facts=maybe(facts),
)


@given(changes)
def test_what_is_written_is_read_again(change: StateChange) -> None:
    """Every field of every value that the conversation model stores."""
    assert from_json(StateChange, json.loads(json.dumps(to_json(change)))) == change


def test_only_what_differs_from_its_default_is_written() -> None:
    """Under its short name."""
    assert to_json(Location("c")) == {"id": "c"}
    assert to_json(Location("c", Cursor(head_id="h", calls=(("a", "b"),)))) == {
        "id": "c",
        "at": {"h": "h", "c": (("a", "b"),)},
    }


def test_a_field_of_a_later_version_is_passed_over() -> None:
    """And one that an earlier version did not write has its default."""
    assert from_json(Location, {"id": "c", "since": 1}) == Location("c")


@pytest.mark.parametrize(
    "written",
    [
        pytest.param([], id="no object"),
        pytest.param({}, id="a field is missing"),
        pytest.param({"id": 1}, id="a number for a text"),
        pytest.param({"id": None}, id="nothing for a text"),
        pytest.param({"id": "c", "at": "h"}, id="a text for an object"),
        pytest.param({"id": "c", "at": {"t": 1}}, id="a number for a truth value"),
        pytest.param({"id": "c", "at": {"c": {}}}, id="an object for a list"),
        pytest.param({"id": "c", "at": {"c": [["a"]]}}, id="one for a pair"),
    ],
)
def test_what_is_no_such_value(written: object) -> None:
    """It is refused before anything is made of it."""
    with pytest.raises(ValueError, match=r"no |without|unexpected"):
        from_json(Location, written)
