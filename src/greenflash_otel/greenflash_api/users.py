"""Write the body of ``POST /users``, which creates or changes one. Pure. Source: SDK 1.4.0."""

from __future__ import annotations

from greenflash_otel.greenflash_api.request import ApiRequest, encode, name_thing
from greenflash_otel.model.operation import Json
from greenflash_otel.outcomes.ratings import User

PATH = "/users"


def request_of(user: User) -> ApiRequest:
    """Return the request that sends a user. The last one wins, so those of one user keep their order."""
    fields: dict[str, Json] = {
        "externalUserId": user.id,
        "name": user.name,
        "email": user.email,
        "phone": user.phone,
        "anonymized": user.anonymized,
        "properties": user.properties or None,
        **name_thing("Organization", user.organization_id),
    }
    body = encode({name: value for name, value in fields.items() if value is not None})
    return ApiRequest("user", PATH, body, conversation_id=f"user {user.id}")
