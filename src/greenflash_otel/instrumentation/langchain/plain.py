"""Values of the application as JSON, without changing them or asking them to describe themselves. Pure.

What is deep or long is cut: a callback runs on the application's thread, often its event loop.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from greenflash_otel.json_values import Copier, Json, refer_to_fields

DEPTH = 8
"""Levels of nesting that are retained."""
ENTRIES = 1_000
"""Entries of a list or mapping that are retained."""


def write_plain(value: Any) -> Json:
    """``value`` as JSON: models and dataclasses as their fields, other objects as the name of their class."""
    return _COPIER.copy(value)


def get_entry(value: Any, name: str) -> Any:
    """A field of a mapping, a model or a dataclass; None where there is none."""
    if isinstance(value, Mapping):
        return value.get(name)
    fields = refer_to_fields(value)
    return fields.get(name) if fields is not None else None


_COPIER = Copier(refer_to_fields, levels=DEPTH, entries=ENTRIES)
