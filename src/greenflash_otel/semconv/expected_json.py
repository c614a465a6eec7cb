"""Texts that stand where JSON belongs, for every reader in one place. Pure.

| recorded as                                      | read as                                       |
|--------------------------------------------------|-----------------------------------------------|
| JSON, also if it was cut                         | what it contains                              |
| JSON in JSON                                     | what the inner one contains                   |
| a list of JSON texts, for want of lists of maps  | a list of what they contain                   |
| the ``str()`` of Python's lists and dicts        | what they contain                             |
| the ``repr()`` of an object                      | nothing: nobody said it                       |
| bytes                                            | the text that they are                        |
| a number that JSON would write otherwise, `3.10` | the text                                      |
| any other text                                   | the text                                      |
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from greenflash_otel.json_values import read_json, read_json_unchanged
from greenflash_otel.model.operation import Json
from greenflash_otel.semconv.python_literals import is_repr, read_literal
from greenflash_otel.semconv.truncated_json import read_document

ENTRY_FIELDS = frozenset(
    {"role", "parts", "tool_calls", "function", "toolUse", "toolResult", "reasoningContent", "lc", "kwargs"}
)
"""Fields one of which every message, call or block has that is no typed part."""
TYPED_FIELDS = frozenset({"text", "content", "name", "id", "call_id", "image_url", "url", "uri", "arguments"})
"""Fields one of which every typed part has."""
MESSAGE_FIELDS = frozenset({"content", "messages", "type", "text"})
"""Fields that a message may have, and other JSON, too."""
STRUCTURES = ("{", "[", '"')
"""How the text of JSON begins that contains more than a number."""


def read_messages_document(value: object) -> Json:
    """Decode the value of an attribute that should contain messages, parts or tool calls; a text stays a text."""
    decoded = read_document(value)
    if isinstance(decoded, str):
        decoded = read_literal(decoded.strip()) if decoded.lstrip()[:1] in ("{", "[", "(") else decoded
    if isinstance(decoded, str):
        return None if is_repr(decoded) else decoded
    if not isinstance(decoded, (list, tuple)):
        return decoded
    if {type(entry) for entry in decoded} == {dict}:
        return decoded
    return [entry for entry in read_entries(decoded) if not (isinstance(entry, str) and is_repr(entry))]


def read_entries(values: Sequence[Any]) -> Iterator[Any]:
    """Decode the texts in a list that contain messages, parts or calls; leave any other entry as it is."""
    for value in values:
        if not isinstance(value, str) or (decoded := _read_entry(value)) is value:
            yield value
        else:
            yield from decoded if isinstance(decoded, list) else [decoded]


def _read_entry(text: str) -> Json:
    """Decode a text that contains a message, a part or a call, or a list of them; give any other text back."""
    if text[:1] not in STRUCTURES:
        return text
    decoded = read_document(text)
    if isinstance(decoded, str) and decoded[:1] in STRUCTURES:
        decoded = read_literal(decoded)
    entries = decoded if isinstance(decoded, list) else [decoded]
    return decoded if entries and all(map(_is_entry, entries)) else text


def _is_entry(value: Json) -> bool:
    if not isinstance(value, Mapping):
        return False
    is_part = isinstance(value.get("type"), str) and not TYPED_FIELDS.isdisjoint(value)
    return is_part or not ENTRY_FIELDS.isdisjoint(value)


def is_message(value: Json) -> bool:
    """Return whether a value is a message, a part or a call, and not some other JSON."""
    return _is_entry(value) or (isinstance(value, Mapping) and not MESSAGE_FIELDS.isdisjoint(value))


def read_result(value: object, mime_type: str | None = None) -> Json:
    """Decode what a tool answered. Only what contains a structure or a quoted text is JSON; ``null`` is an answer.

    Args:
        mime_type: What the producer says that it is; plain text stays as it is.
    """
    if not isinstance(value, str) or (mime_type or "").startswith("text/"):
        return read_json(value) if not isinstance(value, str) else value
    decoded = read_json_unchanged(value)
    return value if decoded is None else decoded
