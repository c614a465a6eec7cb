"""Live sessions: both sides talk at any time, and the server sends fragments of what either says.

There are no responses here. A turn is what a person says, or what the application hands in, and what the
model says to it: it begins with the first of the one after the last of the other, on the session's own time
line, as fragments of the two come out of order. What a backend model does meanwhile for the session is
recorded as calls that the person does not see.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from greenflash_otel.instrumentation.openai.responses_stream import TERMINAL
from greenflash_otel.instrumentation.openai.websocket.session import Session, SessionTurn
from greenflash_otel.instrumentation.openai.websocket.speech import compute_elapsed_ms
from greenflash_otel.json_values import JsonObject, read_count, read_json_object, read_str
from greenflash_otel.lru import LruDict
from greenflash_otel.model.operation import (
    Message,
    Operation,
    Part,
    Text,
    ToolCall,
    ToolCallResponse,
    Voice,
    VoiceCall,
)
from greenflash_otel.semconv.formats.openai import read_messages, read_parts

MAX_REMEMBERED = 256
"""Answers of a backend that run at once, and messages that wait for a turn."""


@dataclass(slots=True)
class _Voice:
    """What one side says in a turn; times by the session's clock."""

    pieces: list[str] = field(default_factory=list)
    start_ms: int = 0
    end_ms: int = 0

    def add(self, event: JsonObject) -> None:
        """Take in a fragment."""
        if not self.pieces:
            self.start_ms = read_count(event.get("start_ms")) or 0
        self.pieces.append(read_str(event.get("delta")) or "")
        self.end_ms = max(self.end_ms, read_count(event.get("end_ms")) or 0)


@dataclass(slots=True)
class _LiveExchange:
    """A turn, and what was said in it."""

    turn: SessionTurn
    given: tuple[Message, ...]
    person: _Voice = field(default_factory=_Voice)
    model: _Voice = field(default_factory=_Voice)
    calls: list[Part] = field(default_factory=list)
    barged_in: bool = False
    interrupted: bool = False


