"""Log records and the spans they belong to, in any order."""

from __future__ import annotations

from dataclasses import replace

from greenflash_otel.semconv.joining import SPANS, Joiner
from greenflash_otel.spans import LogRecord
from tests.strategies import span_of

SPAN = span_of()


def log(content: str, at_ns: int = 1, span_id: str = SPAN.span_id) -> LogRecord:
    """A record of a message."""
    return LogRecord(SPAN.trace_id, span_id, "gen_ai.user.message", at_ns, {"content": content})


def test_before_the_span() -> None:
    """They wait for it, and are its events in the order of their times."""
    joiner = Joiner()
    assert joiner.take_logs([log("b", 2), log("a", 1), log("of another one", span_id="0" * 16)]) == []
    joined = joiner.take_span(SPAN)
    assert [event.attributes["content"] for event in joined.events] == ["a", "b"]


def test_after_the_span() -> None:
    """It is given once more, with all of them, if it waits for them."""
    joiner = Joiner()
    assert joiner.take_span(SPAN) == SPAN
    assert joiner.take_logs([log("too late")]) == []
    joiner = Joiner()
    joiner.await_logs(SPAN)
    for count, one in enumerate((log("a"), log("b", 2)), 1):
        (joined,) = joiner.take_logs([one])
        assert len(joined.events) == count


def test_a_record_that_comes_again() -> None:
    """It is one."""
    joiner = Joiner()
    joiner.take_logs([log("a"), log("a")])
    assert len(joiner.take_span(SPAN).events) == 1


def test_lines_of_a_log() -> None:
    """A record without a name, or without a span, is none of a convention."""
    joiner = Joiner()
    joiner.take_logs([replace(log("a"), event_name=""), log("a", span_id="")])
    assert joiner.take_span(SPAN) == SPAN


def test_a_bound() -> None:
    """What was remembered longest is forgotten."""
    joiner = Joiner()
    joiner.take_logs([log("first")])
    joiner.take_logs(log("x", span_id=f"{number + 2:016x}") for number in range(SPANS))
    assert joiner.take_span(SPAN) == SPAN
