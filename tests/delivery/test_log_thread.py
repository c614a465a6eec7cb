"""A logging handler of the application holds up no thread of ours, and its lines arrive."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator

import pytest

from greenflash_otel import internal_errors
from greenflash_otel.delivery.log_thread import LOG_THREAD
from greenflash_otel.delivery.threads import Ticket, start_thread


class Recorder(logging.Handler):
    """Keeps what it is given and the thread that gave it; waits until it may."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[tuple[str, str]] = []
        self.may = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        assert self.may.wait(20)
        self.lines.append((record.getMessage(), str(record.threadName)))


@pytest.fixture
def handler() -> Iterator[Recorder]:
    logger, handler = logging.getLogger("greenflash_otel"), Recorder()
    internal_errors.reset_for_tests()
    logger.addHandler(handler)
    yield handler
    handler.may.set()
    logger.removeHandler(handler)


def warn_on_a_thread_of_ours() -> bool:
    """Have a thread of ours warn; whether it came back, whatever the handler does."""
    done = Ticket()

    def run() -> None:
        internal_errors.warn_once("one")
        internal_errors.warn_once("two")
        done.complete()

    start_thread("test", run)
    return done.wait(20)


def test_a_handler_that_blocks_holds_up_nothing(handler: Recorder) -> None:
    """The line waits in the log thread; who asks for it waits a moment only."""
    since = LOG_THREAD.handed_over
    assert warn_on_a_thread_of_ours()
    LOG_THREAD.wait_for_lines(since)
    assert handler.lines == []
    handler.may.set()
    LOG_THREAD.wait_for_lines(since)
    assert handler.lines == [("one", "greenflash-otel log"), ("two", "greenflash-otel log")]


def test_threads_of_the_application_log_themselves(handler: Recorder) -> None:
    """Their line is there when the function comes back."""
    handler.may.set()
    internal_errors.warn_once("mine")
    assert handler.lines == [("mine", threading.current_thread().name)]
