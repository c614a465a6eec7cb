"""The fault matrix of the documentation names tests that exist, and is the one in the code."""

from __future__ import annotations

import re

import pytest

from tests.faults.matrix import ROOT, ROWS, Row, table
from tests.faults.report import PAGE, part_of


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.fault[:30])
def test_each_fault_has_its_tests(row: Row) -> None:
    """Each test that is named exists under that name."""
    assert row.tests
    for test in row.tests:
        path, _, name = test.partition("::")
        source = (ROOT / "tests" / path).read_text(encoding="utf-8")
        assert not name or re.search(rf"^(def |async def |){name}\b[(:]", source, re.MULTILINE), test


def test_the_page_has_the_matrix() -> None:
    """``python -m tests.faults.matrix`` would change nothing."""
    assert part_of(PAGE.read_text(encoding="utf-8"), "matrix") == table()


@pytest.mark.parametrize(
    "promise",
    [
        "every acknowledged request, survive `kill -9` and power loss once the call has returned",
        "survive a crash 0.1 s after their span ended",
        "accepted = delivered + pending + rejected + lost",
        "a full queue refuses what is newest and counts it",
    ],
)
def test_the_readme_promises_the_same(promise: str) -> None:
    """In the same words."""
    for page in (PAGE, ROOT / "README.md"):
        assert promise.lower() in " ".join(page.read_text(encoding="utf-8").split()).lower(), page.name


def test_nothing_is_left_out() -> None:
    """There are thirty-three kinds of faults, and no two are the same."""
    assert len({row.fault for row in ROWS}) == len(ROWS) == 33
