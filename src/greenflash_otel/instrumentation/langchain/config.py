"""What a handler was told: where its spans go, what may be on them, and whose conversations it sees."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from opentelemetry.trace import Tracer

from greenflash_otel.arguments import id_text, merge_properties
from greenflash_otel.conversations.index import LINKS
from greenflash_otel.instrumentation.history import KnownHistory
from greenflash_otel.lru import Bounded
from greenflash_otel.model.operation import Affiliation

CONVERSATION_KEYS = ("greenflash_conversation_id", "conversation_id", "thread_id", "session_id")
"""Where LangChain's metadata, and then ``configurable``, may name the conversation; the first wins."""
USER_KEYS = ("greenflash_user_id", "user_id")
ORGANIZATION_KEYS = ("greenflash_organization_id", "organization_id")


@dataclass(eq=False)
class Instrumentation:
    """What `instrument()` was told, and whether that still holds."""

    tracer: Callable[[], Tracer]
    capture_content: bool = True
    chains: bool = False
    """Whether chains, nodes and inner graphs are told too."""
    history: KnownHistory | None = None
    """Shortens what goes on a span; None: the whole input does."""
    key: bytes = b""
    """What the ids of messages are hashed with; see `conversations.identity`."""
    active: bool = True
    """False after `uninstrument()`, which ends what runs: nothing is recorded any more."""
    ends: Bounded[tuple[str, str], tuple[str, int]] = field(default_factory=lambda: Bounded(LINKS))
    """Id of a told message as spans refer to it, and what it said, by conversation and LangChain's id."""
    latest: Bounded[str, str] = field(default_factory=lambda: Bounded(LINKS))
    """The same of the newest message, by conversation."""


@dataclass(frozen=True, eq=False)
class Source:
    """An instrumentation, and what one handler knows of its conversations."""

    instrumentation: Instrumentation
    affiliation: Affiliation = field(default_factory=Affiliation)


def found_in(affiliation: Affiliation, fields: Mapping[str, Any]) -> Affiliation:
    """``affiliation``, completed by what ``fields`` say."""
    return replace(
        affiliation,
        conversation_id=affiliation.conversation_id or _first(fields, CONVERSATION_KEYS),
        user_id=affiliation.user_id or _first(fields, USER_KEYS),
        organization_id=affiliation.organization_id or _first(fields, ORGANIZATION_KEYS),
    )


def merged(given: Affiliation, active: Affiliation) -> Affiliation:
    """What a handler was given before what the running code says."""
    other = given.conversation_id not in (None, active.conversation_id)
    return replace(
        active,
        conversation_id=given.conversation_id or active.conversation_id,
        user_id=given.user_id or active.user_id,
        organization_id=given.organization_id or active.organization_id,
        properties=given.properties if other else merge_properties(active.properties, given.properties),
        scope_id=active.scope_id if given.conversation_id is None else None,
    )


def _first(fields: Mapping[str, Any], names: tuple[str, ...]) -> str | None:
    """Return the first id there is; what has no text of its own, as a list, is none."""
    for name in names:
        value = fields.get(name)
        if issubclass(type(value), (bool, Mapping, list, tuple, set)):
            continue
        if text := id_text(value)[0]:
            return text
    return None
