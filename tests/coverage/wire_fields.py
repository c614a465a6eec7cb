"""The fields of Greenflash's requests: of the SDK's types, of the schema, and of bodies that were sent."""

from __future__ import annotations

import importlib
import re
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import greenflash.types
from greenflash.types import (
    EventCreateParams,
    MessageCreateParams,
    OrganizationCreateParams,
    OrganizationUpdateParams,
    RatingLogParams,
    UserCreateParams,
    UserUpdateParams,
)

from tests.api.wire import SCHEMA

SDK: Mapping[str, Any] = {
    "POST /messages": MessageCreateParams,
    "POST /events": EventCreateParams,
    "POST /ratings": RatingLogParams,
    "POST /users": UserCreateParams,
    "PUT /users/{id}": UserUpdateParams,
    "POST /organizations": OrganizationCreateParams,
    "PUT /organizations/{id}": OrganizationUpdateParams,
}
"""The types of the requests that record something."""
DEFINITIONS: Mapping[str, str] = {
    "POST /messages": "MessagesRequest",
    "POST /events": "EventRequest",
    "POST /ratings": "RatingRequest",
    "POST /users": "UserRequest",
    "PUT /users/{id}": "UserUpdateRequest",
    "POST /organizations": "OrganizationRequest",
    "PUT /organizations/{id}": "OrganizationUpdateRequest",
}
"""The same in the schema."""
FREE = frozenset({"properties", "variables", "input", "output", "structuredOutputs"})
"""Fields whose content is the application's."""


def list_sdk_fields(type: Any, start: str = "") -> set[str]:
    """The paths of the fields of a type, on the wire."""
    found = set[str]()
    for name, hint in typing.get_type_hints(type, include_extras=True).items():
        alias = re.search(r"alias='(\w+)'", str(hint))
        path = f"{start}{alias[1] if alias else name}"
        found.add(path)
        found |= {inner for part in _iterate_dicts(hint) for inner in list_sdk_fields(part, f"{path}.")}
    return found


def _iterate_dicts(hint: Any) -> Iterator[Any]:
    if hasattr(hint, "__required_keys__"):  # the SDK's are those of typing_extensions
        yield hint
    for part in typing.get_args(hint):
        yield from _iterate_dicts(part)


def list_schema_fields(definition: Mapping[str, Any], start: str = "") -> set[str]:
    """The paths of the fields of a definition."""
    found = set[str]()
    if "$ref" in definition:
        return list_schema_fields(SCHEMA["$defs"][definition["$ref"].rpartition("/")[2]], start)
    for name, field in definition.get("properties", {}).items():
        found.add(f"{start}{name}")
        if name not in FREE:
            found |= list_schema_fields(field, f"{start}{name}.")
    for choice in (*definition.get("oneOf", ()), *definition.get("anyOf", ())):
        found |= list_schema_fields(choice, start)
    if "items" in definition:
        found |= list_schema_fields(definition["items"], start)
    return found


def list_body_fields(body: Mapping[str, Any], start: str = "") -> set[str]:
    """The paths of the fields that a body has."""
    found = set[str]()
    for name, value in body.items():
        found.add(f"{start}{name}")
        for inner in value if isinstance(value, (list, tuple)) else (value,):
            if isinstance(inner, Mapping) and name not in FREE:
                found |= list_body_fields(inner, f"{start}{name}.")
    return found


def list_other_requests() -> set[str]:
    """The SDK's types of requests that record nothing: they read, or manage what Greenflash has."""
    names = set[str]()
    folder = Path(greenflash.types.__file__ or "").parent
    for path in folder.rglob("*_params.py"):
        module = importlib.import_module(
            ".".join(("greenflash.types", *path.relative_to(folder).with_suffix("").parts))
        )
        names |= {name for name in module.__all__ if name.endswith("Params")}
    return names - {type.__name__ for type in SDK.values()}
