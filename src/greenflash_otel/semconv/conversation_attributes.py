"""To which conversation and user a span belongs, under the names of every convention. Pure.

A span names them itself, or what stands around it in its trace does: see `trace`.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product

from greenflash_otel.arguments import id_text
from greenflash_otel.json_values import read_json
from greenflash_otel.model.operation import Affiliation
from greenflash_otel.model.telemetry import Attributes

PLACES = (
    "traceloop.association.properties",
    "langfuse.observation.metadata",
    "langfuse.trace.metadata",
    "langsmith.metadata",
    "ai.telemetry.metadata",
    "ai.settings.context",
    "ai.settings.runtimeContext",
)
"""Prefixes under which applications put what they know."""
OBJECTS = ("metadata", "mlflow.trace.metadata")
"""Attributes that hold an object of it."""

NAMES = ("thread_id", "conversation_id", "session_id", "chat_id")
NAMES_IN_JS = ("threadId", "conversationId", "sessionId", "chatId")
USER_NAMES = ("user_id", "userId")

CONVERSATION = (
    "gen_ai.conversation.id",
    *(f"{place}.{name}" for place, name in product(PLACES, (*NAMES, *NAMES_IN_JS))),
    "session.id",
    "langfuse.session.id",
    "langfuse.trace.session_id",
    "mlflow.trace.session",
    "gcp.vertex.agent.session_id",
    "spring.ai.chat.client.conversation.id",
    "group_id",
    "lk.pii.room_name",
    "lk.room_name",
)
"""Names of the conversation, the most telling first. ``langsmith.trace.session_id`` is a project."""
PROVIDER_CONVERSATION = "greenflash.provider_conversation.id"
"""Of ours: the provider's name for it, which the application did not choose."""
USER = (
    "user.id",
    "enduser.id",
    "langfuse.user.id",
    "langfuse.trace.user_id",
    "mlflow.trace.user",
    *(f"{place}.{name}" for place, name in product(PLACES, USER_NAMES)),
    "llm.user",
    "gen_ai.request.user",
)


NOBODY = ("", "null", "None", "undefined")
"""What producers write where there is no name."""


def affiliation_of(attributes: Attributes) -> Affiliation:
    """What a span says of the conversation and the user it belongs to."""
    given = attributes.get(PROVIDER_CONVERSATION)
    names = CONVERSATION if given is None or given != attributes.get(CONVERSATION[0]) else CONVERSATION[1:]
    return Affiliation(
        _first(attributes, names) or _in_objects(attributes, (*NAMES, *NAMES_IN_JS)),
        _first(attributes, USER) or _in_objects(attributes, USER_NAMES),
    )


def _first(attributes: Attributes, names: tuple[str, ...]) -> str | None:
    return next((text for name in names if name in attributes and (text := _text(attributes[name]))), None)


def _in_objects(attributes: Attributes, names: tuple[str, ...]) -> str | None:
    for place in OBJECTS:
        told = read_json(attributes.get(place))
        if isinstance(told, Mapping) and (text := _first(told, names)):
            return text
    return None


def _text(value: object) -> str | None:
    """Read an id: text or a number; some producers write it as JSON."""
    if isinstance(value, str) and value.startswith('"'):
        value = read_json(value)
    if isinstance(value, bool) or not isinstance(value, (str, int, float, bytes)):
        return None
    text = id_text(value)[0]
    return None if text in NOBODY else text
