"""Read what applications say of a call in metadata and tags, as far as a setting names it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from greenflash_otel.any_json import repair_json
from greenflash_otel.json_values import read_json
from greenflash_otel.model.operation import Json
from greenflash_otel.model.telemetry import Attributes

TAGS: Final = "tags"
"""The key that stands for LangChain's tags."""
OBJECTS: Final = ("metadata", "mlflow.trace.metadata")
"""Attributes that have an object, as OpenInference's."""
PREFIXES: Final = (
    "langsmith.metadata",
    "langfuse.trace.metadata",
    "langfuse.observation.metadata",
    "traceloop.association.properties",
    "ai.telemetry.metadata",
    "lmnr.association.properties.metadata",
)
"""What the attributes of other conventions begin with that have one entry each."""
TAG_LISTS: Final = ("tag.tags", "langsmith.span.tags", "langfuse.trace.tags")


def select_metadata(
    metadata: Mapping[Any, Any], keys: Iterable[str], tags: Sequence[Any] = ()
) -> dict[str, Json]:
    """Return what metadata says under the keys; under ``tags`` the tags, unless the metadata has such a key."""
    said = {key: repair_json(metadata[key]).value for key in keys if metadata.get(key) is not None}
    if tags and TAGS in keys and TAGS not in said:
        said[TAGS] = [str(tag) for tag in tags]
    return said


def read_metadata(attributes: Attributes, keys: Sequence[str]) -> dict[str, Json]:
    """Return the same from a span of another instrumentation."""
    metadata: dict[str, Any] = {}
    for name in OBJECTS:
        recorded = read_json(attributes.get(name))
        if isinstance(recorded, Mapping):
            metadata.update(recorded)
    for key in keys:
        found = (attributes.get(f"{prefix}.{key}") for prefix in PREFIXES)
        if (value := next((value for value in found if value is not None), None)) is not None:
            metadata[key] = value
    return select_metadata(metadata, keys, _read_tags(attributes) if TAGS in keys else ())


def _read_tags(attributes: Attributes) -> Sequence[Any]:
    for name in TAG_LISTS:
        value = attributes.get(name)
        if isinstance(value, str):
            value = read_json(value) if value.startswith("[") else value.split(",")
        if isinstance(value, (list, tuple)):
            return value
    return ()
