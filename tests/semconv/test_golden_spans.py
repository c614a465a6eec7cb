"""Each convention reads its golden span, and is asked in the order that its row states."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenflash_otel.semconv import registry
from greenflash_otel.semconv.convention import ALL_OTHERS, Convention, sort_by_precedence
from greenflash_otel.semconv.genai import attributes_of
from greenflash_otel.semconv.registry import CONVENTIONS, MARKERS
from tests.semconv.golden_spans import HERE, Golden, file_of, golden_spans, span_in

GOLDEN = list(golden_spans())
BY_NAME = {convention.name: convention for convention in CONVENTIONS}


def test_every_convention_has_a_golden_span() -> None:
    """And every golden span has a convention."""
    assert {file_of(convention) for convention in CONVENTIONS} == {*HERE.glob("*.json")}


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda golden: str(golden["convention"]))
def test_a_golden_span_is_read(golden: Golden) -> None:
    """As the operation it has always been; its convention is asked first."""
    span = span_in(golden)
    operation = registry.read(span)
    assert operation
    assert operation.input or golden["convention"] in ("Claude Code", "Codex")  # an event for each message
    assert operation.output
    assert json.loads(json.dumps(attributes_of(operation))) == golden["operation"]
    assert registry.recognises(span.attributes)
    asked = [
        convention for convention in CONVENTIONS if not MARKERS[convention.name].isdisjoint(span.attributes)
    ]
    assert asked[0].name == golden["convention"]


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda golden: str(golden["convention"]))
def test_conventions_with_the_same_markers_state_their_order(golden: Golden) -> None:
    """Where several could read a span, it is no accident of the table which of them does."""
    attributes = span_in(golden).attributes
    first, *others = (
        convention for convention in CONVENTIONS if not MARKERS[convention.name].isdisjoint(attributes)
    )
    for other in others:
        assert other.after == ALL_OTHERS or first.name in other.after


@pytest.mark.parametrize("convention", CONVENTIONS, ids=lambda convention: convention.name)
def test_conversation_and_user_are_read_under_every_name(convention: Convention) -> None:
    """Also on a span that has nothing else of the convention."""
    for name in convention.conversation_attributes:
        assert registry.read_conversation_context({name: "chat-1"}).conversation_id == "chat-1", name
    for name in convention.user_attributes:
        assert registry.read_conversation_context({name: "ada"}).user_id == "ada", name


@given(st.permutations(CONVENTIONS))
def test_the_order_does_not_depend_on_the_table(rows: list[Convention]) -> None:
    """Each comes after those it names, those of all others last."""
    names = [entry.name for entry in sort_by_precedence(rows)]
    assert sorted(names) == sorted(BY_NAME)
    for place, name in enumerate(names):
        after = BY_NAME[name].after
        assert after == ALL_OTHERS or {*after} <= {*names[:place]}
    assert names[-1] == "OpenTelemetry GenAI"


def test_a_circle_has_no_order() -> None:
    """Nor has a name that nobody has: the import fails, and says which."""
    row = CONVENTIONS[0]
    for rows in (
        [replace(row, name="a", after=("b",)), replace(row, name="b", after=("a",))],
        [replace(row, name="a", after=("nobody",))],
    ):
        with pytest.raises(ValueError, match="no order: a after"):
            sort_by_precedence(rows)
