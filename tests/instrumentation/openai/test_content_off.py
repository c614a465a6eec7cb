"""Without content, a span tells what happened and nothing of what was said."""

from __future__ import annotations

import openai
import pytest

from greenflash_otel.instrumentation.openai import instrument
from tests.instrumentation.openai.scenarios import SCENARIOS, plays
from tests.instrumentation.openai.server import Server
from tests.instrumentation.openai.spans import Spans

CONTENT = ("Hi", "Hello", "you", "word", "hi", "other", "overloaded", "bad request", "sorry", "{\\")
"""Everything that is said in the scenarios, by persons, models, errors."""


@pytest.mark.usefixtures("no_faults")
@pytest.mark.parametrize("name", SCENARIOS)
def test_nothing_said_is_in_the_span(name: str, spans: Spans) -> None:
    """No text in any attribute, status or event, however the call ends; the rest is as with content."""
    instrument(spans.tracer, capture_content=False)
    with (
        Server(*SCENARIOS[name].replies) as server,
        openai.OpenAI(api_key="k", base_url=server.url, max_retries=0) as client,
    ):
        plays(name)[0](client, server)
    (span,) = spans.all()
    values = [str(value) for value in (span.attributes or {}).values()]
    told = [*values, span.status.description or "", *(str(event.attributes) for event in span.events)]
    assert not [text for text in told for word in CONTENT if word in text]
    operation = spans.only()
    assert operation.ending == SCENARIOS[name].ending
    assert (operation.failure.type if operation.failure else None) == SCENARIOS[name].failure
    assert [message.role for message in operation.input] == ["user"]
