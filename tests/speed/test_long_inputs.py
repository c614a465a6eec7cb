"""What is left out of a long input changes nothing: neither a request nor a state record."""

from __future__ import annotations

import random

import pytest

from greenflash_otel.greenflash_api.request import ApiRequest
from greenflash_otel.model.long_input import Beginning, Place
from greenflash_otel.model.operation import Message, Text
from greenflash_otel.model.telemetry import OURS, SpanRecord
from greenflash_otel.semconv.correlation.long_inputs import BEGINNINGS_BYTES
from greenflash_otel.state_record import StateRecord
from tests.speed.converter import Converter
from tests.speed.spans import FOREIGN, make_history, make_span, say
from tests.speed.wild import make_arrivals


def convert(arrivals: list[list[SpanRecord]], least_chars: int | None) -> Converter:
    """Convert spans, leaving out of inputs of this length what is known; None: of none."""
    converter = Converter()
    converter.conversations.long_inputs.least_chars = least_chars
    for spans in arrivals:
        converter.take(spans)
    converter.ingest.emit_all_waiting()
    return converter


def describe(converter: Converter) -> tuple[list[ApiRequest], list[StateRecord]]:
    """Return all that became of spans."""
    return converter.requests, converter.records


@pytest.mark.parametrize("seed", range(24))
def test_reading_only_what_is_new(seed: int) -> None:
    """Reading only what is new, of every input, gives what reading everything gives."""
    arrivals = list(make_arrivals(seed))
    assert describe(convert(arrivals, 0)) == describe(convert(arrivals, None))


def test_what_is_known_is_bounded() -> None:
    """In bytes, whatever conversations are called."""
    known = Converter().conversations.long_inputs
    for number in range(20_000):
        known.learn(Place(number, b"digest"), Beginning("chat" * 100, 1, "gf_1", None, None, 1, 1))
    assert 0.9 * BEGINNINGS_BYTES < known.size_bytes <= BEGINNINGS_BYTES


def test_texts_are_known_by_digests_only() -> None:
    """No field of what is remembered has a text of a message."""
    chance = random.Random(4)
    history = make_history(chance, 21)
    converter = convert([[make_span(1, history, say(chance), name="chat")]], 0)
    known = repr([*converter.conversations.long_inputs.list_known()])
    assert "chat" in known
    assert not any(
        part.content in known for message in history for part in message.parts if isinstance(part, Text)
    )


@pytest.mark.parametrize("scope", [OURS, FOREIGN])
def test_an_input_that_ends_otherwise_is_read_whole(scope: str) -> None:
    """The same beginning in another conversation, or with an edited answer, is no reason to leave it out."""
    chance = random.Random(5)
    history = make_history(chance, 61)
    edited = [*history[:-1], Message("assistant", (Text("other"),)), history[-1]]
    spans = [
        make_span(1, history, "a", name="one", scope=scope),
        make_span(2, history, "b", name="two", scope=scope),
        make_span(3, [*history[:40], *edited[50:]], "c", name="one", scope=scope),
        make_span(4, edited, "d", name="one", scope=scope),
        make_span(
            5, [*history, Message("assistant", (Text("a"),)), *history[-1:]], "e", name="one", scope=scope
        ),
    ]
    arrivals = [[span] for span in spans]
    assert describe(convert(arrivals, 0)) == describe(convert(arrivals, None))
