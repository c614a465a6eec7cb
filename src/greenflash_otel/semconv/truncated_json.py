"""JSON that was cut: a limit on the length of attributes ends it anywhere, also within an escape. Pure.

What stands before the cut is read; a text that was cut is retained as far as it goes, a name without its value
is not, nor half of a name, or of an address.
"""

from __future__ import annotations

import json
import re
from typing import TypeAlias

from greenflash_otel.json_values import read_json, read_json_unchanged, read_text_bytes
from greenflash_otel.model.operation import Json

LEAST_CHARS = 64
"""No limit is smaller than this; what is shorter and no JSON is a text."""
DEPTH = 100
"""Of nested values; what lies deeper is no message."""

WHOLE = frozenset({"name", "id", "role", "type", "url", "uri", "tool_name", "toolName", "toolCallId"}) | {
    *(
        "call_id",
        "tool_call_id",
        "tool_use_id",
        "toolUseId",
        "file_id",
        "mime_type",
        "media_type",
        "finish_reason",
    )
}
"""What is nothing unless it is whole."""

STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
SCALAR = re.compile(r"[^\s,\]}]+")
SPACE = re.compile(r"\s*")
HALF_ESCAPE = re.compile(r"(?<!\\)((?:\\\\)*)\\(?:u[0-9a-fA-F]{0,3})?$")
HALF_PAIR = re.compile(r"(?<!\\)((?:\\\\)*)\\u[dD][89abAB][0-9a-fA-F]{2}$")
"""The first half of a character that JSON writes as two."""

Found: TypeAlias = tuple[Json, int]
"""A value, and where the text goes on after it; `CUT` where it does not."""
CUT = -1
MISSING: Json = {"": "a value of which nothing is left"}


def read_document(value: object) -> Json:
    """Decode JSON text, also if it was cut or is in JSON itself; else give it back as it is."""
    decoded = read_json_unchanged(read_text_bytes(value) if isinstance(value, bytes) else value)
    if not isinstance(decoded, str) or decoded[:1] not in ("{", "["):
        return decoded
    if decoded is not value:
        decoded = read_json(decoded)
    if not isinstance(decoded, str) or len(decoded) < LEAST_CHARS:
        return decoded
    try:
        mended, end = _read_value(decoded, 0, 0)
    except ValueError:
        return decoded
    return mended if end == CUT else decoded


def _read_value(text: str, at: int, depth: int) -> Found:
    at = _skip_space(text, at)
    if at == len(text):
        return MISSING, CUT
    if depth > DEPTH:
        raise ValueError("nested too deep")
    match text[at]:
        case "{":
            return _read_object(text, at + 1, depth + 1)
        case "[":
            return _read_list(text, at + 1, depth + 1)
        case '"':
            return _read_string(text, at)
    match = SCALAR.match(text, at)
    if match is None:
        raise ValueError("no JSON")
    return (MISSING, CUT) if match.end() == len(text) else (json.loads(match[0]), match.end())


def _read_string(text: str, at: int) -> Found:
    if match := STRING.match(text, at):
        return json.loads(match[0], strict=False), match.end()
    if text[at] != '"':
        raise ValueError("no JSON")
    left = HALF_PAIR.sub(r"\1", HALF_ESCAPE.sub(r"\1", text[at + 1 :]))
    return json.loads(f'"{left}"', strict=False), CUT


def _read_list(text: str, at: int, depth: int) -> Found:
    items: list[Json] = []
    while (at := _skip_space(text, at)) < len(text):
        if text[at] == "]":
            return items, at + 1
        value, at = _read_value(text, at, depth)
        if value is not MISSING:
            items.append(value)
        if at == CUT:
            break
        at = _skip_comma(text, at, "]")
    return items, CUT


def _read_object(text: str, at: int, depth: int) -> Found:
    fields: dict[str, Json] = {}
    while (at := _skip_space(text, at)) < len(text):
        if text[at] == "}":
            return fields, at + 1
        name, at = _read_string(text, at)
        if at == CUT or (at := _skip_space(text, at)) == len(text):
            break
        if text[at] != ":":
            raise ValueError("no JSON")
        value, at = _read_value(text, at + 1, depth)
        if value is not MISSING and not (at == CUT and name in WHOLE):
            fields[str(name)] = value
        if at == CUT:
            break
        at = _skip_comma(text, at, "}")
    return fields, CUT


def _skip_comma(text: str, at: int, end: str) -> int:
    at = _skip_space(text, at)
    if at < len(text) and text[at] not in ("," + end):
        raise ValueError("no JSON")
    return at + 1 if text[at : at + 1] == "," else at


def _skip_space(text: str, at: int) -> int:
    match = SPACE.match(text, at)
    return match.end() if match else at
