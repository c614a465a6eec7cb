"""Add up what calls say of their conversation: Greenflash keeps the last object, so each needs all. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from greenflash_otel.model.operation import Json

PROPERTY_CHARACTERS = 4_096
"""Of the JSON text of a property that is remembered; a longer one is sent, but not added to later ones."""
ORIGINAL = "greenflash_original"
"""Property with the original values of what had to be repaired."""


def merge_properties(earlier: Mapping[str, Json], later: Mapping[str, Json]) -> dict[str, Json]:
    """Return what both say; of one name the later value counts, and repaired originals add up."""
    merged = {**earlier, **later}
    before, after = earlier.get(ORIGINAL), later.get(ORIGINAL)
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        merged[ORIGINAL] = {**before, **after}
    return merged


def select_remembered(properties: Mapping[str, Json], names: Iterable[str]) -> tuple[tuple[str, Json], ...]:
    """Return those properties of the given names that are short enough to be remembered."""
    return tuple((name, properties[name]) for name in names if _is_short(name, properties[name]))


def _is_short(name: str, said: Json) -> bool:
    return len(name) + len(json.dumps(said, default=str)) <= PROPERTY_CHARACTERS
