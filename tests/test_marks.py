"""What stands on spans that others may export, and what reaches us beside them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from opentelemetry import context as otel_context
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import greenflash_otel as greenflash
from greenflash_otel import installation
from greenflash_otel.span_contexts import SPAN_CONTEXTS
from greenflash_otel.testing import Emulator
from tests.conftest import PRODUCT
from tests.test_process import say


def _said(question: str, answer: str) -> dict[str, str]:
    parts = '[{{"role":"{}","parts":[{{"type":"text","content":"{}"}}]}}]'
    return {
        "gen_ai.input.messages": parts.format("user", question),
        "gen_ai.output.messages": parts.format("assistant", answer),
    }


SAID, SAID_LATER = _said("hi", "ho"), _said("again?", "no")
MARK = {"gen_ai.operation.name": "chat"}
WHOSE: dict[str, Any] = {
    "user_id": "ada@example.com",
    "organization_id": "acme",
    "properties": {"salary": 90_000},
}


class Application:
    """A provider of the application's, with an exporter of its own."""

    def __init__(self) -> None:
        self.provider, self._seen = TracerProvider(shutdown_on_exit=False), InMemorySpanExporter()
        self.provider.add_span_processor(SimpleSpanProcessor(self._seen))

    def work(self) -> None:
        """A query, a model call that is marked when it starts, and one that is marked later."""
        tracer = self.provider.get_tracer("app")
        with greenflash.conversation("chat-42", **WHOSE):
            with tracer.start_as_current_span("SELECT"):
                pass
            tracer.start_span("early", attributes={**MARK, **SAID}).end()
            late = tracer.start_span("late")
            late.set_attributes({**MARK, **SAID_LATER})
            late.end()

    def exported(self) -> dict[str, Mapping[str, Any]]:
        return {span.name: dict(span.attributes or {}) for span in self._seen.get_finished_spans()}


@pytest.fixture
def application() -> Iterator[Application]:
    made = Application()
    yield made
    made.provider.shutdown()


@pytest.mark.parametrize("capture_content", [True, False])
def test_spans_that_others_export(
    application: Application, greenflash_emulator: Emulator, capture_content: bool
) -> None:
    """They get the id of the conversation at most; user and properties reach Greenflash all the same."""
    greenflash.instrument(
        api_key="gf_test",
        product_id=PRODUCT,
        base_url=greenflash_emulator.base_url,
        tracer_provider=application.provider,
        capture_content=capture_content,
    )
    application.work()
    assert greenflash.flush(10)
    assert application.exported() == {
        "SELECT": {},
        "early": {**MARK, **SAID, "gen_ai.conversation.id": "chat-42"},
        "late": {**MARK, **SAID_LATER},
    }
    stored = greenflash_emulator.conversation("chat-42")
    assert (stored.external_user_id, stored.properties) == ("ada@example.com", {"salary": 90_000})
    assert [message.content for message in stored.messages] == ["hi", "ho", "again?", "no"]
    assert len(SPAN_CONTEXTS) == 0


def test_spans_of_ours_are_whole(application: Application, greenflash_emulator: Emulator) -> None:
    """They are the written form of a call, which any exporter may send to a gateway."""
    greenflash.instrument(export="none", tracer_provider=application.provider)
    with greenflash.conversation("chat-42", **WHOSE):
        say("ho", "hi")
    [attributes] = application.exported().values()
    assert attributes["gen_ai.conversation.id"] == "chat-42"
    assert attributes["user.id"] == "ada@example.com"
    assert json.loads(attributes["greenflash.conversation.properties"]) == {"salary": 90_000}


class Collector(InMemorySpanExporter):
    """What a Collector gets."""

    def spans(self) -> dict[str, ReadableSpan]:
        return {span.name: span for span in self.get_finished_spans()}


