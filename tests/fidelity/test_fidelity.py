"""What arrives is what happened, whatever the application does with the history."""

from __future__ import annotations

from dataclasses import replace

import pytest

from greenflash_otel.conversations.update import MessageItem
from tests.fidelity.applications import APPLICATIONS
from tests.fidelity.report import NAMES, PAGE, page, row, scores
from tests.fidelity.truth import Happened, Score, score

FORGETFUL = "restarts, loses its disk, and resends a window"
WRITTEN = PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize("application", [name for name in APPLICATIONS if name != FORGETFUL])
def test_all_of_it(application: str) -> None:
    """Nothing is lost, doubled, invented, or in the wrong place, on any path; and the page says so."""
    made = scores(application)
    assert made
    assert {path: value for path, value in made.items() if not value.is_perfect} == {}
    assert row(application, made) in WRITTEN.splitlines()


def test_what_is_forgotten_costs_at_most_a_window() -> None:
    """Of each conversation, and nothing is lost; and the page says how much."""
    made = scores(FORGETFUL)
    assert row(FORGETFUL, made) in WRITTEN.splitlines()
    for entry in made.values():
        assert entry.twice <= 3 * len(NAMES)
        assert entry.wrong_parent <= len(NAMES)
        assert replace(entry, twice=0, wrong_parent=0).is_perfect


def test_the_page_is_up_to_date() -> None:
    """``make fidelity`` would change nothing: it has the rows that are tested above, and nothing else."""
    lines = WRITTEN.splitlines()
    rows = [line for application in APPLICATIONS for line in lines if line.startswith(f"| {application} |")]
    assert len(rows) == len(APPLICATIONS)
    assert page(rows) == WRITTEN


def item(
    id: str, says: str, type: str = "user_message", parent: str | None = None, at: int = 0
) -> MessageItem:
    """A message that arrived."""
    return MessageItem(id, type, at, parent, says)  # type: ignore[arg-type]  # the types that are tried here are types


TRUTH = [
    [Happened("one", "user_message"), Happened("two", "assistant_message", "one")],
    [Happened("red", "user_message")],
]
RIGHT = [item("a", "one", at=1), item("b", "two", "assistant_message", "a", at=2)]
RED = item("c", "red", at=1)


@pytest.mark.parametrize(
    ("arrived", "expected"),
    [
        ({"x": RIGHT, "y": [RED]}, Score(3, 3)),
        ({"x": RIGHT}, Score(3, 2, lost=1)),
        ({"x": [*RIGHT, item("d", "one")], "y": [RED]}, Score(3, 3, twice=1)),
        ({"x": [*RIGHT, item("d", "other")], "y": [RED]}, Score(3, 3, invented=1)),
        (
            {"x": [RIGHT[0], replace(RIGHT[1], type="llm", content=None, output={"is": "two"})], "y": [RED]},
            Score(3, 3, wrong_type=1),
        ),
        ({"x": [RIGHT[0], replace(RIGHT[1], parent_id=None)], "y": [RED]}, Score(3, 3, wrong_parent=1)),
        ({"x": [RIGHT[0], replace(RIGHT[1], created_at_ms=0)], "y": [RED]}, Score(3, 3, wrong_order=1)),
        ({"x": RIGHT[:1], "z": RIGHT[1:], "y": [RED]}, Score(3, 3, split=1)),
        ({"x": [*RIGHT, RED]}, Score(3, 3, merged=2)),
    ],
)
def test_the_measure(arrived: dict[str, list[MessageItem]], expected: Score) -> None:
    """Each thing that can be wrong is seen."""
    assert score(TRUTH, arrived) == expected
