"""The counting of the attacks counts what was tried and what went wrong."""

from __future__ import annotations

from types import SimpleNamespace

from tests.faults.attack_runs import AttackCounts
from tests.faults.attacks import ATTACKS
from tests.faults.report import PAGE, part_of


def test_what_is_counted() -> None:
    """Each case, each example of a law; what failed, and what could not be set up."""
    counts = AttackCounts()

    def report(test: str, when: str = "call", outcome: str = "passed", statistics: str = "") -> None:
        counts.pytest_runtest_logreport(
            SimpleNamespace(
                nodeid=f"tests/test_a.py::{test}",
                when=when,
                skipped=outcome == "skipped",
                failed=outcome == "failed",
                _hypothesis_stats=statistics,
            )
        )

    report("test_one[a]", "setup")
    report("test_one[a]")
    report("test_one[b]", outcome="failed")
    report("test_law")
    report("test_law", "teardown", statistics="- 100 passing examples, 0 failing\n- 20 passing examples")
    report("test_broken", "setup", "failed")
    report("test_elsewhere", outcome="skipped")
    assert counts.tries == {"test_a.py::test_one": 2, "test_a.py::test_law": 120}
    assert counts.wrong == {"test_a.py::test_one": 1, "test_a.py::test_broken": 1}
    assert counts.count(counts.tries, ("test_a.py",)) == 122
    assert counts.count(counts.tries, ("test_a.py::test_on",)) == 0


def test_the_page_has_a_row_for_each_attack() -> None:
    """In their order, and each was tried."""
    lines = part_of(PAGE.read_text(encoding="utf-8"), "attacks").splitlines()[2:]
    rows = [line.strip("| ").split(" | ") for line in lines]
    assert [row[0] for row in rows] == [fault for fault, *_ in ATTACKS]
    assert all(int(tries.replace(",", "")) > 0 for _, tries, _ in rows)
