"""However a call ends, it gives one span that says what was said and how it ended, in both colours."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import openai
import pytest
from opentelemetry.trace import SpanKind

from greenflash_otel.model.operation import Text
from tests.instrumentation.openai.scenarios import SCENARIOS, Scenario, plays
from tests.instrumentation.openai.server import Server
from tests.instrumentation.openai.spans import Spans, text_of

pytestmark = pytest.mark.usefixtures("no_faults")
every_scenario = pytest.mark.parametrize("name", SCENARIOS)


@pytest.fixture
def server(name: str) -> Iterator[Server]:
    with Server(*SCENARIOS[name].replies) as running:
        yield running


@pytest.fixture
def client(server: Server) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(api_key="k", base_url=server.url, max_retries=0) as made:
        yield made


@pytest.fixture
async def async_client(server: Server) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(api_key="k", base_url=server.url, max_retries=0) as made:
        yield made


@every_scenario
def test_sync(name: str, spans: Spans, client: openai.OpenAI, server: Server) -> None:
    """A sync application sees what it should, and the span is there when its part is over."""
    plays(name)[0](client, server)
    check(SCENARIOS[name], spans)


@every_scenario
async def test_async(name: str, spans: Spans, async_client: openai.AsyncOpenAI, server: Server) -> None:
    """The same for an async application."""
    await plays(name)[1](async_client, server)
    await spans.arrive(1)
    check(SCENARIOS[name], spans)


def check(scenario: Scenario, spans: Spans) -> None:
    operation = spans.only()
    assert operation.ending == scenario.ending
    assert text_of(*operation.output) == scenario.text
    assert operation.input[0].parts == (Text("Hi"),)
    assert (operation.failure.type if operation.failure else None) == scenario.failure
    (span,) = spans.all()
    assert span.kind is SpanKind.CLIENT
    assert span.name == "chat gpt-4o"
    assert span.status.status_code.name == ("ERROR" if scenario.failure else "UNSET")