def test_what_goes_to_a_collector(application: Application, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model's span says all, any other names the conversation; both in copies that only we send."""
    got = Collector()
    monkeypatch.setattr(installation, "make_exporter", lambda environment: got)
    pipeline = greenflash.instrument(export="otlp", tracer_provider=application.provider)
    application.work()
    assert pipeline.flush(10)
    whole = {
        "gen_ai.conversation.id": "chat-42",
        "user.id": "ada@example.com",
        "greenflash.organization.id": "acme",
        "greenflash.conversation.properties": '{"salary":90000}',
    }
    assert {name: dict(span.attributes or {}) for name, span in got.spans().items()} == {
        "SELECT": {"gen_ai.conversation.id": "chat-42"},
        "early": {**MARK, **SAID, **whole},
        "late": {**MARK, **SAID_LATER, **whole},
    }
    assert application.exported() == {
        "SELECT": {},
        "early": {**MARK, **SAID, "gen_ai.conversation.id": "chat-42"},
        "late": {**MARK, **SAID_LATER},
    }
    assert len(SPAN_CONTEXTS) == 0


def test_a_copy_for_the_collector_is_like_its_original(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits and what was dropped stay, and the original stays as it was."""
    monkeypatch.setenv("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "3")
    monkeypatch.setenv("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "5")
    got = Collector()
    monkeypatch.setattr(installation, "make_exporter", lambda environment: got)
    provider = TracerProvider(shutdown_on_exit=False)
    pipeline = greenflash.instrument(export="otlp", tracer_provider=provider)
    with greenflash.conversation("chat-42", user_id="ada"):
        span = provider.get_tracer("app").start_span("chat", attributes=MARK)
        span.add_event("thought")
        for number in range(4):
            span.set_attribute(f"n{number}", number)
        span.set_attribute("gen_ai.operation.name", "chat and more")
        span.end()
    assert pipeline.flush(10)
    sent = got.spans()["chat"]
    assert (sent.attributes or {})["gen_ai.operation.name"] == "chat "
    assert (sent.attributes or {})["gen_ai.conversation.id"] == "chat-"
    assert sent.dropped_attributes == span.dropped_attributes > 0  # type: ignore[attr-defined]
    assert [event.name for event in sent.events] == ["thought"]
    assert sent.get_span_context() == span.get_span_context()
    assert "user.id" not in span.attributes  # type: ignore[attr-defined]


def test_what_the_author_of_a_span_wrote_wins(
    application: Application, greenflash_emulator: Emulator
) -> None:
    """An instrumentation that names conversation or user knows better, whenever it does so."""
    greenflash.instrument(
        api_key="gf_test",
        product_id=PRODUCT,
        base_url=greenflash_emulator.base_url,
        tracer_provider=application.provider,
    )
    with greenflash.conversation("chat-42", user_id="ada"):
        span = application.provider.get_tracer("app").start_span("chat", attributes={**MARK, **SAID})
        span.set_attributes({"gen_ai.conversation.id": "theirs", "user.id": "bob"})
        span.end()
    assert greenflash.flush(10)
    assert greenflash_emulator.conversation("theirs").external_user_id == "bob"


def test_the_context_a_span_is_given_counts(application: Application, greenflash_emulator: Emulator) -> None:
    """A span may be started with the context of another place."""
    greenflash.instrument(
        api_key="gf_test",
        product_id=PRODUCT,
        base_url=greenflash_emulator.base_url,
        tracer_provider=application.provider,
    )
    with greenflash.conversation("there", user_id="ada"):
        there = otel_context.get_current()
    with greenflash.conversation("here", user_id="bob"):
        tracer = application.provider.get_tracer("app")
        tracer.start_span("chat", context=there, attributes={**MARK, **SAID}).end()
    assert greenflash.flush(10)
    assert greenflash_emulator.conversation("there").external_user_id == "ada"


def test_a_processor_of_ones_own(application: Application) -> None:
    """Added by hand, it names the conversation on a model's span, and leaves nothing behind."""
    application.provider.add_span_processor(greenflash.ConversationSpanProcessor())
    application.work()
    assert application.exported()["early"]["gen_ai.conversation.id"] == "chat-42"
    assert application.exported()["SELECT"] == {}
    assert len(SPAN_CONTEXTS) == 0
