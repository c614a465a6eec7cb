"""``POST /events`` and ``POST /ratings``: what became of a conversation, and how it was liked."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from greenflash_otel.emulator.contract.fields import (
    Body,
    DateTime,
    Instant,
    JsonObject,
    NonEmpty,
    NotNull,
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
    conversation_id: NotNull[Uuid] = None
    event_at: NotNull[DateTime] = None
    external_conversation_id: NotNull[NonEmpty] = None
    external_organization_id: NotNull[NonEmpty] = None
    external_user_id: NotNull[NonEmpty] = None
    force_sample: NotNull[bool] = None
    influence: NotNull[Literal["positive", "negative", "neutral"]] = None
    insert_id: NotNull[NonEmpty] = None
    organization_id: NotNull[Uuid] = None
    properties: NotNull[JsonObject] = None
    quality_impact_score: NotNull[Score] = None
    sample_rate: NotNull[Share] = None
    user_id: NotNull[Uuid] = None
    value_type: NotNull[Literal["currency", "numeric", "text", "boolean"]] = None


class RatingRequest(Body):
    """Body of ``POST /ratings``: a conversation or one message of it, rated."""

    product_id: Uuid
    rating: Number
    rating_min: Number
    rating_max: Number
    conversation_id: NotNull[Uuid] = None
    external_conversation_id: NotNull[NonEmpty] = None
    external_message_id: NotNull[NonEmpty] = None
    feedback: NotNull[str] = None
    message_id: NotNull[NonEmpty] = None
    rated_at: NotNull[Instant] = None

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
