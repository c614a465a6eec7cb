"""A user or an organization as a span: any language can describe one, any OpenTelemetry pipeline can carry it. Pure."""

from __future__ import annotations

from greenflash_otel.arguments import Repairs
from greenflash_otel.json_values import write_json
from greenflash_otel.model.telemetry import Attributes, SpanRecord
from greenflash_otel.outcomes.ratings import Organization, User, repair_organization, repair_user
from greenflash_otel.outcomes.span import read_properties_of
from greenflash_otel.semconv.genai import ORGANIZATION_ID, Attribute

USER_SPAN = "greenflash.user"
ORGANIZATION_SPAN = "greenflash.organization"
_KIND = "greenflash.identify"
"""An attribute of its own: spans of model calls have the other names, too."""
_USER = USER_SPAN + "."
_ORGANIZATION = ORGANIZATION_SPAN + "."


def attributes_of(identity: User | Organization) -> dict[str, Attribute]:
    """Write a user or an organization to span attributes."""
    own: dict[str, Attribute | None] = {ORGANIZATION_ID: identity.id}
    prefix, kind = _ORGANIZATION, "organization"
    if isinstance(identity, User):
        prefix, kind = _USER, "user"
        own = {
            _USER + "id": identity.id,
            _USER + "email": identity.email,
            _USER + "phone": identity.phone,
            _USER + "anonymized": identity.anonymized,
            ORGANIZATION_ID: identity.organization_id,
        }
    values: dict[str, Attribute | None] = {
        _KIND: kind,
        prefix + "name": identity.name,
        prefix + "properties": write_json(identity.properties) if identity.properties else None,
        **own,
    }
    return {name: value for name, value in values.items() if value is not None}


def is_identity(span: SpanRecord) -> bool:
    """Return whether a span describes a user or an organization."""
    return _KIND in span.attributes


def read(span: SpanRecord) -> tuple[User | Organization | None, Repairs]:
    """Read who a span describes, repaired as an argument of `identify_user()` would be; None without an id."""
    attributes = span.attributes
    if _read_kind(attributes) == "organization":
        return repair_organization(
            attributes.get(ORGANIZATION_ID),
            name=attributes.get(_ORGANIZATION + "name"),
            properties=read_properties_of(attributes, _ORGANIZATION + "properties"),
        )
    return repair_user(
        attributes.get(_USER + "id"),
        name=attributes.get(_USER + "name"),
        email=attributes.get(_USER + "email"),
        phone=attributes.get(_USER + "phone"),
        anonymized=attributes.get(_USER + "anonymized"),
        organization_id=attributes.get(ORGANIZATION_ID),
        properties=read_properties_of(attributes, _USER + "properties"),
    )


def _read_kind(attributes: Attributes) -> str:
    """Return what a span describes; by its ids if the word is neither of the two."""
    word = str(attributes[_KIND]).strip().lower()
    if word in ("user", "organization"):
        return word
    return "user" if _USER + "id" in attributes else "organization"
