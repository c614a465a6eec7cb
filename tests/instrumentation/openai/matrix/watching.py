"""What the whole run shows about OpenAI: whether the page of surfaces is true, how much traffic was compared.

A plugin of pytest, because a run may be spread over several processes: what a test tells goes with its report
to the one that sums up.
"""

from __future__ import annotations

from collections import Counter

import pytest

from tests.instrumentation.openai.matrix.page import CELLS, problem

COMPARED: Counter[object] = Counter()
"""Calls of recorded traffic that were the same with and without us, by surface."""


def pytest_itemcollected(item: pytest.Item) -> None:
    """Let the reports of a test say which cells it fills."""
    item.user_properties += [("covers", mark.args) for mark in item.iter_markers("covers")]


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Note what a test told, wherever it ran."""
    for name, value in report.user_properties:
        if name == "covers" and isinstance(value, tuple):
            CELLS.note(*value, passed=report.passed)
        elif name == "compared" and report.when == "call":
            COMPARED[value] += 1


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A page that says something else than the tests is a failure."""
    if _check(session):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how much recorded traffic was compared, and whether the page about surfaces is true."""
    session = terminalreporter._session
    if session and (wrong := _check(session)):
        terminalreporter.write_line(wrong, red=True)
    if COMPARED:
        surfaces = ", ".join(f"{count} of {name}" for name, count in COMPARED.most_common())
        terminalreporter.write_line(
            f"{COMPARED.total()} calls of recorded traffic were the same with and without us: {surfaces}"
        )


def _check(session: pytest.Session) -> str | None:
    """What is wrong with the page, if all tests ran and something is."""
    config = session.config
    everything = config.args_source is pytest.Config.ArgsSource.TESTPATHS
    is_part = config.option.keyword or config.option.markexpr or hasattr(config, "workerinput")
    return problem() if everything and not is_part and not session.testsfailed else None
