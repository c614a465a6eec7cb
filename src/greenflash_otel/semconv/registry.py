"""Choose the convention a span is written in: one row each. Pure."""

from __future__ import annotations

from dataclasses import fields, replace

from greenflash_otel.model.operation import MAIN_CALLS, ConversationContext, Operation, merge_context
from greenflash_otel.model.telemetry import OURS as OURS
from greenflash_otel.model.telemetry import Attributes, SpanRecord
from greenflash_otel.semconv.convention import sort_by_precedence
from greenflash_otel.semconv.conventions import (
    adk,
    aisdk,
    claude_code,
    codex,
    langfuse,
    langsmith,
    litellm,
    logfire,
    mlflow,
    openinference,
    openllmetry,
    otel_events,
    plain_prompts,
    pydantic_ai,
)
from greenflash_otel.semconv.conversation_attributes import ConversationAttributes
from greenflash_otel.semconv.normalise import normalise
from greenflash_otel.semconv.prompt_attributes import read_prompt_template
from greenflash_otel.semconv.redaction_marks import remove_redaction_marks

CONVENTIONS = sort_by_precedence(
    (
        langfuse.CONVENTION,
        openinference.CONVENTION,
        langsmith.CONVENTION,
        mlflow.CONVENTION,
        aisdk.CONVENTION,
        litellm.CONVENTION,
        openllmetry.CONVENTION,
        adk.CONVENTION,
        logfire.CONVENTION,
        pydantic_ai.CONVENTION,
        plain_prompts.CONVENTION,
        claude_code.CONVENTION,
        codex.CONVENTION,
        otel_events.CONVENTION,
    )
)
"""As they are asked, until one finds content. A reader that finds none lets the next one try; one that finds
that a span of its convention has no operation ends the search."""

MARKERS = {convention.name: frozenset(convention.marker_attributes) for convention in CONVENTIONS}
MARKER_ATTRIBUTES = frozenset[str]().union(*MARKERS.values()) | {
    "greenflash.outcome.event_type",
    "greenflash.outcome.insert_id",
    "greenflash.rating.rating",
    "greenflash.identify",
}
"""Attributes one of which every span has that can be read."""

_CONTEXT = ConversationAttributes(CONVENTIONS)


def read_conversation_context(attributes: Attributes) -> ConversationContext:
    """Read the conversation and the user that a span belongs to, under the names of every convention."""
    return _CONTEXT.read(attributes)


def read(span: SpanRecord, context: ConversationContext | None = None) -> Operation | None:
    """Read the GenAI operation of a span; None if it has none.

    Args:
        context: What `read_conversation_context` gives for the span, if that is known.
    """
    combined: Operation | None = None
    for convention in CONVENTIONS:
        if MARKERS[convention.name].isdisjoint(span.attributes):
            continue
        operation = convention.read(span)
        if operation is None:
            break
        combined = operation if combined is None else merge_operation(combined, operation)
        if has_content(combined):
            break
    if combined is None:
        return None
    if span.scope != OURS:
        combined = normalise(remove_redaction_marks(combined))
    if combined.prompt is None and combined.name in MAIN_CALLS:
        combined = replace(combined, prompt=read_prompt_template(span.attributes, combined))
    own, other = combined.conversation_context, context or read_conversation_context(span.attributes)
    if (own.conversation_id or not other.conversation_id) and (own.user_id or not other.user_id):
        return combined
    return replace(combined, conversation_context=merge_context(own, other))


def recognises(attributes: Attributes) -> bool:
    """Return whether a span with these attributes may be read; cheap enough for every span that ends."""
    return not MARKER_ATTRIBUTES.isdisjoint(attributes)


def merge_operation(operation: Operation, other: Operation) -> Operation:
    """Return an operation with what it leaves open and another reading of the same operation says."""
    open_fields = [field.name for field in fields(operation) if getattr(operation, field.name) in (None, ())]
    more = {name: getattr(other, name) for name in open_fields}
    return replace(
        operation,
        conversation_context=merge_context(operation.conversation_context, other.conversation_context),
        **more,
    )


def has_content(operation: Operation) -> bool:
    """Return whether an operation has what was said."""
    tool = operation.tool
    return bool(operation.input or operation.output or (tool and (tool.arguments or tool.result)))
