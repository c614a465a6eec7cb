"""Write a rating as a request to ``POST /ratings``. Pure. Source: the Ratings API, SDK 1.4.0.

It knows no idempotency key. A rating always names its time, the same in every attempt; whether a repeat
after a lost answer counts once is up to the server.
"""

from __future__ import annotations

from greenflash_otel.greenflash_api.messages import Address, time_of
from greenflash_otel.greenflash_api.request import ApiRequest, encode, name_thing
from greenflash_otel.model.operation import Json
from greenflash_otel.model.telemetry import NS_PER_MS
from greenflash_otel.outcomes.ratings import Rating

PATH = "/ratings"


def request_of(rating: Rating, address: Address) -> ApiRequest:
    """Return the request that sends a rating, behind the messages of its conversation."""
    fields: dict[str, Json] = {
        "productId": address.product_id,
        **name_thing("Conversation", rating.conversation_id),
        **name_thing("Message", rating.message_id),
        "rating": rating.rating,
        "ratingMin": rating.rating_min,
        "ratingMax": rating.rating_max,
        "feedback": rating.feedback,
        "ratedAt": time_of(rating.rated_at_ns // NS_PER_MS),
    }
    body = encode({name: value for name, value in fields.items() if value is not None})
    return ApiRequest("rating", PATH, body, conversation_id=rating.conversation_id or "")
