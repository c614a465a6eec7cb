"""What the application asks of a surface, as the SDK is about to send it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from greenflash_otel.json_values import JsonObject, as_text
from greenflash_otel.model.operation import Affiliation


@dataclass(frozen=True, slots=True)
class Request:
    """One request."""

    body: JsonObject = field(default_factory=dict)
    """Its JSON, or the fields of its form."""
    ids: tuple[str, ...] = ()
    """What its path has where the surface's has a ``*``."""
    query: JsonObject = field(default_factory=dict)
    files: Sequence[Any] = ()
    """What a form carries besides fields, as the SDK holds it: (field, file) pairs."""


def context_of(body: JsonObject) -> Affiliation:
    """Read whom a request is made for."""
    return Affiliation(user_id=as_text(body.get("user")) or as_text(body.get("safety_identifier")))
