"""The figures of the attacks on the page are of the attacks in the code, and the counting can fail."""

from __future__ import annotations

import re
from types import SimpleNamespace

from tests.faults.attack_runs import AttackCounts
from tests.faults.attacks import ATTACKS
from tests.faults.report import PAGE, part_of


def test_the_page_has_tries_and_results_of_each_attack() -> None:
    """From a run in which nothing went wrong, and in which each attack was tried."""
    rows = re.findall(
        r"^\| (.+) \| ([\d,]+) \| ([\d,]+) \|$", part_of(PAGE.read_text(), "attacks"), re.MULTILINE
    )
    assert [fault for fault, _, _ in rows] == [attack[0] for attack in ATTACKS]
    assert all(int(tries.replace(",", "")) > 0 and wrong == "0" for _, tries, wrong in rows)


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
