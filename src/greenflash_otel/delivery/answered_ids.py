"""Read what Greenflash answered: the ids that it made, and what became of each message. Pure.

It is noted for `lookup()` and for the callback ``on_delivered``. An answer in another shape costs nothing but that.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from greenflash_otel.greenflash_api.answer import Answer
from greenflash_otel.greenflash_api.request import ApiRequest

CONVERSATION, MESSAGE, OUTCOME, PROMPT, COMPONENT = (
    "conversation",
    "message",
    "outcome",
    "prompt",
    "component",
)
"""What an id is of."""


class AnsweredId(NamedTuple):
    """An id that Greenflash made."""

    conversation_id: str
    """Of the application."""
    kind: str
    own_id: str
    """External id of the message, ``insertId`` of the outcome; else empty, or the place of a component."""
    greenflash_id: str
    status: str = ""
    """Of a message: ``created`` or ``deduplicated``."""


@dataclass(frozen=True, slots=True)
class DeliveredMessage:
    """A message that Greenflash has."""

    message_id: str
    """Sent as ``externalMessageId``."""
    greenflash_message_id: str
    status: str
    """``created``, or ``deduplicated`` if Greenflash had it already."""


@dataclass(frozen=True, slots=True)
class DeliveredConversation:
    """What Greenflash answered about a conversation: the ids that it made, by yours."""

    conversation_id: str
    greenflash_conversation_id: str | None = None
    """None if only outcomes were delivered yet."""
    messages: tuple[DeliveredMessage, ...] = ()
    outcomes: Mapping[str, str] = field(default_factory=dict)
    """Greenflash's id of each outcome, by its ``insert_id``."""
    greenflash_prompt_id: str | None = None
    """Of the newest system prompt."""
    greenflash_component_ids: tuple[str, ...] = ()


def read_answered_ids(request: ApiRequest, answer: Answer) -> list[AnsweredId]:
    """Return the ids in the answer to a request; none if it has none."""
    body = _read_object(answer.body)
    if not request.conversation_id or not body:
        return []
    if request.kind == "outcome":
        event_id, insert_id = body.get("eventId"), _read_object(request.body).get("insertId")
        if not (isinstance(event_id, str) and isinstance(insert_id, str)):
            return []
        return [AnsweredId(request.conversation_id, OUTCOME, insert_id, event_id)]
    return list(_read_messages_answer(request, body)) if request.kind == "messages" else []


def combine(conversation_id: str, ids: Iterable[AnsweredId]) -> DeliveredConversation:
    """Return what ids say of their conversation; of those of one thing the last counts."""
    by_kind: dict[str, dict[str, AnsweredId]] = {}
    for answered_id in ids:
        by_kind.setdefault(answered_id.kind, {})[answered_id.own_id] = answered_id
    prompt, conversation = by_kind.get(PROMPT, {}).get(""), by_kind.get(CONVERSATION, {}).get("")
    components = sorted(by_kind.get(COMPONENT, {}).values(), key=lambda component: int(component.own_id))
    return DeliveredConversation(
        conversation_id,
        conversation and conversation.greenflash_id,
        tuple(
            DeliveredMessage(message.own_id, message.greenflash_id, message.status)
            for message in by_kind.get(MESSAGE, {}).values()
        ),
        {outcome.own_id: outcome.greenflash_id for outcome in by_kind.get(OUTCOME, {}).values()},
        prompt and prompt.greenflash_id,
        tuple(component.greenflash_id for component in components),
    )


def _read_messages_answer(request: ApiRequest, body: Mapping[str, Any]) -> Iterator[AnsweredId]:
    id = request.conversation_id
    if isinstance(greenflash_id := body.get("conversationId"), str):
        yield AnsweredId(id, CONVERSATION, "", greenflash_id)
    if isinstance(greenflash_id := body.get("systemPromptPromptId"), str):
        yield AnsweredId(id, PROMPT, "", greenflash_id)
    for place, greenflash_id in enumerate(_list_at(body, "systemPromptComponentIds")):
        if isinstance(greenflash_id, str):
            yield AnsweredId(id, COMPONENT, str(place), greenflash_id)
    results = _list_at(body, "messages")
    if any(not isinstance(result, Mapping) or "externalMessageId" not in result for result in results):
        sent = _list_at(_read_object(request.body), "messages")  # they are answered in their order
        results = [
            {"externalMessageId": item.get("externalMessageId"), **fields}
            for item, fields in zip(sent, results, strict=False)
            if isinstance(fields, Mapping)
        ]
    for result in results:
        own, greenflash_id = result.get("externalMessageId"), result.get("messageId")
        if isinstance(own, str) and isinstance(greenflash_id, str):
            yield AnsweredId(id, MESSAGE, own, greenflash_id, str(result.get("status") or ""))


def _list_at(body: Mapping[str, Any], name: str) -> list[Any]:
    items = body.get(name)
    return items if isinstance(items, list) else []


def _read_object(text: bytes) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}
