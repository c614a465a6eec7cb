"""Requests, a clock and a server for tests that need neither thread nor socket."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from greenflash_otel.greenflash_api.answer import Answer
from greenflash_otel.greenflash_api.request import ApiRequest, encode

SUCCESS = Answer(201, b'{"success":true,"messages":[]}')


def messages(conversation_id: str, *ids: str, size: int = 0) -> ApiRequest:
    """A request of messages with these ids, each with ``size`` characters of text."""
    items = [{"externalMessageId": id, "content": "x" * size} for id in ids]
    body = encode({"externalConversationId": conversation_id, "messages": items, "model": "m"})
    return ApiRequest("messages", "/messages", body, conversation_id, len(items))


def outcome(conversation_id: str, insert_id: str, size: int = 0) -> ApiRequest:
    """A request of one outcome."""
    body = encode({"eventType": "upgrade", "insertId": insert_id, "value": "x" * size})
    return ApiRequest("outcome", "/events", body, conversation_id)


def ids_of(request: ApiRequest) -> list[str]:
    """The ids of the messages, or of the outcome, that a request carries."""
    body = json.loads(request.body)
    if request.kind == "outcome":
        return [body["insertId"]]
    return [message["externalMessageId"] for message in body["messages"]]


def ids_of_all(requests: Iterable[ApiRequest]) -> list[str]:
    """The ids that requests carry, in order."""
    return [id for request in requests for id in ids_of(request)]


@dataclass
class Clock:
    """Stands still until it is moved."""

    now_s: float = 1000.0

    def __call__(self) -> float:
        return self.now_s


@dataclass
class Wire:
    """Sends to nobody: answers come from a function, and what was sent is remembered."""

    answer: Callable[[ApiRequest], Answer] = lambda request: SUCCESS
    sent: list[ApiRequest] = field(default_factory=list)
    closed: bool = False

    def send(self, request: ApiRequest, *, timeout_s: float | None = None) -> Answer:
        """Remember the request and answer it."""
        self.sent.append(request)
        return self.answer(request)

    def close(self) -> None:
        """Remember that it was closed."""
        self.closed = True


def answers(*in_turn: Answer) -> Callable[[ApiRequest], Answer]:
    """These answers in turn, then success."""
    left = list(in_turn)
    return lambda request: left.pop(0) if left else SUCCESS
