"""Choose the reader for a span. Adding a convention is one module and one row here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from greenflash_otel.operations import Operation
from greenflash_otel.semconv import aisdk, genai, langfuse, openinference, openllmetry
from greenflash_otel.spans import Attributes, SpanRecord

Reader: TypeAlias = Callable[[SpanRecord], Operation | None]

READERS: Sequence[Reader] = (genai.read, openinference.read, aisdk.read, langfuse.read, openllmetry.read)
"""In the order they are asked; the first that recognises a span reads it."""

SIGNS = (
    genai.OPERATION_NAME,
    genai.INPUT_MESSAGES,
    genai.OUTPUT_MESSAGES,
    *openinference.SIGNS,
    *aisdk.SIGNS,
    *langfuse.SIGNS,
    *openllmetry.SIGNS,
    "greenflash.outcome.insert_id",
)
"""Attributes one of which every span has that can be read."""


def read(span: SpanRecord) -> Operation | None:
    """The GenAI operation a span tells of; None if it tells of none."""
    for reader in READERS:
        operation = reader(span)
        if operation is not None:
            return operation
    return None


def recognises(attributes: Attributes) -> bool:
    """Whether a span with these attributes may tell of something; cheap enough for every span that ends."""
    return any(name in attributes for name in SIGNS)
