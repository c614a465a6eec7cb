"""`gen_ai.prompt` and `gen_ai.completion` as texts, in attributes and in events."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from greenflash_otel.model.operation import Message, Text
from greenflash_otel.model.telemetry import LogRecord, SpanEvent
from greenflash_otel.semconv import registry
from greenflash_otel.semconv.conventions.otel_logs import add_logs
from tests.strategies import span_of

CHAT = {"gen_ai.operation.name": "chat", "gen_ai.system": "openai", "gen_ai.request.model": "m"}
ASKED, SAID = (Message("user", (Text("Joke?"),)),), (Message("assistant", (Text("Why?"),)),)
SYSTEM = Message("system", (Text("Be funny"),))


@pytest.mark.parametrize(
    ("prompt", "completion", "asked"),
    [
        ("Joke?", "Why?", ASKED),
        (("Joke?",), ("Why?",), ASKED),
        ('["Joke?"]', '["Why?"]', ASKED),
        ('["Be funny", "Joke?"]', '["Why?"]', (SYSTEM, *ASKED)),
        ('["Be funny", "Hi", "Hello", "Joke?"]', '["Why?"]', ASKED),
        ('[{"role": "user", "content": "Joke?"}]', '{"choices": [{"message": {"content": "Why?"}}]}', ASKED),
        ("[{'role': 'user', 'content': 'Joke?'}]", '[{"role": "assistant", "content": "Why?"}]', ASKED),
    ],
)
@pytest.mark.parametrize("named", [True, False])
def test_attributes(prompt: Any, completion: Any, asked: tuple[Message, ...], named: bool) -> None:
    """Texts, lists of texts, messages and whole requests; also of a span that does not name its operation."""
    attributes: Mapping[str, Any] = (
        CHAT if named else {"gen_ai.request.model": "m", "gen_ai.system": "openai"}
    )
    operation = registry.read(
        span_of({**attributes, "gen_ai.prompt": prompt, "gen_ai.completion": completion})
    )
    assert operation and (operation.input, operation.output) == (asked, SAID)
    assert (operation.request_model, operation.provider) == ("m", "openai")


@pytest.mark.parametrize(
    "names", [("gen_ai.content.prompt", "gen_ai.content.completion"), ("gen_ai.prompt", "gen_ai.completion")]
)
def test_events(names: tuple[str, str]) -> None:
    """With the texts in an attribute, or as the body of a log record."""
    values = ({"gen_ai.prompt": "Joke?"}, {"gen_ai.completion": "Why?"})
    events = tuple(
        SpanEvent(name, place, entry) for place, (name, entry) in enumerate(zip(names, values, strict=True))
    )
    operation = registry.read(replace(span_of(CHAT), events=events))
    assert operation and (operation.input, operation.output) == (ASKED, SAID)
    bodies = enumerate(zip(names, ("Joke?", "Why?"), strict=True))
    logs = [LogRecord("a" * 32, "b" * 16, name, place, body=body) for place, (name, body) in bodies]
    operation = registry.read(add_logs(span_of(CHAT), logs))
    assert operation and (operation.input, operation.output) == (ASKED, SAID)


@pytest.mark.parametrize("nothing", ["{}", "[]", "", "null", "__REDACTED__"])
def test_hidden_content(nothing: str) -> None:
    """What stands for no content is no message, whoever recorded it."""
    attributes = {"gen_ai.prompt": nothing, "gen_ai.completion": nothing}
    for kind in (CHAT, {"langsmith.span.kind": "llm"}):
        operation = registry.read(span_of({**kind, **attributes}))
        assert operation and (operation.input, operation.output) == ((), ())


def test_other_operations() -> None:
    """A tool or an embedding with such an attribute stays what it is."""
    span = span_of({"gen_ai.operation.name": "embeddings", "gen_ai.prompt": json.dumps(["text"])})
    operation = registry.read(span)
    assert operation and (operation.name, operation.input) == ("embeddings", ())
