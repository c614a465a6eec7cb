"""Calls of tools that a framework writes into a text for models which have no form for calls. Pure.

smolagents resends ``Calling tools:\\n[{'id': 'call_1', 'function': {'name': …, 'arguments': {…}}}]``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from greenflash_otel.json_values import Json
from greenflash_otel.model.operation import Part, Reasoning, Text
from greenflash_otel.semconv.formats.openai_tools import read_calls
from greenflash_otel.semconv.python_literals import read_literal


def read_written_calls(part: Part) -> Sequence[Part]:
    """Return the calls that a text has after its heading; a text without any is a thought."""
    if not isinstance(part, Text):
        return (part,)
    heading, _, written = part.content.partition("\n")
    for text in (written.strip(), heading.strip(), part.content.strip()):
        calls = tuple(read_calls({"tool_calls": _list_entries(read_literal(text))}))
        if calls:
            return calls
    return (Reasoning(part.content),)


def _list_entries(value: Json) -> Sequence[Json]:
    entries = value if isinstance(value, list) else [value]
    return [
        entry for entry in entries if isinstance(entry, Mapping) and ("function" in entry or "name" in entry)
    ]
