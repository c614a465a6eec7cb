"""``/users`` and ``/organizations``: whom conversations belong to."""

from __future__ import annotations

from greenflash_otel.emulator.contract.fields import Body, Email, JsonObject, NonEmpty, NotNull, Uuid


class UserUpdate(Body):
    """Body of ``PUT /users/{externalUserId}``: only the fields present change."""

    anonymized: NotNull[bool] = None
    email: NotNull[Email] = None
    external_organization_id: NotNull[NonEmpty] = None
    name: NotNull[str] = None
    organization_id: NotNull[Uuid] = None
    phone: NotNull[str] = None
    properties: NotNull[JsonObject] = None


class UserRequest(UserUpdate):
    """Body of ``POST /users``."""

    external_user_id: NonEmpty


class OrganizationUpdate(Body):
    """Body of ``PUT /organizations/{externalOrganizationId}``: only the fields present change."""

    name: NotNull[str] = None
    properties: NotNull[JsonObject] = None


class OrganizationRequest(OrganizationUpdate):
    """Body of ``POST /organizations``."""

    external_organization_id: NonEmpty
