"""Choose the convention a span is written in: one row each; adding one is a module and a row. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace

from greenflash_otel.model.operation import Affiliation, Operation
from greenflash_otel.model.telemetry import Attributes, SpanRecord
from greenflash_otel.semconv import genai
from greenflash_otel.semconv.conventions import (
    adk,
    aisdk,
    langfuse,
    langsmith,
    litellm,
    logfire,
    mlflow,
    openinference,
    openllmetry,
    otel_events,
    pydantic_ai,
)
from greenflash_otel.semconv.conversation_attributes import affiliation_of
from greenflash_otel.semconv.normalise import in_order
from greenflash_otel.semconv.redaction_marks import without_marks

OURS = "greenflash_otel"
"""Scope of our own spans."""


@dataclass(frozen=True, slots=True)
class Convention:
    """How attributes are named by somebody."""

    name: str
    signs: Sequence[str]
    """Attributes one of which every span has that is written in it."""
    read: Callable[[SpanRecord], Operation | None]
    """The operation such a span tells of; None if it tells of none."""


CONVENTIONS = (
    Convention("Langfuse", langfuse.SIGNS, langfuse.read),
    Convention("OpenInference", openinference.SIGNS, openinference.read),
    Convention("LangSmith", langsmith.SIGNS, langsmith.read),
    Convention("MLflow", mlflow.SIGNS, mlflow.read),
    Convention("AI SDK", aisdk.SIGNS, aisdk.read),
    Convention("LiteLLM", litellm.SIGNS, litellm.read),
    Convention("OpenLLMetry", openllmetry.SIGNS, openllmetry.read),
    Convention("Agent Development Kit", adk.SIGNS, adk.read),
    Convention("Logfire", logfire.SIGNS, logfire.read),
    Convention("Pydantic AI", pydantic_ai.SIGNS, pydantic_ai.read),
    Convention("OpenTelemetry GenAI", genai.SIGNS, otel_events.read),
)
"""In the order they are asked, until one finds content. A reader that finds none lets the next one try; one
that finds that a span of its convention tells of no operation ends the search."""

SIGNS_OF = {one.name: frozenset(one.signs) for one in CONVENTIONS}
SIGNS = frozenset[str]().union(*SIGNS_OF.values()) | {
    "greenflash.outcome.event_type",
    "greenflash.outcome.insert_id",
    "greenflash.rating.rating",
}
"""Attributes one of which every span has that can be read."""


def read(span: SpanRecord) -> Operation | None:
    """The GenAI operation a span tells of; None if it tells of none."""
    found: Operation | None = None
    for convention in CONVENTIONS:
        if SIGNS_OF[convention.name].isdisjoint(span.attributes):
            continue
        operation = convention.read(span)
        if operation is None:
            break
        found = operation if found is None else filled(found, operation)
        if has_content(found):
            break
    if found is None:
        return None
    told = found if span.scope == OURS else in_order(without_marks(found))
    return replace(told, affiliation=completed(told.affiliation, affiliation_of(span.attributes)))


def recognises(attributes: Attributes) -> bool:
    """Whether a span with these attributes may tell of something; cheap enough for every span that ends."""
    return not SIGNS.isdisjoint(attributes)


def filled(operation: Operation, other: Operation) -> Operation:
    """An operation with what it leaves open and another telling of the same operation says."""
    open_fields = [one.name for one in fields(operation) if getattr(operation, one.name) in (None, ())]
    more = {name: getattr(other, name) for name in open_fields}
    return replace(operation, affiliation=completed(operation.affiliation, other.affiliation), **more)


def has_content(operation: Operation) -> bool:
    """Whether an operation tells what was said."""
    tool = operation.tool
    return bool(operation.input or operation.output or (tool and (tool.arguments or tool.result)))


def completed(affiliation: Affiliation, other: Affiliation) -> Affiliation:
    """An affiliation with the conversation and the user that another one names, where it does not."""
    return replace(
        affiliation,
        conversation_id=affiliation.conversation_id or other.conversation_id,
        user_id=affiliation.user_id or other.user_id,
    )
