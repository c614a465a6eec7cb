"""Record Live sessions: both sides talk at any time, and the server sends fragments of their words.

There are no responses here. A turn is what a person says, or what the application hands in, and what the
model says to it. The next turn begins when the person speaks again after the model. The session's own time line
decides that, because fragments of the two come out of order. What a backend model does meanwhile for the session
is recorded as calls that the person does not see. The tools it asks for are tools of the turn.

A sideband connection joins a session that others began. The server may repeat to it what was said just
before, and does not say when the session began: the time line follows from what comes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from greenflash_otel.instrumentation.openai.responses_stream import TERMINAL
from greenflash_otel.instrumentation.openai.websocket.live_turns import (
    LiveExchange,
    Utterance,
    is_blank,
    read_moment,
)
from greenflash_otel.instrumentation.openai.websocket.session import (
    Session,
    SessionTurn,
    record_as_unanswered,
)
from greenflash_otel.instrumentation.openai.websocket.speech import compute_elapsed_ms
from greenflash_otel.internal_errors import guarded
from greenflash_otel.json_values import JsonObject, read_count, read_json_object, read_str
from greenflash_otel.lru import LruDict
from greenflash_otel.model.operation import (
    Message,
    Operation,
    Other,
    Part,
    ServerToolCall,
    Text,
    ToolCall,
    ToolCallResponse,
    Voice,
    VoiceCall,
)
from greenflash_otel.model.roles import SYSTEM_ROLES
from greenflash_otel.semconv.formats.openai import read_item, read_messages, read_parts

MAX_REMEMBERED = 256
"""Answers of a backend that run at once, and messages that wait for a turn."""


HIDDEN_ITEMS = frozenset({"message", "reasoning", "compaction", "mcp_list_tools"})
"""Parts of a backend's answer that the person does not see; the others are tools, and requests for approval."""

LINES = frozenset({"session.commentary.append", "session.thinking.append"})
"""What lets the model know something: nobody said it, and it is no instruction."""

_lock = threading.Lock()
_recorded_until: LruDict[str, dict[str, int]] = LruDict(MAX_REMEMBERED)
"""How far each side of a session was recorded in this process, by session, on the session's clock."""


