"""An instrumented SDK for a test, and the check that no step of ours failed on the way."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Generator, Iterator

import pytest

from greenflash_otel.faults import faults
from greenflash_otel.instrumentation.openai import instrument, uninstrument
from tests.instrumentation.openai.matrix.page import CELLS, check
from tests.instrumentation.openai.recordings import COMPARED
from tests.instrumentation.openai.spans import Spans


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note which cells of the page about surfaces are filled."""
    report = yield
    CELLS.note(item, report)
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A page that says something else than the tests is a failure."""
    if check(session):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how much recorded traffic was compared, and whether the page about surfaces is true."""
    session = terminalreporter._session
    if session and (problem := check(session)):
        terminalreporter.write_line(problem, red=True)
    if COMPARED:
        surfaces = ", ".join(f"{count} of {name}" for name, count in Counter(COMPARED).most_common())
        terminalreporter.write_line(
            f"{len(COMPARED)} calls of recorded traffic were the same with and without us: {surfaces}"
        )


@pytest.fixture
def spans() -> Iterator[Spans]:
    """The SDK is instrumented during the test, and not afterwards."""
    gc.collect()  # streams that earlier tests dropped
    recorded = Spans()
    instrument(recorded.tracer)
    yield recorded
    uninstrument()


@pytest.fixture
def no_faults() -> Iterator[None]:
    """Every step of ours went well during the test."""
    before = faults()
    yield
    assert faults() == before
