"""What a conversion costs, counted. Each limit is a little above what it is; lower it whenever you can."""

from __future__ import annotations

import gc
import random
import tracemalloc
from collections.abc import Iterator

import pytest

from greenflash_otel.model.operation import Message, Text
from greenflash_otel.model.telemetry import OURS, SpanRecord
from greenflash_otel.semconv.correlation.trace import combine_spans, read
from tests.speed.converter import Converter
from tests.speed.counting import Counts, count
from tests.speed.spans import FOREIGN, make_history, make_span, say

WAYS = [(OURS, "chat"), (OURS, None), (FOREIGN, "chat"), (FOREIGN, None)]


def count_fresh(scope: str) -> Counts:
    """Count what it costs to convert a call of four messages and its answer, of a conversation of its own."""
    converter, chance = Converter(), random.Random(1)
    for number in range(1, 21):
        converter.take(
            [make_span(number, make_history(chance, 3), say(chance), name=f"c{number}", scope=scope)]
        )
    last = make_span(21, make_history(chance, 3), say(chance), name="c21", scope=scope)
    counts = count(lambda: converter.take([last]))
    assert len(converter.requests) == 21
    return counts


def grow(known: int, scope: str, name: str | None) -> Iterator[SpanRecord]:
    """Yield the calls of a chat that is long already; each resends all of it and has two new messages."""
    chance = random.Random(2)
    history = make_history(chance, known - 1)
    for number in range(1, 1_000):
        answer = say(chance)
        yield make_span(number, history, answer, name=name, scope=scope)
        history = [*history, Message("assistant", (Text(answer),)), Message("user", (Text(say(chance)),))]


def begin_long(known: int, scope: str, name: str | None) -> tuple[Converter, Iterator[SpanRecord]]:
    """Return a process that knows a long chat, and the calls that follow."""
    converter, calls = Converter(), grow(known, scope, name)
    converter.take([next(calls)])
    converter.ingest.emit_all_waiting()
    for _ in range(3):
        converter.take([next(calls)])
    return converter, calls


def count_resent(known: int, scope: str, name: str | None) -> Counts:
    """Count what it costs to convert a call that resends a long history."""
    converter, calls = begin_long(known, scope, name)
    span, before = next(calls), len(converter.requests)
    counts = count(lambda: converter.take([span]))
    assert [request.items for request in converter.requests[before:]] == [2]
    return counts


@pytest.mark.parametrize(("scope", "limit"), [(OURS, 540), (FOREIGN, 815)])
def test_calls_of_a_chat_call(scope: str, limit: int) -> None:
    """The work of a short call is bounded."""
    assert count_fresh(scope).total <= limit


def test_hashes_of_a_chat_call() -> None:
    """A message is hashed once for its id, and once for what it says."""
    builtins = count_fresh(OURS).builtins
    assert builtins["hexdigest"] + builtins["digest"] <= 16


def test_each_item_is_encoded_once() -> None:
    """Four messages and what is around them."""
    assert count_fresh(OURS).calls["request.encode"] == 4 + 1


@pytest.mark.parametrize(("scope", "name"), WAYS)
def test_calls_do_not_grow_with_the_history(scope: str, name: str | None) -> None:
    """What is new costs, not what is known."""
    long, short = count_resent(1_000, scope, name).total, count_resent(100, scope, name).total
    assert long <= 1.2 * short
    assert long <= 1_150


@pytest.mark.parametrize(("scope", "name"), WAYS)
def test_nothing_of_the_history_is_split_again(scope: str, name: str | None) -> None:
    """The last question, its answer, and the new question and answer are split."""
    assert count_resent(1_000, scope, name).calls["fragments.split_message"] <= 3 * 4


def test_what_a_turn_leaves_behind() -> None:
    """At 1,000 known messages as at 10: nothing of them but digests."""
    kept = {known: measure_turns(known) for known in (10, 1_000)}
    assert kept[1_000] <= 1.2 * kept[10] + 500
    assert kept[1_000] <= 16_000


def measure_turns(known: int, turns: int = 20) -> float:
    """Return how many bytes stay of each turn of a long chat, without its request and its records."""
    converter, calls = begin_long(known, OURS, "chat")
    spans = [next(calls) for _ in range(turns)]
    gc.collect()
    tracemalloc.start()
    for span in spans:
        converter.take([span])
    del span
    converter.requests.clear()
    converter.records.clear()
    gc.collect()
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return size / turns


def test_calls_of_others_are_read_alone() -> None:
    """However much was read before: nothing is read again for a call that concerns nothing else."""
    assert count_fresh(FOREIGN).calls["trace.combine_spans"] == 0


@pytest.mark.parametrize("number", range(3))
def test_a_call_that_is_read_alone_is_read_as_with_others(number: int) -> None:
    """Combining it with nothing changes nothing; that is why it need not be done."""
    chance = random.Random(number)
    one = read(make_span(number, make_history(chance, 5), say(chance), name="chat", scope=FOREIGN))
    assert combine_spans([one]) == [one]
