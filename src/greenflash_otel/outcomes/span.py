"""An outcome as a span: any language can record one, any OpenTelemetry pipeline can carry it. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from greenflash_otel.json_values import read_json, write_json
from greenflash_otel.model.operation import ConversationContext, Json
from greenflash_otel.model.telemetry import Attributes, SpanRecord
from greenflash_otel.outcomes.outcome import Outcome
from greenflash_otel.outcomes.repair import RepairedOutcome, repair_outcome
from greenflash_otel.semconv import registry
from greenflash_otel.semconv.genai import (
    CONVERSATION_ID,
    ORGANIZATION_ID,
    PROVIDER_CONVERSATION_ID,
    USER_ID,
    Attribute,
    attributes_of_context,
)

SPAN_NAME = "greenflash.outcome"
_PREFIX = "greenflash.outcome."
_PROPERTIES = _PREFIX + "properties"
_EVENT_AT = _PREFIX + "event_at_unix_nano"
_SCALARS = (
    "value_type",
    "influence",
    "quality_impact_score",
    "insert_id",
    "sample_rate",
    "force_sample",
    "link",
    "within_s",
)
"""What a span says of an outcome under the name of the argument."""


def attributes_of(outcome: Outcome) -> dict[str, Attribute]:
    """Write an outcome to span attributes."""
    conversation_context = ConversationContext(
        outcome.conversation_id, outcome.user_id, outcome.organization_id
    )
    values: dict[str, Attribute | None] = {
        _PREFIX + "event_type": outcome.event_type,
        _PREFIX + "value": outcome.value,
        _PREFIX + "value_type": outcome.value_type,
        _PREFIX + "influence": outcome.influence,
        _PREFIX + "quality_impact_score": outcome.quality_impact_score,
        _EVENT_AT: outcome.event_at_ns,
        _PREFIX + "insert_id": outcome.insert_id,
        _PROPERTIES: write_json(outcome.properties) if outcome.properties else None,
        _PREFIX + "sample_rate": outcome.sample_rate,
        _PREFIX + "force_sample": outcome.force_sample,
        _PREFIX + "link": outcome.link,
        _PREFIX + "within_s": outcome.within_s if outcome.link else None,
        **attributes_of_context(conversation_context),
    }
    return {name: value for name, value in values.items() if value is not None}


def is_outcome(span: SpanRecord) -> bool:
    """Return whether a span records an outcome."""
    return _PREFIX + "event_type" in span.attributes or _PREFIX + "insert_id" in span.attributes


def read(span: SpanRecord) -> Outcome | None:
    """Read the outcome that a span records; None if it records none."""
    repaired = read_repaired(span)
    return None if repaired is None else repaired.outcome


def read_repaired(span: SpanRecord) -> RepairedOutcome | None:
    """Read the outcome that a span records, repaired as an argument of `record_outcome()` would be.

    One without an ``insert_id`` gets it from its trace and span: sent again, it still counts once.
    """
    if not is_outcome(span):
        return None
    attributes = span.attributes
    conversation_id, user_id = read_whose(attributes)
    return repair_outcome(
        attributes.get(_PREFIX + "event_type"),
        attributes.get(_PREFIX + "value", True),
        now_ns=span.start_ns,
        new_insert_id=f"{span.trace_id}-{span.span_id}",
        event_at_ns=attributes.get(_EVENT_AT),
        event_at=attributes.get(_PREFIX + "event_at"),
        conversation_id=conversation_id,
        user_id=user_id,
        organization_id=attributes.get(ORGANIZATION_ID),
        properties=read_properties_of(attributes, _PROPERTIES),
        **{name: attributes.get(_PREFIX + name) for name in _SCALARS},
    )


def read_whose(attributes: Attributes) -> tuple[object, object]:
    """Return the conversation and the user that a span names, by the names of every convention."""
    named = registry.read_conversation_context(attributes)
    conversation_id = attributes.get(CONVERSATION_ID)
    if conversation_id == attributes.get(PROVIDER_CONVERSATION_ID):
        conversation_id = None  # the provider's name for it, which the application did not choose
    return conversation_id or named.conversation_id, attributes.get(USER_ID) or named.user_id


def read_link(attributes: Attributes) -> object:
    """Return how an outcome that names no conversation is linked; None if it is not."""
    return attributes.get(_PREFIX + "link")


def read_properties_of(attributes: Attributes, attribute: str) -> object:
    """Read the properties that an attribute has: an object, the same as JSON text, or an attribute for each of them."""
    whole = read_json(attributes.get(attribute))
    start = attribute + "."
    single: dict[str, Json] = {
        name[len(start) :]: value for name, value in attributes.items() if name.startswith(start)
    }
    return {**whole, **single} if single and isinstance(whole, Mapping) else whole or single
