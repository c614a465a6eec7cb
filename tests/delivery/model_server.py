"""Greenflash as the stateful model sees it: a dictionary, trouble when told, and what it never forgives."""

from __future__ import annotations

import json

from greenflash_otel.greenflash_api.answer import Answer
from greenflash_otel.greenflash_api.request import ApiRequest
from tests.delivery.fakes import SUCCESS, Clock, ids_of

MAX_ITEMS = 3
"""A request of more is too large for this server."""
MAX_BYTES = 12_000

TROUBLE: dict[str, Answer] = {
    "down": Answer(503),
    "broken": Answer(500),
    "too busy": Answer(429),
    "conflict": Answer(409),
    "throttled": Answer(429, retry_after="90"),
    "throttled until": Answer(
        503, retry_after="Sat, 21 Nov 2026 10:02:00 GMT", date="Sat, 21 Nov 2026 10:00:00 GMT"
    ),
    "throttled, nobody knows how long": Answer(429, retry_after="soon"),
    "wrong key": Answer(401),
    "no right": Answer(403),
    "moved": Answer(302),
    "a page": Answer(200, b"<html>"),
    "half an answer": Answer(200, b'{"success":tr'),
    "not stored": Answer(200, b'{"success":false}'),
    "lost on the way there": Answer(None, fault="connection"),
    "lost on the way back": Answer(None, fault="timeout"),
    "garbled on the way back": Answer(201, b"\x00\xff"),
    "sampled out": Answer(204),
}
STORED = ("lost on the way back", "garbled on the way back")
"""Trouble that comes after the server has the request."""
SILENCE_S = {
    "throttled": 90.0,
    "throttled until": 120.0,
    "wrong key": 60.0,
    "no right": 60.0,
    "moved": 60.0,
}


def is_refused(id: str) -> bool:
    """Whether the server will never take an item."""
    return id.startswith(("bad", "huge"))


class Greenflash:
    """Keeps the first version of each item, refuses bad ones, and is in trouble when told."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.trouble: str | None = None
        self.stored: dict[str, list[str]] = {}
        self.sampled_out: set[str] = set()
        self.item_of: dict[str, str] = {}
        self.silent_until_s = 0.0

    def send(self, request: ApiRequest, *, timeout_s: float | None = None) -> Answer:
        """Answer, and check what holds for every request that is ever sent."""
        assert self._clock.now_s >= self.silent_until_s, "sent before the time the server had named"
        self._see(request)
        trouble, self.trouble = self.trouble, None
        if trouble is None or trouble in STORED:
            answer = self._take(request)
            return answer if trouble is None else TROUBLE[trouble]
        if trouble == "sampled out":
            self.sampled_out.update(ids_of(request))
        self.silent_until_s = self._clock.now_s + SILENCE_S.get(trouble, 0.0)
        return TROUBLE[trouble]

    def close(self) -> None:
        """Nothing to close."""

    def has(self, conversation: str, id: str) -> bool:
        """Whether it has answered for an item."""
        return id in self.sampled_out or id in self.stored.get(conversation, [])

    def _see(self, request: ApiRequest) -> None:
        """An item is the same in every attempt, whatever request it comes in."""
        body = json.loads(request.body)
        for id, item in zip(ids_of(request), body.get("messages", [body]), strict=True):
            assert self.item_of.setdefault(id, json.dumps(item)) == json.dumps(item)

    def _take(self, request: ApiRequest) -> Answer:
        ids = ids_of(request)
        if len(ids) > MAX_ITEMS or len(request.body) > MAX_BYTES:
            return Answer(413)
        if any(map(is_refused, ids)):
            return Answer(400, b'{"message":"bad"}')
        known = self.stored.setdefault(request.conversation_id, [])
        known.extend(id for id in ids if id not in known)
        return SUCCESS
