"""To which conversation and user a span belongs, by attributes that no single convention has. Pure.

A span names them itself, or what is around it in its trace does: see `correlation.trace`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from greenflash_otel.arguments import write_id
from greenflash_otel.json_values import read_json
from greenflash_otel.model.operation import ConversationContext
from greenflash_otel.model.telemetry import Attributes
from greenflash_otel.semconv.convention import (
    CONVERSATION_NAMES,
    USER_NAMES,
    Convention,
    list_conversation_names,
    list_user_names,
)
from greenflash_otel.semconv.genai import CONVERSATION_ID, PROVIDER_CONVERSATION_ID, USER_ID

LAMINAR = "lmnr.association.properties"
"""Prefix of what applications say to Laminar."""
OBJECTS = ("metadata", "mlflow.trace.metadata")
"""Attributes that contain an object of what an application knows."""

MORE_CONVERSATIONS = (
    "session.id",
    "spring.ai.chat.client.conversation.id",
    "gen_ai.session.id",
    "gen_ai.thread.id",
    "conversation.id",
    "thread.id",
    "chat.id",
    *CONVERSATION_NAMES,
    *list_conversation_names(LAMINAR, f"{LAMINAR}.metadata"),
    "wandb.thread_id",
    "$ai_session_id",
    "group_id",
    "lk.pii.room_name",
    "lk.room_name",
)
"""Names of the conversation, the most specific first. ``langsmith.trace.session_id`` is a project."""
MORE_USERS = (
    *USER_NAMES,
    *list_user_names(LAMINAR, f"{LAMINAR}.metadata"),
    "gen_ai.user.id",
    "enduser.pseudo.id",
    "llm.user",
    "gen_ai.request.user",
)

NOBODY = ("", "null", "None", "undefined")
"""What producers write where there is no name."""


class ConversationAttributes:
    """The names of conversation and user, of all conventions.

    Args:
        conventions: The first that names something counts, after OpenTelemetry's own name.
    """

    def __init__(self, conventions: Iterable[Convention]) -> None:
        rows = tuple(conventions)
        conversations = [name for row in rows for name in row.conversation_attributes]
        users = [name for row in rows for name in row.user_attributes]
        self._provided = (*conversations, *MORE_CONVERSATIONS)
        self._conversations = (CONVERSATION_ID, *self._provided)
        self._users = (USER_ID, "enduser.id", *users, *MORE_USERS)
        self._all = frozenset({*self._conversations, *self._users, *OBJECTS})

    def read(self, attributes: Attributes) -> ConversationContext:
        """Read the conversation and the user that a span belongs to, as far as it says."""
        if self._all.isdisjoint(attributes):
            return ConversationContext()
        provider_id = attributes.get(PROVIDER_CONVERSATION_ID)
        is_chosen = provider_id is None or provider_id != attributes.get(CONVERSATION_ID)
        names = self._conversations if is_chosen else self._provided
        return ConversationContext(
            _find_first(attributes, names) or _find_in_objects(attributes, CONVERSATION_NAMES),
            _find_first(attributes, self._users) or _find_in_objects(attributes, USER_NAMES),
        )


def _find_first(attributes: Attributes, names: tuple[str, ...]) -> str | None:
    for name in names:
        if name in attributes and (text := _read_name(attributes[name])):
            return text
    return None


def _find_in_objects(attributes: Attributes, names: tuple[str, ...]) -> str | None:
    for place in OBJECTS:
        if place in attributes:
            recorded = read_json(attributes[place])
            if isinstance(recorded, Mapping) and (text := _find_first(recorded, names)):
                return text
    return None


def _read_name(value: object) -> str | None:
    """Read an id: text or a number; some producers write it as JSON."""
    if isinstance(value, str) and value.startswith('"'):
        value = read_json(value)
    if isinstance(value, bool) or not isinstance(value, (str, int, float, bytes)):
        return None
    text = write_id(value)[0]
    return None if text in NOBODY else text
