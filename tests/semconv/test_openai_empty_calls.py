"""Calls that say nothing: some servers send an empty one with every answer."""

from __future__ import annotations

from typing import Any

import pytest

from greenflash_otel.semconv.formats.openai_tools import read_calls


@pytest.mark.parametrize(
    "message",
    [
        {"function_call": {"name": "", "arguments": ""}},
        {"tool_calls": [{"id": "", "type": "function", "function": {"name": "", "arguments": ""}}]},
    ],
)
def test_an_empty_call_is_none(message: Any) -> None:
    assert list(read_calls(message)) == []


def test_a_call_with_a_name_is_one() -> None:
    message: Any = {"function_call": {"name": "look"}, "tool_calls": [{"id": "1", "custom": {"input": "x"}}]}
    assert [call.name for call in read_calls(message)] == ["unknown", "look"]
