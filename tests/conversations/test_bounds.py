"""What is remembered has a bound in bytes; what is pushed out of memory is recalled from the disk."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from greenflash_otel.conversations import index, store
from greenflash_otel.conversations.changes import IndexName, StateChange
from greenflash_otel.conversations.state import ConversationState
from greenflash_otel.conversations.store import ConversationStore
from greenflash_otel.delivery.outbox import Outbox
from greenflash_otel.greenflash_api.request import ApiRequest
from greenflash_otel.ingest.ingest import Ingest
from greenflash_otel.lru import ByteBoundChangeTrackingLruDict, ByteBoundLruDict
from greenflash_otel.model.operation import ConversationContext, Message, Operation, Text, ToolCall
from greenflash_otel.model.telemetry import SpanRecord
from greenflash_otel.semconv.correlation import recent_spans
from greenflash_otel.semconv.correlation.recent_spans import Recent
from greenflash_otel.semconv.correlation.trace import read
from greenflash_otel.semconv.genai import attributes_of
from greenflash_otel.state_record import StateRecord
from tests.api.wire import ADDRESS
from tests.strategies import span_of

CONVERSATIONS, TURNS = 60, 4


def said(number: int, turn: int) -> SpanRecord:
    """A call of a conversation, which resends all that was said before."""
    texts = [(f"question {at} of {number}", f"answer {at} to {number}") for at in range(turn + 1)]
    history = [
        message
        for question, answer in texts[:-1]
        for message in (Message("user", (Text(question),)), Message("assistant", (Text(answer),)))
    ]
    question, answer = texts[-1]
    operation = Operation(
        "chat",
        input=(*history, Message("user", (Text(question),))),
        output=(
            Message("assistant", (Text(answer), ToolCall("look", {"at": turn}, f"call {number} {turn}"))),
        ),
        # Every second one is found by what it resends.
        conversation_context=ConversationContext(conversation_id=None if number % 2 else f"chat-{number}"),
    )
    at = turn * CONVERSATIONS + number + 1
    return span_of(attributes_of(operation), number=at, trace=at)


class Notebook(Outbox):
    """An outbox that remembers what was put into it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.bodies: list[bytes] = []

    def put(
        self, requests: Iterable[ApiRequest], notes: Sequence[StateRecord] = (), *, converted_id: int = 0
    ) -> Sequence[ApiRequest]:
        """Keep them here, too."""
        requests = list(requests)
        self.bodies += (request.body for request in requests)
        return super().put(requests, notes, converted_id=converted_id)


def told(folder: Path, look: Callable[[ConversationStore], None] = lambda known: None) -> list[bytes]:
    """All requests that become of conversations which go on side by side."""
    with closing(Notebook(folder)) as outbox:
        known = ConversationStore(reader=outbox)
        intake = Ingest(outbox, ADDRESS, conversations=known, now_ns=lambda: 0)
        turns = [[said(number, turn) for number in range(CONVERSATIONS)] for turn in range(TURNS)]
        together = [*turns[1], *turns[2]]  # pushed out before it is on disk
        for batch in ([turn] for turn in turns[0]), [together], ([turn] for turn in turns[3]):
            for spans in batch:
                intake.take(spans)
                look(known)
        return outbox.bodies


def test_what_is_pushed_out_is_recalled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The requests are the same, however little may be in memory."""
    sizes: list[int] = []
    expected = told(tmp_path / "all", lambda known: sizes.append(known.size_bytes))
    states, names = 60_000, 5_000
    monkeypatch.setattr(store, "CONVERSATIONS_BYTES", states)
    monkeypatch.setattr(store, "LAST_MESSAGES_BYTES", names)
    monkeypatch.setattr(index, "NAMES_BYTES", names)
    bounded: list[int] = []
    assert told(tmp_path / "some", lambda known: bounded.append(known.size_bytes)) == expected
    assert max(bounded) <= states + names * (len(IndexName) + 1) < max(sizes) / 3


def test_what_is_told_of_its_size_is_no_less_than_it_takes() -> None:
    """And not many times more."""
    spans = [read(said(number, turn)) for number in range(CONVERSATIONS) for turn in range(TURNS)]
    real = 0

    def remembered(spans: Iterable[SpanRecord]) -> ConversationStore:
        known = ConversationStore()
        Ingest(_Nothing(), ADDRESS, conversations=known, now_ns=lambda: 0).take(spans)
        return known

    remembered([span.span for span in spans[:1]])  # whatever is made once
    gc.collect()
    tracemalloc.start()
    try:
        known = remembered([span.span for span in spans])
        gc.collect()
        real = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert real <= known.size_bytes <= 3 * real


class _Nothing:
    """A store that takes everything and keeps nothing."""

    def put(
        self, requests: Iterable[ApiRequest], notes: Sequence[StateRecord] = (), *, converted_id: int = 0
    ) -> Sequence[ApiRequest]:
        """Refuse nothing."""
        return ()


def test_texts_that_a_conversation_keeps_count() -> None:
    """Properties, and ids that somebody else gave."""
    state = ConversationState("chat")
    before = state.size_bytes
    state.apply(StateChange(properties=(("plan", "x" * 10_000),)))
    state.apply(StateChange(tool_call_message_ids=(("y" * 10_000, "id"),)))
    assert state.size_bytes - before >= 20_000


def test_calls_of_a_megabyte_are_not_all_remembered() -> None:
    """What was read a moment ago is bounded by what it says, not by how much it is."""
    recent = Recent()
    gc.collect()
    tracemalloc.start()
    try:
        for number in range(1, 301):
            text = chr(64 + number % 50) * (1 << 20)
            operation = Operation("chat", input=(Message("user", (Text(text),)),))
            recent.take([read(span_of(attributes_of(operation), number=number, trace=number))])
        taken, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert recent.size_bytes <= 3 * recent_spans.SIZE_BYTES
    assert taken <= 3 * recent_spans.SIZE_BYTES
    assert most <= 64 << 20


def test_a_bound_in_bytes() -> None:
    """The oldest goes; the newest stays, whatever its size; what grows is measured anew; all adds up."""
    evicted: list[int] = []
    sizes = {"a": 40, "b": 40, "c": 40, "d": 500}
    held: ByteBoundLruDict[str, None] = ByteBoundLruDict(
        3, 100, lambda key, _: sizes[key], lambda: evicted.append(1)
    )
    for key in "abab":
        held.remember(key, None)
    assert (list(held), held.size_bytes, len(evicted)) == (["a", "b"], 80, 0)
    held.remember("c", None)
    assert (list(held), held.size_bytes, len(evicted)) == (["b", "c"], 80, 1)
    sizes["b"] = 70
    held.remember("b", None)
    assert (list(held), held.size_bytes) == (["b"], 70)
    held.remember("d", None)
    assert (list(held), held.size_bytes) == (["d"], 500)
    held.remember_as_oldest("a", None)
    assert list(held) == ["d"]
    held.forget("d")
    held.remember_as_oldest("a", None)
    assert (list(held), held.size_bytes) == (["a"], 40)


def test_what_changed_is_known_with_a_bound_in_bytes() -> None:
    """What is recalled is no change."""
    held: ByteBoundChangeTrackingLruDict[str, int] = ByteBoundChangeTrackingLruDict(9, 100, lambda *_: 40)
    held.remember_as_oldest("a", 1)
    held.remember("b", 2)
    assert held.list_pending_changes() == [("b", 2)]
    held.remember("c", 3)
    assert (held.list_pending_changes(), held.size_bytes) == ([("b", 2), ("c", 3)], 80)
    held.mark_persisted()
    assert held.list_pending_changes() == []
