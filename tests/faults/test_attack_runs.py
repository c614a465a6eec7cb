"""The counting of the attacks counts what was tried and what went wrong."""

from __future__ import annotations

from types import SimpleNamespace

from tests.faults.attack_runs import AttackCounts


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
