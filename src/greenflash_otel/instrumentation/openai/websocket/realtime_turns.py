"""Remember the turns of a Realtime session: which request each answers, and what it still waits for."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from greenflash_otel.instrumentation.openai.websocket.session import SessionTurn
from greenflash_otel.instrumentation.openai.websocket.speech import Item, Speech
from greenflash_otel.json_values import JsonObject, read_json_object, read_str
from greenflash_otel.model.operation import Operation

MAX_REQUESTS = 256
"""Requests without a response that are retained."""

MAX_WAIT_NS = 30 * 10**9
"""How long a complete turn waits for what is said in it to be written down, or found out."""

MAX_SOUND_NS = 300 * 10**9
"""How long a complete turn waits for the end of its sound."""

REFUSED_RESPONSE = "conversation_already_has_active_response"
"""Code of the error that only a request for a response can cause."""


@dataclass(frozen=True, slots=True)
class ResponseRequest:
    """A ``response.create`` whose response has not begun."""

    event: JsonObject
    operation: Operation

    @property
    def fields(self) -> JsonObject:
        """What it says of the response."""
        return read_json_object(self.event.get("response"))

    def is_out_of_band(self) -> bool:
        """Return whether its response goes into no conversation."""
        return self.fields.get("conversation") == "none"


@dataclass(slots=True)
class RealtimeExchange:
    """A turn, and what is known of its speakers."""

    turn: SessionTurn
    items: list[Item]
    speech: Speech = field(default_factory=Speech)
    outputs: set[str] = field(default_factory=set)
    """Ids of the items of its answer."""
    unfinished: set[str] = field(default_factory=set)
    """Ids of those among them that are calls of MCP servers without a result."""
    done_ns: int | None = None
    request: ResponseRequest | None = None
    """The request that it is taken for the answer to."""

    def is_complete(self, now_ns: int) -> bool:
        """Return whether nothing more will be known of it."""
        if self.done_ns is None:
            return False
        waits = self.unfinished or any(item.awaited for item in self.items)
        if waits and now_ns <= self.done_ns + MAX_WAIT_NS:
            return False
        return not self.speech.is_awaited(now_ns // 10**6) or now_ns > self.done_ns + MAX_SOUND_NS


class RequestQueue:
    """The requests whose response has not begun, oldest first. The server reads them in order."""

    def __init__(self) -> None:
        self._waiting: deque[ResponseRequest] = deque(maxlen=MAX_REQUESTS)

    def add(self, request: ResponseRequest) -> None:
        """Note that the application asks for a response."""
        self._waiting.append(request)

    def clear(self) -> None:
        """Forget all: the line they were sent on is gone."""
        self._waiting.clear()

    def take_for(self, response: JsonObject, out_of_band: bool) -> ResponseRequest | None:
        """Take the request that a response answers: the oldest of its kind, but never with other metadata."""
        metadata = response.get("metadata")
        return self._take(
            request
            for request in self._waiting
            if request.is_out_of_band() == out_of_band
            and (not metadata or request.fields.get("metadata") == metadata)
        )

    def drop_refused(self, error: JsonObject) -> bool:
        """Forget the request that an error refuses; return False if the refused one is not here any more.

        Most applications give their events no id. Then the error names none, and refuses the oldest.
        """
        if id := read_str(error.get("event_id")):
            self._take(request for request in self._waiting if request.event.get("event_id") == id)
        elif error.get("code") == REFUSED_RESPONSE:
            return bool(self._take(request for request in self._waiting if not request.is_out_of_band()))
        elif (read_str(error.get("param")) or "").startswith("response"):
            self._take(iter(self._waiting))
        return True

    def _take(self, candidates: Iterator[ResponseRequest]) -> ResponseRequest | None:
        request = next(candidates, None)
        if request:
            self._waiting.remove(request)
        return request
