"""JSON that a limit has cut: what stands before the cut is read."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenflash_otel.model.operation import Json
from greenflash_otel.semconv.truncated_json import LEAST_CHARS, read_document

MESSAGES: Json = [
    {
        "role": "user",
        "parts": [{"type": "text", "content": 'Ünicode \U0001f680 and \\ "quotes" ' + "x" * 40}],
    },
    {
        "role": "assistant",
        "parts": [{"type": "tool_call", "name": "look", "arguments": {"at": 12, "is": True}}],
    },
]


def _is_beginning(part: Json, whole: Json) -> bool:
    """Whether ``part`` is what is left of ``whole``."""
    if isinstance(part, dict) and isinstance(whole, dict):
        return all(name in whole and _is_beginning(value, whole[name]) for name, value in part.items())
    if isinstance(part, list) and isinstance(whole, list):
        return len(part) <= len(whole) and all(map(_is_beginning, part, whole))
    if isinstance(part, str) and isinstance(whole, str):
        return whole.startswith(part)
    return part == whole


@pytest.mark.parametrize("ascii", [True, False])
@settings(deadline=None)  # a machine can be busy
@given(at=st.data())
def test_cut_anywhere(at: st.DataObject, ascii: bool) -> None:
    """Nothing is read that was not there, however it was cut and escaped."""
    text = json.dumps(MESSAGES, ensure_ascii=ascii)
    cut = text[: at.draw(st.integers(LEAST_CHARS, len(text)))]
    told = read_document(cut)
    assert isinstance(told, list)
    assert _is_beginning(told, MESSAGES)


@pytest.mark.parametrize(
    ("left", "expected"),
    [
        ('"a": "be', {"a": "be"}),
        ('"name": "be', {}),
        ('"name": "be"', {"name": "be"}),
        ('"a": "b\\', {"a": "b"}),
        ('"a": "b\\u00', {"a": "b"}),
        ('"a": "\\ud83d', {"a": ""}),
        ('"a": "\\\\', {"a": "\\"}),
        ('"a": 1, "b', {"a": 1}),
        ('"a": 1, "b":', {"a": 1}),
        ('"a": 1, "b": tr', {"a": 1}),
        ('"a": 1,', {"a": 1}),
        ('"a": [1, 2', {"a": [1]}),
        ('"a": [{"b": "c"', {"a": [{"b": "c"}]}),
    ],
)
def test_what_is_left(left: str, expected: dict[str, Json]) -> None:
    """A text as far as it goes; a name, a number or a word that may go on is left out."""
    told = read_document('{"long": "' + "x" * LEAST_CHARS + '", ' + left)
    assert isinstance(told, dict)
    assert {name: value for name, value in told.items() if name != "long"} == expected


@pytest.mark.parametrize(
    "text",
    ["", "Hi", "[1] is what I mean" + " and more" * 9, "{ no: JSON" * 9, "[" * 999, '{"a" 1' + " " * 99],
)
def test_what_is_no_json(text: str) -> None:
    """It is a text."""
    assert read_document(text) == text
