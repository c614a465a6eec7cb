"""Roles by other names, and what a tool said."""

from __future__ import annotations

import json

import pytest

from greenflash_otel.model.roles import read_role
from greenflash_otel.semconv import registry
from tests.strategies import span_of


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("MessageRole.ASSISTANT", "assistant"),
        ("MessageRole.TOOL_RESPONSE", "tool"),
        (" User ", "user"),
        ("llm", "assistant"),
        ("tool_result", "tool"),
        ("ipython", "tool"),
        ("narrator", "narrator"),
    ],
)
def test_spellings(name: str, role: str) -> None:
    """Each names one of the convention's roles; what names none stays."""
    assert read_role(name, "user") == role


@pytest.mark.parametrize("role", ["tool", "function", "tool-response", "TOOL", "ipython", "tool_result"])
def test_words_of_a_tool_are_never_the_users(role: str) -> None:
    """Also if they are plain text, and answer no call."""
    messages = [{"role": "user", "content": "Hi"}, {"role": role, "content": "21"}]
    asked = {"gen_ai.operation.name": "chat", "gen_ai.input.messages": json.dumps(messages)}
    operation = registry.read(span_of(asked))
    assert operation and [message.role for message in operation.input] == ["user", "tool"]
