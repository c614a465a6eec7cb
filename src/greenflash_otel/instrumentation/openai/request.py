"""Describe a request to a surface, as the SDK is about to send it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from greenflash_otel.json_values import JsonObject, read_str
from greenflash_otel.model.operation import ConversationContext


@dataclass(frozen=True, slots=True)
class CallRequest:
    """One request."""

    body: JsonObject = field(default_factory=dict)
    """Its JSON, or the fields of its form."""
    ids: tuple[str, ...] = ()
    """What its path has where the surface's has a ``*``."""
    query: JsonObject = field(default_factory=dict)
    files: Sequence[Any] = ()
    """What a form carries besides fields, as the SDK has it: (field, file) pairs."""


def context_of(body: JsonObject) -> ConversationContext:
    """Read whom a request is made for."""
    return ConversationContext(user_id=read_str(body.get("user")) or read_str(body.get("safety_identifier")))