class LiveSession(Session):
    """See the module."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._instructions: object = None
        self._began_ms = self._clock_ns() // 10**6
        self._call = VoiceCall("openai_realtime", interruption_count=0)
        self._given: list[Message] = []
        """What the application handed in for the next turn."""
        self._exchanges: list[_LiveExchange] = []
        """The turns that run: the latest, and the one before while fragments of it may come."""
        self._backend_input: list[Message] = []
        self._backend: LruDict[str, SessionTurn] = LruDict(MAX_REMEMBERED)
        """Answers that a backend is making, by delegation."""

    def _read_sent(self, event: JsonObject, now_ns: int) -> SessionTurn | None:
        kind = read_str(event.get("type")) or ""
        if kind == "response.item.create":
            self._backend_input += read_messages([event.get("item")])
            del self._backend_input[:-MAX_REMEMBERED]
        elif kind.endswith(".append") and (content := read_str(event.get("content"))):
            if id := read_str(event.get("delegation_id")):
                self._begin((Message("tool", (ToolCallResponse(content, id),)),))
            else:
                self._given.append(Message("developer", (Text(content),)))
                del self._given[:-MAX_REMEMBERED]
        return None

    def _read_received(self, event: JsonObject, now_ns: int) -> None:
        if handler := HANDLERS.get(read_str(event.get("type")) or ""):
            handler(self, event, now_ns)

    def _begin(self, given: tuple[Message, ...] = ()) -> _LiveExchange:
        """A new turn; the one before can still get fragments, until the model answers this one."""
        while len(self._exchanges) > 1:
            self._end(self._exchanges[0].turn)
        exchange = _LiveExchange(self._start(self._make_operation()), (*self._given, *given))
        self._given.clear()
        self._exchanges.append(exchange)
        return exchange

    def _make_operation(self) -> Operation:
        return Operation(
            "chat",
            self._choose_context({}),
            provider=self._provider,
            request_model=self._model,
            provider_conversation_id=self._id,
            system_instructions=read_parts(self._instructions),
            streamed=True,
        )

    def _end(self, turn: SessionTurn, error: BaseException | None = None) -> None:
        super()._end(turn, error)
        self._exchanges = [one for one in self._exchanges if one.turn is not turn]

    def _complete_operation(self, turn: SessionTurn, error: BaseException | None) -> Operation:
        operation = turn.complete_operation(error)
        exchange = next((one for one in self._exchanges if one.turn is turn), None)
        if exchange is None:
            return operation  # of a backend
        person, model = self._read_voice(exchange.person), self._read_voice(exchange.model)
        if person:
            person = replace(person, barge_in=exchange.barged_in)
        if model:
            latency_ms = (
                compute_elapsed_ms(exchange.person.end_ms, exchange.model.start_ms) if person else None
            )
            model = replace(model, response_latency_ms=latency_ms, was_interrupted=exchange.interrupted)
        said, answered = "".join(exchange.person.pieces), "".join(exchange.model.pieces)
        parts = (*((Text(answered),) if answered else ()), *exchange.calls)
        spoken = (Message("user", (Text(said),), voice=person),) if said else ()
        return replace(
            operation,
            input=(*exchange.given, *spoken),
            output=(Message("assistant", parts, voice=model),) if parts else (),
            response_model=self._model,
            voice_call=self._make_call(turn),
            # It is complete when the other side goes on; nobody answered a last word.
            ending="completed" if parts and error is None else operation.ending,
        )

    def _read_voice(self, voice: _Voice) -> Voice | None:
        if not voice.pieces:
            return None
        return Voice(self._began_ms + voice.start_ms, self._began_ms + voice.end_ms)

    def _make_call(self, turn: SessionTurn) -> VoiceCall:
        last_ms = (turn.last_ns or self._clock_ns()) // 10**6
        duration_ms = self._call.duration_ms or compute_elapsed_ms(self._began_ms, last_ms)
        return replace(self._call, platform_call_id=self._id, duration_ms=duration_ms)

    # What the server's events say.

    def _on_session(self, event: JsonObject, now_ns: int) -> None:
        session = read_json_object(event.get("session"))
        if self._id is None and (id := read_str(session.get("id"))):
            self._claim_session(id)
            self._began_ms = now_ns // 10**6
            self._given += read_messages(session.get("input"))
        self._model = read_str(session.get("model")) or self._model
        self._instructions = session.get("instructions", self._instructions)

    def _on_person(self, event: JsonObject, now_ns: int) -> None:
        start_ms = read_count(event.get("start_ms")) or 0
        exchange = self._exchanges[-1] if self._exchanges else None
        if exchange is None or (exchange.model.pieces and start_ms >= exchange.model.start_ms):
            before, exchange = exchange, self._begin()
            if before and start_ms < before.model.end_ms:
                before.interrupted = exchange.barged_in = True
                count = self._call.interruption_count or 0
                self._call = replace(self._call, interruption_count=count + 1)
        exchange.person.add(event)
        exchange.turn.add(event, now_ns)

    def _on_model(self, event: JsonObject, now_ns: int) -> None:
        start_ms = read_count(event.get("start_ms")) or 0
        exchange = self._exchanges[-1] if self._exchanges else self._begin()
        if len(self._exchanges) > 1 and exchange.person.pieces and start_ms < exchange.person.start_ms:
            exchange = self._exchanges[-2]
        elif len(self._exchanges) > 1:
            self._end(self._exchanges[0].turn)
        exchange.model.add(event)
        exchange.turn.add(event, now_ns)

    def _on_delegation(self, event: JsonObject, now_ns: int) -> None:
        delegation = read_json_object(event.get("delegation"))
        if delegation.get("target") == "client":
            exchange = self._exchanges[-1] if self._exchanges else self._begin()
            exchange.calls.append(ToolCall("delegation", None, read_str(delegation.get("id"))))

    def _on_backend(self, event: JsonObject, now_ns: int) -> None:
        inner = read_json_object(event.get("event"))
        kind = read_str(inner.get("type")) or ""
        key = read_str(event.get("delegation_id")) or ""
        if kind == "response.created":
            operation = self._make_operation()
            hidden = replace(operation.conversation_context, internal=True)
            given = tuple(self._backend_input)
            self._backend_input.clear()
            operation = replace(
                operation,
                conversation_context=hidden,
                input=given,
                request_model=None,
                system_instructions=(),
            )
            self._backend.remember(key, self._start(operation))
        if turn := self._backend.get(key):
            turn.add(inner, now_ns)
            if kind in TERMINAL:
                del self._backend[key]
                self._end(turn)

    def _on_closed(self, event: JsonObject, now_ns: int) -> None:
        seconds = read_json_object(event.get("usage")).get("seconds")
        duration_ms = round(seconds * 1000) if isinstance(seconds, (int, float)) else None
        self._call = replace(self._call, ended_reason=read_str(event.get("reason")), duration_ms=duration_ms)
        self._close(None)


HANDLERS: Mapping[str, Callable[[LiveSession, JsonObject, int], None]] = {
    "session.started": LiveSession._on_session,
    "session.updated": LiveSession._on_session,
    "session.input_transcript.delta": LiveSession._on_person,
    "session.output_transcript.delta": LiveSession._on_model,
    "session.delegation.created": LiveSession._on_delegation,
    "response.event": LiveSession._on_backend,
    "session.closed": LiveSession._on_closed,
}
"""What reads an event; no other reports what was said."""
