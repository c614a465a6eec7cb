"""Run the tests of the attacks, and count what each row of the matrix tried and what went wrong.

``python -m tests.faults.attack_runs [--write]``. With ``--write`` the figures go into ``docs/reliability.md``.
Exit status 1 if anything went wrong.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections import Counter
from typing import Any, Final

import pytest

from tests.faults.attacks import ATTACKS
from tests.faults.report import PAGE, with_part

ROOT: Final = PAGE.parents[1]
_EXAMPLES: Final = re.compile(r"(\d+) passing examples")


class AttackCounts:
    """A plugin of pytest: counts what was tried, by test. Each generated example of a law is a try."""

    def __init__(self) -> None:
        self.tries: Counter[str] = Counter()
        self.wrong: Counter[str] = Counter()

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Count one case, when it has been called, or could not be; its examples, when it is over."""
        test = re.sub(r"\[.*", "", report.nodeid.removeprefix("tests/"))
        if report.when == "call" and not report.skipped:
            self.tries[test] += 1
        if examples := _EXAMPLES.findall(str(getattr(report, "_hypothesis_stats", ""))):
            self.tries[test] += sum(map(int, examples)) - 1
        if report.failed:
            self.wrong[test] += 1

    def count(self, counts: Counter[str], tests: tuple[str, ...]) -> int:
        """Add up the counts of tests; a file or a class stands for all tests in it."""
        return sum(
            number
            for test, number in counts.items()
            if any(test == named or test.startswith(f"{named}::") for named in tests)
        )


def run(workers: str) -> AttackCounts:
    """Run all tests that the attacks name."""
    counts = AttackCounts()
    tests = sorted({f"tests/{test}" for attack in ATTACKS for test in attack[2]})
    options = ["-q", "-n", workers, "-p", "no:cacheprovider", "--hypothesis-show-statistics", "--no-header"]
    status = pytest.main([*options, f"--rootdir={ROOT}", *tests], plugins=[counts])
    if status not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        raise RuntimeError(f"the attacks could not be run: {status}")
    return counts


def table(counts: AttackCounts) -> str:
    """What was tried and what went wrong, by attack, as Markdown."""
    lines = ["| attack | tries | **went wrong** |", "|---|---:|---:|"]
    for fault, _, tests, _ in ATTACKS:
        tries, wrong = counts.count(counts.tries, tests), counts.count(counts.wrong, tests)
        lines.append(f"| {fault} | {tries:,} | {wrong:,} |")
    return "\n".join(lines)


def main() -> int:
    """Run all of it as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="put the figures into docs/reliability.md")
    parser.add_argument("--workers", default="2", help="how many processes run the tests")
    given = parser.parse_args()
    counts = run(given.workers)
    print(table(counts))  # noqa: T201 - a program
    if given.write:
        page = PAGE.read_text(encoding="utf-8")
        PAGE.write_text(with_part(page, "attacks", table(counts)), encoding="utf-8")
    return 1 if counts.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
