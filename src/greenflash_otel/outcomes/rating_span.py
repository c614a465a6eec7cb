"""A rating as a span: while it waits for its conversation, and from other languages. Pure."""

from __future__ import annotations

from greenflash_otel.arguments import Repairs
from greenflash_otel.model.operation import ConversationContext
from greenflash_otel.model.telemetry import SpanRecord
from greenflash_otel.outcomes.ratings import Rating, repair_rating
from greenflash_otel.outcomes.repair import read_ns
from greenflash_otel.outcomes.span import read_whose
from greenflash_otel.semconv.genai import Attribute, attributes_of_context

SPAN_NAME = "greenflash.rating"
_PREFIX = "greenflash.rating."
_VALUE = _PREFIX + "rating"
_RATED_AT = _PREFIX + "rated_at_unix_nano"


def attributes_of(rating: Rating) -> dict[str, Attribute]:
    """Write a rating to span attributes."""
    values: dict[str, Attribute | None] = {
        _VALUE: rating.rating,
        _PREFIX + "rating_min": rating.rating_min,
        _PREFIX + "rating_max": rating.rating_max,
        _PREFIX + "message_id": rating.message_id,
        _PREFIX + "feedback": rating.feedback,
        _RATED_AT: rating.rated_at_ns,
        **attributes_of_context(ConversationContext(rating.conversation_id)),
    }
    return {name: value for name, value in values.items() if value is not None}


def is_rating(span: SpanRecord) -> bool:
    """Return whether a span records a rating."""
    return _VALUE in span.attributes


def read(span: SpanRecord) -> tuple[Rating | None, Repairs]:
    """Read the rating that a span records, repaired as an argument of `record_rating()` would be."""
    attributes = span.attributes
    own_time_ns = read_ns(attributes.get(_RATED_AT))
    return repair_rating(
        attributes.get(_VALUE),
        now_ns=span.start_ns if own_time_ns is None else own_time_ns,
        rating_min=attributes.get(_PREFIX + "rating_min"),
        rating_max=attributes.get(_PREFIX + "rating_max"),
        conversation_id=read_whose(attributes)[0],
        message_id=attributes.get(_PREFIX + "message_id"),
        feedback=attributes.get(_PREFIX + "feedback"),
    )
