"""``POST /events`` and ``POST /ratings``: what became of a conversation, and how it was liked."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from greenflash_otel.emulator.contract.fields import (
    Body,
    DateTime,
    Given,
    Instant,
    JsonObject,
    NonEmpty,
    Number,
    Score,
    Share,
    Uuid,
    broken,
)


class EventRequest(Body):
    """Body of ``POST /events``: one Greenflash event."""

    event_type: NonEmpty
    product_id: Uuid
    value: str
    """A string whatever ``valueType`` says, so that no float rounds it."""
    conversation_id: Given[Uuid] = None
    event_at: Given[DateTime] = None
    external_conversation_id: Given[NonEmpty] = None
    external_organization_id: Given[NonEmpty] = None
    external_user_id: Given[NonEmpty] = None
    force_sample: Given[bool] = None
    influence: Given[Literal["positive", "negative", "neutral"]] = None
    insert_id: Given[NonEmpty] = None
    organization_id: Given[Uuid] = None
    properties: Given[JsonObject] = None
    quality_impact_score: Given[Score] = None
    sample_rate: Given[Share] = None
    user_id: Given[Uuid] = None
    value_type: Given[Literal["currency", "numeric", "text", "boolean"]] = None


class RatingRequest(Body):
    """Body of ``POST /ratings``: a conversation or one message of it, rated."""

    product_id: Uuid
    rating: Number
    rating_min: Number
    rating_max: Number
    conversation_id: Given[Uuid] = None
    external_conversation_id: Given[NonEmpty] = None
    external_message_id: Given[NonEmpty] = None
    feedback: Given[str] = None
    message_id: Given[NonEmpty] = None
    rated_at: Given[Instant] = None

    @model_validator(mode="after")
    def _within_its_scale(self) -> RatingRequest:
        if self.rating_min > self.rating_max:
            raise broken("ratingMin", "is greater than ratingMax; swap the two")
        if not self.rating_min <= self.rating <= self.rating_max:
            raise broken(
                "rating",
                f"must lie between ratingMin and ratingMax, {self.rating_min:g} to {self.rating_max:g}",
            )
        return self

    @model_validator(mode="after")
    def _of_something(self) -> RatingRequest:
        targets = (
            self.conversation_id,
            self.external_conversation_id,
            self.message_id,
            self.external_message_id,
        )
        if not any(targets):
            raise broken("", "needs conversationId, externalConversationId, messageId or externalMessageId")
        return self
