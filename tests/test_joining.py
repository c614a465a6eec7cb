"""Log records and the spans they belong to, in any order."""

from __future__ import annotations

from dataclasses import replace

from greenflash_otel import internal_errors
from greenflash_otel.conversations.store import SPANS, UNCORRELATED_NS, ConversationStore
from greenflash_otel.ingest.log_correlation import Joiner
from greenflash_otel.model.operation import Operation
from greenflash_otel.model.telemetry import LogRecord
from tests.strategies import span_of

SPAN = span_of()
CALL = Operation("chat")


def new() -> Joiner:
    """One that knows nothing."""
    return Joiner(ConversationStore().uncorrelated)


def log(content: str, at_ns: int = 1, span_id: str = SPAN.span_id) -> LogRecord:
    """A record of a message."""
    return LogRecord(SPAN.trace_id, span_id, "gen_ai.user.message", at_ns, {"content": content})


def test_before_the_span() -> None:
    """They wait for it, and are its events in the order of their times."""
    joiner = new()
    assert joiner.take_logs([log("b", 2), log("a", 1), log("of another one", span_id="0" * 16)], 0) == []
    joined = joiner.take_span(SPAN, 0)
    assert [event.attributes["content"] for event in joined.events] == ["a", "b"]


def test_after_the_span() -> None:
    """It is given once more, with all of them, if it waits for them."""
    joiner = new()
    assert joiner.take_span(SPAN, 0) == SPAN
    assert joiner.take_logs([log("too late")], 0) == []
    joiner = new()
    joiner.await_logs(SPAN, CALL, 0)
    for count, entry in enumerate((log("a"), log("b", 2)), 1):
        (joined,) = joiner.take_logs([entry], 0)
        assert len(joined.events) == count


def test_records_that_say_nothing() -> None:
    """A span that still waits when it has some is not remembered with them: each is an event once."""
    joiner = new()
    joiner.await_logs(SPAN, CALL, 0)
    (joined,) = joiner.take_logs([log("")], 0)
    joiner.await_logs(joined, CALL, 0)
    (joined,) = joiner.take_logs([log("b", 2)], 0)
    assert [event.attributes["content"] for event in joined.events] == ["", "b"]


def test_a_record_that_comes_again() -> None:
    """It is one."""
    joiner = new()
    joiner.take_logs([log("a"), log("a")], 0)
    assert len(joiner.take_span(SPAN, 0).events) == 1


def test_lines_of_a_log() -> None:
    """A record without a name, or without a span, is none of a convention."""
    joiner = new()
    joiner.take_logs([replace(log("a"), event_name=""), log("a", span_id="")], 0)
    assert joiner.take_span(SPAN, 0) == SPAN


def test_a_bound() -> None:
    """What was remembered longest is forgotten."""
    joiner = new()
    joiner.take_logs([log("first")], 0)
    joiner.take_logs([log("x", span_id=f"{number + 2:016x}") for number in range(SPANS)], 0)
    joiner.forget(0)
    assert joiner.take_span(SPAN, 0) == SPAN


def test_a_time() -> None:
    """What has waited too long is forgotten, and counted."""
    joiner = new()
    joiner.take_logs([log("first")], 5)
    joiner.forget(5 + UNCORRELATED_NS - 1)
    assert joiner.take_span(SPAN, 0) != SPAN
    joiner, before = new(), dict(internal_errors.get_internal_errors())
    joiner.take_logs([log("first")], 5)
    joiner.forget(5 + UNCORRELATED_NS)
    assert joiner.take_span(SPAN, 0) == SPAN
    step = "find the span of a log record"
    assert internal_errors.get_internal_errors()[step] == before.get(step, 0) + 1
