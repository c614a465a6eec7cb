"""The table beside the spans forgets in time, and never grows beyond its bounds."""

from __future__ import annotations

import gc
import threading
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import SpanContext

import greenflash_otel as greenflash
from greenflash_otel import internal_errors, span_contexts
from greenflash_otel.model.operation import ConversationContext
from greenflash_otel.span_contexts import SpanContexts, text_bytes_of

STEP = "remember whose conversation a span belongs to"


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def _start(table: SpanContexts, **whose: Any) -> Any:
    span: Any = TracerProvider(shutdown_on_exit=False).get_tracer("app").start_span("s")
    with greenflash.conversation(**whose):
        table.note_start(span, None)
    return span


def _context(number: int) -> SpanContext:
    return SpanContext(1, number, is_remote=False)


def test_entries(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest goes first, which is counted: its span arrives without its user."""
    monkeypatch.setattr(span_contexts, "MAX_OPEN", 3)
    table, before = SpanContexts(), internal_errors.get_internal_errors().get(STEP, 0)
    spans = [_start(table, id=f"c{number}") for number in range(5)]
    found = [table.find(span.get_span_context()).conversation_context.conversation_id for span in spans]
    assert found == [None, None, "c2", "c3", "c4"]
    assert internal_errors.get_internal_errors()[STEP] == before + 2


def test_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few spans of conversations with a lot of properties are enough to forget the oldest."""
    monkeypatch.setattr(span_contexts, "MAX_BYTES", 100_000)
    table = SpanContexts()
    spans = [_start(table, id=f"c{number}", properties={"text": "x" * 30_000}) for number in range(20)]
    assert table.text_bytes <= 100_000
    assert table.find(spans[-1].get_span_context()).conversation_context.conversation_id == "c19"
    assert table.find(spans[0].get_span_context()).conversation_context.conversation_id is None


def test_what_spans_share_counts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A conversation with many spans costs its properties once."""
    monkeypatch.setattr(span_contexts, "MAX_BYTES", 100_000)
    table, tracer = SpanContexts(), TracerProvider(shutdown_on_exit=False).get_tracer("app")
    with greenflash.conversation("c", properties={"text": "x" * 30_000}):
        spans: list[Any] = [tracer.start_span("s") for _ in range(50)]
        for span in spans:
            table.note_start(span, None)
    assert all(
        table.find(span.get_span_context()).conversation_context.conversation_id == "c" for span in spans
    )


def test_age(monkeypatch: pytest.MonkeyPatch) -> None:
    """A span that never ends is forgotten after a day, one that ended after ten minutes."""
    monkeypatch.setattr(span_contexts, "CHECK_EVERY", 1)
    clock = Clock()
    table = SpanContexts(clock)
    leaked, ended = _start(table, id="leaked"), _start(table, id="ended")
    table.note_end(ended.get_span_context(), keep=True)
    clock.now_s = span_contexts.MAX_ENDED_S + 1
    table.note_end(_start(table, id="new").get_span_context(), keep=True)
    assert table.find(ended.get_span_context()).conversation_context.conversation_id is None
    assert table.find(leaked.get_span_context()).conversation_context.conversation_id == "leaked"
    clock.now_s = span_contexts.MAX_OPEN_S + 1
    _start(table, id="newest")
    assert table.find(leaked.get_span_context()).conversation_context.conversation_id is None


def test_nothing_is_remembered_for_nobody() -> None:
    """Outside a conversation there is nothing to remember, and nothing once the last reader left."""
    table, span = SpanContexts(), TracerProvider(shutdown_on_exit=False).get_tracer("app").start_span("s")
    table.note_start(span, None)  # type: ignore[arg-type]
    assert len(table) == 0
    table.add_reader(table)
    _start(table, id="c")
    assert len(table) == 1
    table.remove_reader(table)
    assert len(table) == 0


def test_threads_and_the_garbage_collector(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many threads use it at once, without a lock; what they put in they find."""
    monkeypatch.setattr(span_contexts, "CHECK_EVERY", 2)
    table, missed = SpanContexts(), list[int]()

    def work(first: int) -> None:
        for number in range(first, first + 300):
            table.note_recorded(_context(number), table)
            if table.note_end(_context(number), keep=number % 2 == 0).recorded_by != id(table):
                missed.append(number)
            if number % 50 == 0:
                gc.collect(0)

    threads = [threading.Thread(target=work, args=(1 + 1000 * n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert missed == []
    assert len(table) == 8 * 150


@given(
    st.recursive(st.text() | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))
)
@settings(max_examples=50, deadline=None)
def test_size_is_at_least_that_of_the_texts(value: Any) -> None:
    """What is measured is not less than the text in it, up to the number of values that are looked at."""
    assert text_bytes_of(ConversationContext("c", properties={"k": value})) >= _texts(value)


def _texts(value: Any) -> int:
    if isinstance(value, str):
        return len(value)
    if isinstance(value, dict):
        return sum(map(len, value)) + sum(map(_texts, value.values()))
    return sum(map(_texts, value)) if isinstance(value, list) else 0
