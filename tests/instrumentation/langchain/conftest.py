"""LangChain instrumented for a test; at its end nothing runs any more, and no step of ours has failed."""

from __future__ import annotations

import gc
import logging
from collections.abc import Iterator

import pytest

from greenflash_otel.instrumentation import langchain
from greenflash_otel.instrumentation.langchain import recorder
from greenflash_otel.instrumentation.langchain.run_registry import RUNS
from greenflash_otel.internal_errors import get_internal_errors
from tests.instrumentation.openai.spans import Spans


@pytest.fixture
def spans(caplog: pytest.LogCaptureFixture) -> Iterator[Spans]:
    """LangChain is instrumented during the test, and not afterwards."""
    before, recorded = get_internal_errors(), Spans()
    langchain.instrument(recorded.tracer, history="new")
    with caplog.at_level(logging.WARNING):
        yield recorded
    gc.collect()
    recorder.tidy()
    langchain.uninstrument()
    assert get_internal_errors() == before
    assert len(RUNS) == 0
    said = [record.getMessage() for record in caplog.records]
    assert [entry for entry in said if "callback" in entry or "detach" in entry] == []
