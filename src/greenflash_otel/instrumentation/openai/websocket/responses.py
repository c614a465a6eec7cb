"""Responses over a WebSocket: one turn per response, on lanes that share a connection.

A turn begins with the ``response.create`` that asks for it. If steering input made the server continue without
one, it begins with the ``response.created`` of the successor. Steering input belongs to the response that
took it in. A request that generates nothing only prepares the next one: it is no turn, and what it says
is said by the first request that continues it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from typing import Any

from greenflash_otel.instrumentation.openai import responses
from greenflash_otel.instrumentation.openai.request import CallRequest
from greenflash_otel.instrumentation.openai.responses_stream import TERMINAL
from greenflash_otel.instrumentation.openai.websocket.session import Session, SessionTurn
from greenflash_otel.json_values import JsonObject, read_json_object, read_str
from greenflash_otel.lru import LruDict
from greenflash_otel.model.operation import Message, Operation
from greenflash_otel.semconv.formats.openai import read_messages

MAX_REMEMBERED = 256
"""Lanes, steered responses and preparations that a session keeps something of."""


@dataclass(frozen=True, slots=True)
class _Request:
    """What the application, or the server itself, asked the model for."""

    operation: Operation
    parent: str | None
    """The response that it named as the one before."""
    turn: SessionTurn | None
    """None for one that generates nothing."""


@dataclass(slots=True)
class _Lane:
    """What runs under one ``stream_id``, or without any."""

    requests: deque[_Request] = field(default_factory=lambda: deque(maxlen=MAX_REMEMBERED))
    """Those whose response has not begun, oldest first."""
    running: _Request | None = None
    settings: Operation | None = None
    """The last request that ran: what the server makes of steering input inherits its settings."""


class ResponsesSession(Session):
    """See the module."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._lanes: LruDict[str | None, _Lane] = LruDict(MAX_REMEMBERED)
        self._steered: LruDict[str, tuple[Message, ...]] = LruDict(MAX_REMEMBERED)
        """Input that waits for a successor of a response, by the response's id."""
        self._prepared: LruDict[str, Operation] = LruDict(MAX_REMEMBERED)
        """What was prepared, by the id of the response that it was given."""

    def _read_sent(self, event: JsonObject, now_ns: int) -> SessionTurn | None:
        kind = event.get("type")
        if kind == "response.steer" and (target := read_str(event.get("previous_response_id"))):
            waiting = self._steered.get(target) or ()
            self._steered.remember(target, (*waiting, *read_messages(event.get("input"))))
        if kind != "response.create":
            return None
        operation = Operation(
            "chat",
            self._choose_context(event),
            provider=self._provider,
            request_model=read_str(event.get("model")),
            streamed=True,
        )
        operation = responses.read_request(CallRequest(event), operation)
        parent, operation = operation.previous_response_id, self._continue_operation(operation)
        turn = self._start(operation) if _generates(event) else None
        self._get_lane(event).requests.append(_Request(operation, parent, turn))
        return turn

    def _read_received(self, event: JsonObject, now_ns: int) -> None:
        kind = read_str(event.get("type")) or ""
        lane = self._get_lane(event)
        if kind == "response.steer.failed":
            self._take_back(read_json_object(event.get("steer")))
        elif kind == "error":
            self._refuse(lane, event, now_ns)
        elif kind == "response.created":
            lane.running = self._find_request(lane, read_json_object(event.get("response")))
            lane.settings = lane.running.operation
        if lane.running and lane.running.turn:
            lane.running.turn.add(event, now_ns)
        if kind in TERMINAL and (done := lane.running):
            lane.running = None
            self._finish(done, read_str(read_json_object(event.get("response")).get("id")))

    def _find_request(self, lane: _Lane, response: JsonObject) -> _Request:
        """Find what a response answers: a request, or steering input that the server makes one of."""
        parent = read_str(response.get("previous_response_id"))
        steering = self._steered.pop(parent, None) if parent else None
        waiting = [
            request for request in lane.requests if request.turn is None or request.turn in self._turns
        ]
        request = next((candidate for candidate in waiting if parent in (None, candidate.parent)), None)
        if request is None and steering is None and waiting:
            request = waiting[0]
        if request is None:
            return self._make_successor(lane, parent, steering or ())
        lane.requests.remove(request)
        if steering and request.turn:
            request.turn.operation = replace(request.operation, input=(*steering, *request.operation.input))
        return request

    def _make_successor(self, lane: _Lane, parent: str | None, steering: tuple[Message, ...]) -> _Request:
        operation = replace(
            lane.settings
            or Operation("chat", self._conversation_context, provider=self._provider, streamed=True),
            previous_response_id=parent,
            input=steering,
        )
        return _Request(operation, parent, self._start(operation))

    def _finish(self, done: _Request, response_id: str | None) -> None:
        if done.turn is None:
            self._prepared.remember(response_id or "", done.operation)
        elif done.turn in self._turns:
            self._end(done.turn)

    def _refuse(self, lane: _Lane, event: JsonObject, now_ns: int) -> None:
        """End what the server refused on a lane: the oldest request, or the running response."""
        refused = lane.requests.popleft() if lane.requests else lane.running
        if refused is lane.running:
            lane.running = None
        if refused and refused.turn in self._turns:
            refused.turn.add(event, now_ns)
            self._end(refused.turn)

    def _complete_operation(self, turn: SessionTurn, error: BaseException | None) -> Operation:
        # What was prepared by a response of its own continues what came before that.
        return replace(
            turn.complete_operation(error), previous_response_id=turn.operation.previous_response_id
        )

    def _take_back(self, steer: JsonObject) -> None:
        """Take back steering input that no response took in."""
        target = read_str(steer.get("previous_response_id")) or ""
        returned = read_messages(steer.get("input"))
        waiting = [message for message in self._steered.pop(target, None) or () if message not in returned]
        if waiting:
            self._steered.remember(target, tuple(waiting))

    def _continue_operation(self, operation: Operation) -> Operation:
        """Return ``operation`` with what was prepared for it."""
        prepared = self._prepared.get(operation.previous_response_id or "")
        if prepared is None:
            return operation
        return replace(
            operation,
            previous_response_id=prepared.previous_response_id,
            system_instructions=operation.system_instructions or prepared.system_instructions,
            input=(*prepared.input, *operation.input),
        )

    def _get_lane(self, event: JsonObject) -> _Lane:
        id = read_str(event.get("stream_id"))
        lane = self._lanes.get(id)
        if lane is None:
            lane = _Lane()
            self._lanes.remember(id, lane)
        return lane

    def _close(self, error: BaseException | None) -> None:
        super()._close(error)
        self._lanes.clear()
        self._steered.clear()


def _generates(event: JsonObject) -> bool:
    """Return whether a request asks for an answer."""
    prewarm = read_json_object(event.get("prompt_cache_options")).get("prewarm")
    return prewarm is not True and event.get("generate") is not False
