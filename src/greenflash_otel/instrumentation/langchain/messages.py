"""What else LangChain's messages say than what an operation has of them. Pure: others refer to them, too."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from greenflash_otel.instrumentation.langchain.plain import is_document, write_plain
from greenflash_otel.json_values import read_list
from greenflash_otel.model.operation import Text
from greenflash_otel.model.roles import ASSISTANT, TOOL
from greenflash_otel.semconv.formats.langchain import drop_bytes, read_blocks, role_of, tool_calls_of


def is_message(value: Any) -> bool:
    """Return whether a value is one of LangChain's messages."""
    return hasattr(value, "content") and hasattr(value, "additional_kwargs") and hasattr(value, "type")


def is_inserted(message: Any) -> bool:
    """Return whether middleware put the message in, such as a summary of earlier messages.

    The mark only says that the user did not write it: an answer, or the result of a tool, was said all the same.
    """
    is_marked = bool(getattr(message, "additional_kwargs", {}).get("lc_source"))
    return is_marked and role_of(message) not in (ASSISTANT, TOOL)


def text_of(message: Any) -> str:
    """Return the text of a message, of all its blocks."""
    content = message.content
    if isinstance(content, str):
        return content
    return "\n".join(part.content for part in read_blocks(content) if isinstance(part, Text))


def likeness_of(message: Any) -> int:
    """Hash what a message says, cheaply for a text: a message may be edited and keep its id."""
    content = message.content
    calls = [(call.get("name"), repr(call.get("args")), call.get("id")) for call in tool_calls_of(message)]
    form: Any = content
    if not isinstance(content, str):
        form = repr([write_plain(drop_bytes(block)) for block in read_list(content)])
    return hash((role_of(message), form, tuple(calls)))


def write_shown(value: Any) -> str:
    """Return a value that the user sees as text: JSON where it is none; messages and documents as their texts."""
    plain = write_plain(_write_spoken(value))
    return plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False)


def _write_spoken(value: Any) -> Any:
    if is_message(value):
        return text_of(value)
    if is_document(value):
        return value.page_content
    if isinstance(value, Mapping):
        return {name: _write_spoken(field) for name, field in value.items()}
    if isinstance(value, (list, tuple)) and not hasattr(value, "_fields"):
        return [_write_spoken(item) for item in value]
    return value
