"""One table of roles for all readers, and whatever stands in an output is the model's."""

from __future__ import annotations

import json

import pytest

from greenflash_otel.model.operation import Text
from greenflash_otel.model.roles import read_role
from greenflash_otel.semconv import registry
from tests.strategies import span_of


@pytest.mark.parametrize(
    ("name", "role"),
    [
        *((name, "assistant") for name in ("assistant", "ai", "AIMessage", "AIMessageChunk", "model", "bot")),
        *((name, "user") for name in ("user", "human", "HumanMessage", "USER")),
        *((name, "tool") for name in ("tool", "function", "tool-response", "ToolMessage")),
        *((name, "system") for name in ("system", "SystemMessageChunk")),
        ("tool-call", "tool-call"),
        ("developer", "developer"),
        ("critic", "critic"),
        (None, "fallback"),
        ("", "fallback"),
        (["user"], "fallback"),
    ],
)
def test_roles(name: object, role: str) -> None:
    """A name that nobody knows stays; what is no name is what the reader says."""
    assert read_role(name, "fallback") == role


@pytest.mark.parametrize("role", ["user", "model", "bot", "critic", None])
def test_an_answer_is_the_models(role: str | None) -> None:
    """Whatever a producer writes there."""
    message = {"parts": [{"type": "text", "content": "A"}], **({"role": role} if role else {})}
    attributes = {"gen_ai.operation.name": "chat", "gen_ai.output.messages": json.dumps([message])}
    operation = registry.read(span_of(attributes))
    assert operation
    assert [(message.role, message.parts) for message in operation.output] == [("assistant", (Text("A"),))]


@pytest.mark.parametrize(
    ("role", "expected"), [("bot", "assistant"), ("human", "user"), ("function", "tool")]
)
def test_a_history_has_the_roles_of_the_convention(role: str, expected: str) -> None:
    """In messages of OpenTelemetry's names, too."""
    message = {"role": role, "parts": [{"type": "text", "content": "A"}]}
    attributes = {"gen_ai.operation.name": "chat", "gen_ai.input.messages": json.dumps([message])}
    operation = registry.read(span_of(attributes))
    assert operation and [message.role for message in operation.input] == [expected]
