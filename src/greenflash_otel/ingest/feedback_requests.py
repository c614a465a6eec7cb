"""Which request reports a rating, a user or an organization. Pure."""

from __future__ import annotations

from greenflash_otel.greenflash_api import organizations, ratings, users
from greenflash_otel.greenflash_api.messages import Address
from greenflash_otel.greenflash_api.request import ApiRequest
from greenflash_otel.ingest.redaction import Feedback
from greenflash_otel.outcomes.ratings import Rating, User


def request_of(redacted: Feedback, address: Address) -> ApiRequest:
    """Make the request of what was said of a conversation or a user, whose texts are redacted already."""
    if isinstance(redacted, Rating):
        return ratings.request_of(redacted, address)
    return users.request_of(redacted) if isinstance(redacted, User) else organizations.request_of(redacted)
