"""What is left out of a long input changes nothing: neither a request nor a state record."""

from __future__ import annotations

import pytest

from greenflash_otel.greenflash_api.request import ApiRequest
from greenflash_otel.model.telemetry import SpanRecord
from greenflash_otel.state_record import StateRecord
from tests.speed.converter import Converter
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


@pytest.mark.parametrize("seed", range(60))
def test_whatever_is_resent(seed: int) -> None:
    """Reading only what is new, of every input, gives what reading everything gives."""
    arrivals = list(make_arrivals(seed))
    assert describe(convert(arrivals, 0)) == describe(convert(arrivals, None))
