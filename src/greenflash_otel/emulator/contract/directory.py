"""``/users`` and ``/organizations``: whom conversations belong to."""

from __future__ import annotations

from greenflash_otel.emulator.contract.fields import Body, Email, Given, JsonObject, NonEmpty, Uuid


class UserUpdate(Body):
    """Body of ``PUT /users/{externalUserId}``: only the fields present change."""

    anonymized: Given[bool] = None
    email: Given[Email] = None
    external_organization_id: Given[NonEmpty] = None
    name: Given[str] = None
    organization_id: Given[Uuid] = None
    phone: Given[str] = None
    properties: Given[JsonObject] = None


class UserRequest(UserUpdate):
    """Body of ``POST /users``."""

    external_user_id: NonEmpty


class OrganizationUpdate(Body):
    """Body of ``PUT /organizations/{externalOrganizationId}``: only the fields present change."""

    name: Given[str] = None
    properties: Given[JsonObject] = None


class OrganizationRequest(OrganizationUpdate):
    """Body of ``POST /organizations``."""

    external_organization_id: NonEmpty
