"""Values of the application as JSON, without changing them or asking them to describe themselves. Pure.

What is deep or long is cut: a callback runs on the application's thread, often its event loop.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from greenflash_otel.model.operation import Json

DEPTH = 8
"""Levels of nesting that are kept."""
ENTRIES = 1_000
"""Entries of a list or mapping that are kept."""


def plain(value: Any, depth: int = DEPTH) -> Json:
    """``value`` as JSON: models and dataclasses as their fields, other objects as the name of their class."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if depth == 0:
        return f"<{type(value).__name__}>"
    if isinstance(value, Mapping):
        return {str(key): plain(one, depth - 1) for key, one in list(value.items())[:ENTRIES]}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(one, depth - 1) for one in list(value)[:ENTRIES]]
    fields = fields_of(value)
    return f"<{type(value).__name__}>" if fields is None else plain(fields, depth)


def fields_of(value: Any) -> Mapping[str, Any] | None:
    """The fields of a pydantic model or a dataclass, by reference; None for anything else."""
    names: Any = getattr(type(value), "model_fields", None) or getattr(
        type(value), "__dataclass_fields__", None
    )
    if not isinstance(names, Mapping):
        return None
    return {name: getattr(value, name, None) for name in names}


def entry(value: Any, name: str) -> Any:
    """A field of a mapping, a model or a dataclass; None where there is none."""
    if isinstance(value, Mapping):
        return value.get(name)
    fields = fields_of(value)
    return fields.get(name) if fields is not None else None


def as_sequence(value: Any) -> Sequence[Any]:
    """A list or tuple as it is; nothing of any other value."""
    return value if isinstance(value, (list, tuple)) else ()
