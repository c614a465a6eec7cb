"""A business outcome, and what makes one valid. Pure.

Greenflash calls it an event: https://docs.greenflash.ai (Create an event). ``value`` is always text on the
wire, so that no float rounds an amount.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, cast, get_args

from greenflash_otel.errors import InvalidOutcomeError
from greenflash_otel.model.operation import Json

ValueType: TypeAlias = Literal["currency", "numeric", "text", "boolean"]
Influence: TypeAlias = Literal["positive", "negative", "neutral"]
Link: TypeAlias = Literal["latest"]

VALUE_TYPES = cast("tuple[ValueType, ...]", get_args(ValueType))
INFLUENCES = cast("tuple[Influence, ...]", get_args(Influence))
LINKS = cast("tuple[Link, ...]", get_args(Link))
WITHIN_S = 30 * 86_400.0
"""How long ago the conversation of a user may be that an outcome is linked to, in seconds."""


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
    """0 to 1. None: everything is retained."""
    force_sample: bool | None = None
    link: Link | None = None
    """``latest``: without a conversation it belongs to the newest one of its user."""
    within_s: float = WITHIN_S
    """How long before the outcome that conversation may have ended."""

    def __post_init__(self) -> None:
        for name in ("event_type", "insert_id"):
            if not getattr(self, name):
                raise InvalidOutcomeError(f"{name} is empty; write e.g. 'trial_started'")
        if self.value_type not in VALUE_TYPES:
            raise InvalidOutcomeError(f"value_type is unknown; write one of {', '.join(VALUE_TYPES)}")
        if self.influence is not None and self.influence not in INFLUENCES:
            raise InvalidOutcomeError(f"influence is unknown; write one of {', '.join(INFLUENCES)}")
        for name, low in (("quality_impact_score", -1), ("sample_rate", 0)):
            number = getattr(self, name)
            if number is not None and not (math.isfinite(number) and low <= number <= 1):
                raise InvalidOutcomeError(f"{name} is out of range; write a number from {low} to 1")
