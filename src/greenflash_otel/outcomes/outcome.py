"""A business outcome, what makes one valid, how a bad one is repaired, and how it looks as a span. Pure.

Greenflash calls it an event: https://docs.greenflash.ai (Create an event). ``value`` is always text on the
wire, so that no float rounds an amount.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, cast, get_args

from greenflash_otel.errors import InvalidOutcomeError
from greenflash_otel.json_values import read_json, write_json
from greenflash_otel.model.operation import Affiliation, Json
from greenflash_otel.model.telemetry import SpanRecord
from greenflash_otel.semconv.genai import Attribute, attributes_of_affiliation, read_affiliation

ValueType: TypeAlias = Literal["currency", "numeric", "text", "boolean"]
Influence: TypeAlias = Literal["positive", "negative", "neutral"]

VALUE_TYPES = cast("tuple[ValueType, ...]", get_args(ValueType))
INFLUENCES = cast("tuple[Influence, ...]", get_args(Influence))

SPAN_NAME = "greenflash.outcome"
_PREFIX = "greenflash.outcome."


@dataclass(frozen=True, slots=True)
class Outcome:
    """A business event that a conversation led to. `record_outcome()` makes and returns these.

    Raises:
        InvalidOutcomeError: A field is such that Greenflash would refuse it however often it is sent.
    """

    event_type: str
    """What happened, e.g. ``"trial_started"``; sent as ``eventType``."""
    value: str
    """Amount or label as text, e.g. ``"149.00"``."""
    event_at_ns: int
    """When it happened, Unix time in nanoseconds."""
    insert_id: str
    """Idempotency key: the same one is stored once, however often it is sent."""
    value_type: ValueType = "text"
    influence: Influence | None = None
    """Effect on the quality of the conversation. None: Greenflash takes it as neutral."""
    quality_impact_score: float | None = None
    """-1 to 1; overrides the score that Greenflash derives from `influence`."""
    conversation_id: str | None = None
    """Your id of the conversation, sent as ``externalConversationId``."""
    user_id: str | None = None
    organization_id: str | None = None
    properties: Mapping[str, Json] = field(default_factory=dict)
    sample_rate: float | None = None
    """0 to 1. None: everything is kept."""
    force_sample: bool | None = None

    def __post_init__(self) -> None:
        for name in ("event_type", "insert_id"):
            if not getattr(self, name):
                raise InvalidOutcomeError(f"{name} is empty; write e.g. 'trial_started'")
        if self.value_type not in VALUE_TYPES:
            raise InvalidOutcomeError(f"value_type is {self.value_type!r}; write one of {VALUE_TYPES}")
        if self.influence is not None and self.influence not in INFLUENCES:
            raise InvalidOutcomeError(f"influence is {self.influence!r}; write one of {INFLUENCES}")
        for name, low in (("quality_impact_score", -1), ("sample_rate", 0)):
            number = getattr(self, name)
            if number is not None and not (math.isfinite(number) and low <= number <= 1):
                raise InvalidOutcomeError(f"{name} is {number}; write a number from {low} to 1")


def attributes_of(outcome: Outcome) -> dict[str, Attribute]:
    """Write an outcome to span attributes, so that it travels through any OpenTelemetry pipeline."""
    affiliation = Affiliation(outcome.conversation_id, outcome.user_id, outcome.organization_id)
    values: dict[str, Attribute | None] = {
        _PREFIX + "event_type": outcome.event_type,
        _PREFIX + "value": outcome.value,
        _PREFIX + "value_type": outcome.value_type,
        _PREFIX + "influence": outcome.influence,
        _PREFIX + "quality_impact_score": outcome.quality_impact_score,
        _PREFIX + "event_at_unix_nano": outcome.event_at_ns,
        _PREFIX + "insert_id": outcome.insert_id,
        _PREFIX + "properties": write_json(outcome.properties) if outcome.properties else None,
        _PREFIX + "sample_rate": outcome.sample_rate,
        _PREFIX + "force_sample": outcome.force_sample,
        **attributes_of_affiliation(affiliation),
    }
    return {name: value for name, value in values.items() if value is not None}


def is_outcome(span: SpanRecord) -> bool:
    """Whether a span tells of an outcome."""
    return _PREFIX + "insert_id" in span.attributes


def read(span: SpanRecord) -> Outcome | None:
    """The outcome a span tells of; None if it tells of none or of one that is not valid."""
    if not is_outcome(span):
        return None
    found = {name: span.attributes.get(_PREFIX + name) for name in _SCALARS}
    affiliation = read_affiliation(span.attributes)
    properties = read_json(span.attributes.get(_PREFIX + "properties"))
    try:
        return Outcome(
            event_at_ns=cast(int, span.attributes.get(_PREFIX + "event_at_unix_nano", span.start_ns)),
            conversation_id=affiliation.conversation_id,
            user_id=affiliation.user_id,
            organization_id=affiliation.organization_id,
            properties=properties if isinstance(properties, Mapping) else {},
            **cast("dict[str, object]", found),  # type: ignore[arg-type]  # checked by Outcome
        )
    except (InvalidOutcomeError, TypeError):
        return None


_SCALARS = (
    "event_type",
    "value",
    "value_type",
    "influence",
    "quality_impact_score",
    "insert_id",
    "sample_rate",
    "force_sample",
)
