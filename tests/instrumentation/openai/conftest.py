"""An instrumented SDK for a test, and the check that no step of ours failed on the way."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from greenflash_otel.instrumentation.openai import instrument, uninstrument
from greenflash_otel.internal_errors import get_internal_errors
from tests.instrumentation.openai.spans import Spans


@pytest.fixture
def spans() -> Iterator[Spans]:
    """The SDK is instrumented during the test, and not afterwards."""
    gc.collect()  # streams that earlier tests dropped
    gc.freeze()  # what is left are modules of the SDK, imported as they were needed
    recorded = Spans()
    instrument(recorded.tracer)
    yield recorded
    uninstrument()


@pytest.fixture
def no_faults() -> Iterator[None]:
    """Every step of ours went well during the test."""
    before = get_internal_errors()
    yield
    assert get_internal_errors() == before
