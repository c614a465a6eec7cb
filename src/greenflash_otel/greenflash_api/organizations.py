"""Write the body of ``POST /organizations``, which creates or changes one. Pure. Source: SDK 1.4.0."""

from __future__ import annotations

from greenflash_otel.greenflash_api.request import ApiRequest, encode
from greenflash_otel.model.operation import Json
from greenflash_otel.outcomes.ratings import Organization

PATH = "/organizations"


def request_of(organization: Organization) -> ApiRequest:
    """Return the request that sends an organization. The last one wins, so those of one keep their order."""
    fields: dict[str, Json] = {
        "externalOrganizationId": organization.id,
        "name": organization.name,
        "properties": organization.properties or None,
    }
    body = encode({name: value for name, value in fields.items() if value is not None})
    return ApiRequest("organization", PATH, body, conversation_id=f"organization {organization.id}")
