"""Spans that wait on disk for their conversion: what is written is read again, and much of it fits."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider

import greenflash_otel as greenflash
from greenflash_otel.delivery import batcher
from greenflash_otel.exporter import _size_of
from greenflash_otel.ingest.spill import LONG_TEXT, read_span, write_span
from greenflash_otel.model.telemetry import SpanEvent, SpanRecord
from tests.conftest import PRODUCT

CALLS = 40
MEGABYTE = "x" * (1 << 20)

long_texts = st.builds(lambda text: text * (LONG_TEXT // len(text) + 1), st.text(st.characters(), min_size=1))
plain = st.none() | st.booleans() | st.integers() | st.text(st.characters()) | long_texts | st.binary()
values = plain | st.lists(plain, max_size=2) | st.dictionaries(st.text(), plain, max_size=2)
attributes = st.dictionaries(st.text(), values, max_size=4)
spans = st.builds(
    SpanRecord,
    trace_id=st.just("1" * 32),
    span_id=st.just("2" * 16),
    name=st.text(),
    start_ns=st.integers(0),
    end_ns=st.integers(0),
    parent_span_id=st.none() | st.text(),
    attributes=attributes,
    events=st.lists(st.builds(SpanEvent, st.text(), st.integers(0), attributes), max_size=2).map(tuple),
    status_description=st.none() | st.text(),
    resource=st.dictionaries(st.text(), plain, max_size=2),
)


@given(spans)
def test_what_is_written_is_read_again(span: SpanRecord) -> None:
    """Whatever the texts contain, and however long they are; attributes keep their order."""
    read = read_span(write_span(span))
    assert read == span
    assert list(read.attributes) == list(span.attributes)


@given(spans)
def test_what_is_cut_off_is_no_span(span: SpanRecord) -> None:
    """It raises what the reader of the spill expects, or nothing is missing that it needs."""
    whole = write_span(span)
    head = whole[: whole.find(b"\n")]
    with pytest.raises(ValueError, match=r".*"):
        read_span(head[:-1])


@pytest.mark.parametrize(("character", "at_least"), [("x", 1), ("é", 1), ("€", 2), ("😀", 4)])
def test_the_size_of_a_span_is_what_its_texts_take_in_memory(character: str, at_least: int) -> None:
    """Also in lists, and in events."""
    text = character * 1000
    span = (
        TracerProvider().get_tracer("app").start_span("chat", attributes={"one": text, "two": [text, text]})
    )
    span.add_event("said", {"three": text})
    assert isinstance(span, ReadableSpan)
    assert 4000 * at_least <= _size_of(span) <= 4000 * at_least + 1000


def test_calls_of_a_megabyte_come_faster_than_they_are_converted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory is bounded, each call is stored, none is lost."""
    monkeypatch.setattr(batcher, "SPILL_AT_BYTES", 2 << 20)
    monkeypatch.setattr(batcher, "MOST_BYTES", 8 << 20)
    provider = TracerProvider()
    pipeline = greenflash.instrument(
        frameworks=(), product_id=PRODUCT, outbox=tmp_path / "outbox", tracer_provider=provider
    )
    tracer = provider.get_tracer("app")
    for number in range(CALLS):
        call(tracer, number)
    assert not pipeline.flush(60)  # there is no key; but everything is converted now
    stats = pipeline.stats()
    assert stats.lost == {}
    assert stats.pending == 2 * CALLS


def call(tracer: object, number: int) -> None:
    """A model call, as another instrumentation records it."""
    question = {"role": "user", "parts": [{"type": "text", "content": f"Question {number}: {MEGABYTE}"}]}
    answer = {"role": "assistant", "parts": [{"type": "text", "content": f"Answer {number}"}]}
    tracer.start_span(  # type: ignore[attr-defined]
        "chat m",
        attributes={
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": "m",
            "gen_ai.conversation.id": f"chat-{number // 10}",
            "gen_ai.input.messages": json.dumps([question]),
            "gen_ai.output.messages": json.dumps([answer]),
        },
    ).end()
