"""What a prompt is made of, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, cast, get_args

from greenflash_otel.json_values import Json

ComponentType: TypeAlias = Literal["system", "user", "tool", "guardrail", "rag", "agent", "other"]
ComponentSource: TypeAlias = Literal["customer", "participant", "greenflash", "agent"]

COMPONENT_TYPES = cast("tuple[ComponentType, ...]", get_args(ComponentType))
COMPONENT_SOURCES = cast("tuple[ComponentSource, ...]", get_args(ComponentSource))


@dataclass(frozen=True, slots=True)
class PromptComponent:
    """A part of a prompt. `prompt()` takes several of these in place of one template."""

    content: str
    """Its text, with ``{{name}}`` for each variable."""
    type: ComponentType | None = None
    source: ComponentSource | None = None
    """Who wrote it. None: Greenflash takes the customer, which is you."""
    name: str | None = None
    is_dynamic: bool = False
    """Whether its text differs from conversation to conversation, beyond the variables."""
    id: str | None = None
    """Your id of it, sent as ``externalComponentId``."""
    greenflash_id: str | None = None
    """The id that Greenflash gave it. It counts before `id`."""


@dataclass(frozen=True, slots=True)
class PromptTemplate:
    """A prompt that is filled in for each request."""

    id: str | None = None
    """What names it, if the provider or the application keeps it."""
    version: str | None = None
    variables: Mapping[str, Json] = field(default_factory=dict)
    template: str | None = None
    """Its text, with ``{{name}}`` for each variable; None if nobody said."""
    components: tuple[PromptComponent, ...] = ()
    """Its parts, in place of one template."""
