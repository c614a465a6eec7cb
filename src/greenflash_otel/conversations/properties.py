"""Say which properties of a conversation are remembered: Greenflash keeps the last object, so each needs all."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from greenflash_otel.model.operation import Json

PROPERTY_CHARACTERS = 4_096
"""Of the JSON text of a property that is remembered; a longer one is sent, but not added to later ones."""


def select_remembered(properties: Mapping[str, Json], names: Iterable[str]) -> tuple[tuple[str, Json], ...]:
    """Return those properties of the given names that are short enough to be remembered."""
    return tuple((name, properties[name]) for name in names if _is_short(name, properties[name]))


def _is_short(name: str, content: Json) -> bool:
    return len(name) + len(json.dumps(content, default=str)) <= PROPERTY_CHARACTERS
