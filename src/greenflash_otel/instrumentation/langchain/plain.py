"""Values of the application as JSON, without changing them or asking them to describe themselves. Pure.

What is deep or long is cut: a callback runs on the application's thread, often its event loop.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from greenflash_otel.json_values import Copier, Json, JsonObject, refer_to_fields

DEPTH = 8
"""Levels of nesting that are retained."""
ENTRIES = 1_000
"""Entries of a list or mapping that are retained."""


def write_plain(value: Any) -> Json:
    """Write ``value`` as JSON: dates and the like as text, models and dataclasses as fields, others as their class."""
    return _COPIER.copy(value)


def is_document(value: Any) -> bool:
    """Return whether a value is what retrievers find."""
    return hasattr(value, "page_content") and hasattr(value, "metadata")


def get_entry(value: Any, name: str) -> Any:
    """Return a field of a mapping, a model or a dataclass; None where there is none."""
    if isinstance(value, Mapping):
        return value.get(name)
    fields = refer_to_fields(value)
    return fields.get(name) if fields is not None else None


def _read_fields(value: object) -> JsonObject | None:
    """Return the fields of an object; of a document only those that somebody filled."""
    fields = refer_to_fields(value)
    if fields is None or not is_document(value):
        return fields
    return {name: content for name, content in fields.items() if content is not None and name != "type"}


_COPIER = Copier(_read_fields, levels=DEPTH, entries=ENTRIES)