class LiveSession(Session):
    """See the module."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._instructions: object = None
        self._began_ms = self._clock_ns() // 10**6
        """When the session began, on which all times of the server count; at first a guess."""
        self._earlier_ms = 0
        """How long the sessions took that this connection had before."""
        self._knows_beginning = False
        self._call = VoiceCall("openai_realtime", interruption_count=0)
        self._reported: LruDict[str, None] = LruDict(MAX_REMEMBERED)
        """The delegations to the application that have got a result."""
        self._heard_ms: dict[str, int] = {}
        """How far each side was recorded, by the event that says it."""
        self._repeated_ms: dict[str, int] = {}
        """How far each side had been recorded before this connection."""
        self._inputs: list[Message] = []
        """What the application handed in for the next turn."""
        self._exchanges: list[LiveExchange] = []
        """The turns that run: the latest, and the one before while fragments of it may come."""
        self._backend_input: list[Message] = []
        self._backend: LruDict[str, SessionTurn] = LruDict(MAX_REMEMBERED)
        """Answers that a backend is making, by delegation."""

    def _read_sent(self, event: JsonObject, now_ns: int) -> SessionTurn | None:
        kind = read_str(event.get("type")) or ""
        if kind == "response.item.create":
            messages = read_messages([event.get("item")])
            self._backend_input += messages
            del self._backend_input[:-MAX_REMEMBERED]
            if read_json_object(event.get("item")).get("type", "message") != "message":
                self._hand_in(messages)
        elif kind.endswith(".append") and (content := read_str(event.get("content"))):
            id = read_str(event.get("delegation_id"))
            if id is None or not self._report(id, content):
                self._add_line(kind, content, now_ns // 10**6)
        return None

    def _report(self, delegation_id: str, content: str) -> bool:
        """Note what the application found out; return False if the model has gone on from an earlier report."""
        if delegation_id not in self._reported:
            self._reported.remember(delegation_id, None)
            self._hand_in((Message("tool", (ToolCallResponse(content, delegation_id),)),))
            return True
        return bool(self._exchanges) and self._exchanges[-1].add_to_report(delegation_id, content)

    def _add_line(self, kind: str, content: str, now_ms: int) -> None:
        """Note what the model is let know; it says it, or heeds it, in the next turn."""
        part = Other(kind, {"content": content}) if kind in LINES else Text(content)
        self._inputs.append(Message("developer", (part,), at_ms=now_ms))
        del self._inputs[:-MAX_REMEMBERED]

    def _hand_in(self, messages: tuple[Message, ...]) -> None:
        """Note what the application answers the model; the model continues from there."""
        latest = self._exchanges[-1] if self._exchanges else None
        if latest is None or latest.is_answered or latest.person.deltas or latest.keys:
            latest = self._begin()
        latest.inputs += messages

    def _read_received(self, event: JsonObject, now_ns: int) -> None:
        self._follow_clock(event, now_ns // 10**6)
        if handler := HANDLERS.get(read_str(event.get("type")) or ""):
            handler(self, event, now_ns)

    def _follow_clock(self, event: JsonObject, now_ms: int) -> None:
        """Set the session's beginning so early that no event is in the future, unless it is known."""
        moment_ms = read_moment(event)
        if moment_ms is not None and not self._knows_beginning:
            self._began_ms = min(self._began_ms, now_ms - moment_ms)

    def _begin(self) -> LiveExchange:
        """Begin a turn; the turn before can still get fragments until the model answers this one."""
        while len(self._exchanges) > 1:
            self._end(self._exchanges[0].turn)
        since_ms = max(self._clock_ns() // 10**6 - self._began_ms, 0)
        exchange = LiveExchange(self._start(self._make_operation()), list(self._inputs), since_ms)
        self._inputs.clear()
        self._exchanges.append(exchange)
        return exchange

    def _make_operation(self) -> Operation:
        return Operation(
            "chat",
            self._choose_context({}),
            provider=self._provider,
            request_model=self._model,
            provider_conversation_id=self._first_id,
            system_instructions=read_parts(self._instructions),
            streamed=True,
        )

    def _end(self, turn: SessionTurn, error: BaseException | None = None) -> None:
        super()._end(turn, error)
        self._exchanges = [exchange for exchange in self._exchanges if exchange.turn is not turn]

    def _complete_operation(self, turn: SessionTurn, error: BaseException | None) -> Operation:
        operation = turn.complete_operation(error)
        exchange = next((candidate for candidate in self._exchanges if candidate.turn is turn), None)
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
        parts = exchange.list_answered()
        operation = replace(
            operation,
            input=(*exchange.inputs, *exchange.list_spoken(person)),
            output=(Message("assistant", parts, voice=model),) if parts else (),
            response_model=self._model,
            voice_call=self._make_call(turn),
            # It is complete when the other side continues.
            ending="completed" if parts and error is None else operation.ending,
        )
        # Nobody had begun to answer a last word, so nothing failed with the line.
        if not parts:
            operation = record_as_unanswered(replace(operation, ending="abandoned", failure=None))
        return self._place_history(operation)

    def _read_voice(self, voice: Utterance) -> Voice | None:
        if not voice.deltas:
            return None
        return Voice(self._began_ms + voice.start_ms, self._began_ms + voice.end_ms)

    def _make_call(self, turn: SessionTurn) -> VoiceCall:
        last_ms = (turn.last_ns or self._clock_ns()) // 10**6
        duration_ms = self._call.duration_ms
        if duration_ms is None and (elapsed_ms := compute_elapsed_ms(self._began_ms, last_ms)) is not None:
            duration_ms = self._earlier_ms + elapsed_ms
        return replace(self._call, platform_call_id=self._id, duration_ms=duration_ms)

    # What the server's events say.

    def _on_session(self, event: JsonObject, now_ns: int) -> None:
        session = read_json_object(event.get("session"))
        self._read_settings(session)
        id = read_str(session.get("id"))
        if id is None or id == self._id:
            return
        history = read_messages(session.get("input"))
        self._inputs += (_place_line(line, now_ns // 10**6) for line in history)
        if self._id is not None:  # the line broke, and a new session began
            self._earlier_ms += compute_elapsed_ms(self._began_ms, now_ns // 10**6) or 0
            self._call = replace(self._call, duration_ms=None, ended_reason=None)
        self._claim_session(id)
        self._began_ms, self._knows_beginning = now_ns // 10**6, True
        self._heard_ms, self._repeated_ms = {}, {}

    def _read_settings(self, session: JsonObject) -> None:
        self._model = read_str(session.get("model")) or self._model
        self._instructions = session.get("instructions", self._instructions)

    def _is_repeated(self, event: JsonObject) -> bool:
        """Return whether an event was read before, by this connection or by another of this process."""
        kind, moment_ms = read_str(event.get("type")) or "", read_moment(event)
        if moment_ms is None:
            return False
        if moment_ms <= self._repeated_ms.get(kind, -1):
            return True
        self._heard_ms[kind] = max(self._heard_ms.get(kind, 0), moment_ms)
        return False

    def _on_person(self, event: JsonObject, now_ns: int) -> None:
        start_ms = read_count(event.get("start_ms")) or 0
        exchange = self._exchanges[-1] if self._exchanges else None
        follows = exchange is None or exchange.is_followed(start_ms)
        silent = is_blank(event) and (follows or not (exchange and exchange.person.deltas))
        if silent or self._is_repeated(event):
            return
        if exchange is None or follows:
            before, exchange = exchange, self._begin()
            if before and start_ms < before.model.end_ms:
                before.interrupted = exchange.barged_in = True
                count = self._call.interruption_count or 0
                self._call = replace(self._call, interruption_count=count + 1)
        exchange.person.add(event)
        exchange.turn.add(event, now_ns)

    def _on_model(self, event: JsonObject, now_ns: int) -> None:
        start_ms = read_count(event.get("start_ms")) or 0
        exchange = self._exchanges[-1] if self._exchanges else None
        if exchange and len(self._exchanges) > 1 and start_ms < exchange.start_ms:
            exchange = self._exchanges[-2]
        silent = is_blank(event) and not (exchange and exchange.model.deltas)
        if silent or self._is_repeated(event):
            return
        if exchange is None:
            exchange = self._begin()
        elif len(self._exchanges) > 1 and exchange is self._exchanges[-1]:
            self._end(self._exchanges[0].turn)
        exchange.model.add(event)
        exchange.turn.add(event, now_ns)

    def _on_key(self, event: JsonObject, now_ns: int) -> None:
        """Note that the person pressed a key of a phone; those that follow each other are one message."""
        exchange = self._exchanges[-1] if self._exchanges else None
        if exchange is None or exchange.is_answered:
            exchange = self._begin()
        if not exchange.keys:
            exchange.keys_ms = now_ns // 10**6
        exchange.keys += read_str(event.get("event")) or ""

    def _on_key_sent(self, event: JsonObject, now_ns: int) -> None:
        """Note that the application pressed a key for the model."""
        key = {"event": read_str(event.get("event"))}
        self._add_calls((ServerToolCall("dtmf", key, read_str(event.get("event_id"))),))

    def _on_delegation(self, event: JsonObject, now_ns: int) -> None:
        delegation = read_json_object(event.get("delegation"))
        if delegation.get("target") == "client" and not self._is_repeated(event):
            self._add_calls((ToolCall("delegation", None, read_str(delegation.get("id"))),))

    def _add_calls(self, calls: tuple[Part, ...]) -> None:
        exchange = self._exchanges[-1] if self._exchanges else self._begin()
        if exchange.model.deltas and any(isinstance(call, ServerToolCall) for call in calls):
            exchange = self._begin()  # what the model says next comes after the result
        exchange.calls += calls

    def _on_backend(self, event: JsonObject, now_ns: int) -> None:
        inner = read_json_object(event.get("event"))
        kind = read_str(inner.get("type")) or ""
        key = read_str(event.get("delegation_id")) or ""
        if kind == "response.created":
            self._backend.remember(key, self._start(self._make_hidden_operation()))
        elif kind == "response.output_item.done":
            item = read_json_object(inner.get("item"))
            if item.get("type") not in HIDDEN_ITEMS:
                self._add_calls(read_item(item))
        if turn := self._backend.get(key):
            turn.add(inner, now_ns)
            if kind in TERMINAL:
                del self._backend[key]
                self._end(turn)

    def _make_hidden_operation(self) -> Operation:
        """Record a call of a backend, with its input."""
        operation, messages = self._make_operation(), tuple(self._backend_input)
        self._backend_input.clear()
        return replace(
            operation,
            conversation_context=replace(operation.conversation_context, internal=True),
            input=messages,
            request_model=None,
            system_instructions=(),
        )

    def _on_closed(self, event: JsonObject, now_ns: int) -> None:
        self._read_settings(read_json_object(event.get("session")))
        seconds = read_json_object(event.get("usage")).get("seconds")
        duration_ms = None
        if isinstance(seconds, (int, float)) and seconds >= 0:
            duration_ms = self._earlier_ms + round(seconds * 1000)
        self._call = replace(self._call, ended_reason=read_str(event.get("reason")), duration_ms=duration_ms)
        self._close(None)

    def _close(self, error: BaseException | None) -> None:
        with guarded("end a session's turns"), self._lock:
            if self._inputs and self._exchanges:
                self._begin()  # what the model was let know last, and did not come to say
        super()._close(error)
        self._repeated_ms = dict(self._heard_ms)
        if self._id and self._recorded:
            with _lock:
                if self._call.ended_reason is None:
                    _recorded_until.remember(self._id, self._repeated_ms)
                else:
                    _recorded_until.pop(self._id, None)


class LiveSidebandSession(LiveSession):
    """A session that others began, which the application joined."""

    JOINED_BY = "session_id"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self._joined_id:
            self._claim_session(self._joined_id)
            with _lock:
                self._repeated_ms = _recorded_until.get(self._joined_id) or {}


HANDLERS: Mapping[str, Callable[[LiveSession, JsonObject, int], None]] = {
    "session.started": LiveSession._on_session,
    "session.updated": LiveSession._on_session,
    "session.input_transcript.delta": LiveSession._on_person,
    "session.output_transcript.delta": LiveSession._on_model,
    "session.delegation.created": LiveSession._on_delegation,
    "transport.dtmf.received": LiveSession._on_key,
    "transport.dtmf.sent": LiveSession._on_key_sent,
    "response.event": LiveSession._on_backend,
    "session.closed": LiveSession._on_closed,
}
"""What reads an event; no other reports what was said."""


def _place_line(message: Message, now_ms: int) -> Message:
    """Place a message of the history; a line of the application's has a time, and is no prompt."""
    return replace(message, at_ms=now_ms) if message.role in SYSTEM_ROLES else message
