"""One request to an agent's session, and what it shows of the session's turns.

A stream of events may show many turns, and last as long as the session. So an operation ends with
each turn, and where the application sends something: what a function returned comes after the call of it.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from greenflash_otel.instrumentation.invocation import Invocation
from greenflash_otel.instrumentation.openai.agents import (
    TURN_EVENT,
    AgentBody,
    AgentStep,
    is_call,
    name_item,
    read_end,
    read_items,
    read_session,
)
from greenflash_otel.instrumentation.openai.answer import (
    ModelAnswer,
    Verdict,
    complete_operation,
    judge,
    read_failure,
)
from greenflash_otel.instrumentation.openai.body import Decode, ResponseBody
from greenflash_otel.instrumentation.openai.call import Exit, ObservedCall, OpenAIConfig, find_cause
from greenflash_otel.instrumentation.openai.endpoints import Surface
from greenflash_otel.instrumentation.openai.stream_tee import AsyncTeeWhole, TeeWhole
from greenflash_otel.internal_errors import guarded
from greenflash_otel.json_values import JsonObject, read_json_object, read_str
from greenflash_otel.model.operation import ADD_ITEMS, Failure, Operation, iterate_results

ENDS = frozenset({"completed", "failed", "cancelled"})
"""Events of a turn after which nothing more comes in it."""


class AgentCall(ObservedCall):
    """See the module."""

    def __init__(
        self, instrumentation: OpenAIConfig, surface: Surface, operation: Operation, invocation: Invocation
    ) -> None:
        self._sessions = instrumentation.agent_sessions
        operation = self._sessions.complete(operation)
        self._step = AgentStep()
        self._is_step_open = True
        """False from the end of a turn until more comes: then a new operation begins."""
        self._waits = False
        """Whether the session waits for the application."""
        self._failure: Failure | None = None
        self._subagent_turns: set[str] = set()
        self._unanswered: set[str] = set()
        """Calls in the newest bytes: the application has not had the time to answer them."""
        self._waiting: deque[JsonObject] = deque()
        """Events that came in the same bytes after them."""
        self._ended: deque[tuple[Invocation, Operation, int]] = deque()
        """Operations that are over and not recorded yet."""
        super().__init__(instrumentation, surface, operation, invocation)
        if operation.name == ADD_ITEMS:
            with guarded("record what came before an input"):
                self._sessions.record_so_far(operation.provider_conversation_id)
        elif operation.provider_conversation_id is not None:
            self._sessions.add_follower(operation.provider_conversation_id, self)

    def handle_chunk(self, chunk: bytes) -> None:
        """Note that the application is about to get ``chunk`` of the events, and is done with what came before."""
        with self._lock:
            if not self._over and not self._is_fed:
                self._release()
        super().handle_chunk(chunk)
        self._record_ended()

    def record_so_far(self) -> None:
        """Record what has come, before something else is said."""
        with self._lock:
            if not self._over and not self._is_fed and self._is_step_open:
                self._end_step(self._take_answer(unfinished=False), Verdict("completed"))
        self._record_ended()

    def note_results(self, call_ids: Iterable[str]) -> None:
        """Go on with what came after calls whose results have been sent."""
        with self._lock:
            if not self._unanswered.isdisjoint(call_ids) and not self._over and not self._is_fed:
                self._unanswered -= set(call_ids)
                if not self._unanswered:
                    self._release()
        self._record_ended()

    def _listen(self, decode: Decode | None) -> ResponseBody:
        body = super()._listen(decode)
        if isinstance(body, AgentBody) and self._operation.streamed:
            body.relay.handle = self._handle_event
        return body

    def _receive_whole(self, response: Any) -> None:
        if not self._operation.streamed:
            super()._receive_whole(response)
            return
        response.iter_bytes = TeeWhole(response, self)
        response.aiter_bytes = AsyncTeeWhole(response, self)
        self._streaming = True

    def _handle_event(self, event: JsonObject) -> None:
        """Read an event, unless it follows on a call that the application has not seen yet."""
        if is_call(event):
            call_id = read_str(read_json_object(event.get("item")).get("call_id"))
            if call_id and not self._sessions.is_recorded(self._session_id, name_item(event) or ""):
                self._unanswered.add(call_id)
        elif self._unanswered:
            self._waiting.append(event)
            return
        self._read_event(event)

    def _release(self) -> None:
        """Read the events that waited until the application has seen a call."""
        self._unanswered.clear()
        if self._waiting:
            self._last_ns = time.time_ns()  # the application sees them now
        with guarded("read an event"):
            while self._waiting:
                self._read_event(self._waiting.popleft())

    def _read_event(self, event: JsonObject) -> None:
        kind = read_str(event.get("type")) or ""
        self._note_session(event)
        if kind == "error":
            self._failure = read_failure(event.get("error") or event)
        elif kind.endswith(".failed") and not kind.startswith(TURN_EVENT):
            session = read_json_object(event.get("session"))
            self._failure = self._failure or read_failure(session.get("error")) or Failure("failed")
        elif kind == "agent.session.requires_action":
            self._waits = True
        elif kind.startswith(TURN_EVENT):
            self._handle_turn_event(kind.removeprefix(TURN_EVENT), event)

    def _handle_turn_event(self, kind: str, event: JsonObject) -> None:
        turn = read_json_object(event.get("turn"))
        turn_id = read_str(event.get("turn_id")) or read_str(turn.get("id")) or ""
        if turn.get("subagent_id"):
            self._subagent_turns.add(turn_id)
        self._waits = False
        is_inner = turn_id in self._subagent_turns
        if kind in ENDS:
            if not is_inner and self._sessions.claim(self._session_id, f"{turn_id} ended"):
                self._failure = None
                self._open_step()
                answer = read_end(self._take_answer(unfinished=True), kind, event)
                self._end_step(answer, judge(answer, complete=True, error=None))
            return
        name = name_item(event)
        if (
            name
            and not self._sessions.is_recorded(self._session_id, name)
            and (is_call(event) or not is_inner)
        ):
            self._open_step()
            self._step.add(name, kind, event)

    @property
    def _session_id(self) -> str | None:
        return self._operation.provider_conversation_id

    def _note_session(self, event: JsonObject) -> None:
        """Learn from an event which session it is, and which model answers in it, to what instructions."""
        now, session = self._operation, read_session(read_json_object(event.get("session")))
        id = session.provider_conversation_id or read_str(event.get("session_id"))
        if id is None or self._session_id not in (None, id):
            return
        if self._session_id is None:
            self._sessions.add_follower(id, self)
        elif session.provider_conversation_id is None:
            return  # it says no more than which one it is
        operation = replace(
            now,
            provider_conversation_id=id,
            request_model=session.response_model or now.request_model,
            system_instructions=session.system_instructions or now.system_instructions,
        )
        self._operation = self._sessions.complete(operation)

    def _open_step(self) -> None:
        """Begin an operation, unless one runs."""
        if self._is_step_open:
            return
        self._is_step_open, self._first_chunk_s = True, None
        self._invocation = Invocation.start(self._instrumentation.tracer(), self._operation)

    def _take_answer(self, *, unfinished: bool) -> ModelAnswer:
        """Return what was said and done since the last record."""
        items = self._step.take(unfinished=unfinished)
        return read_items(item for name, item in items if self._sessions.claim(self._session_id, name))

    def _end_step(self, answer: ModelAnswer, verdict: Verdict) -> None:
        """End the running operation, if it says something; what comes next belongs to another one."""
        operation = self._complete_step(answer, verdict)
        if not _has_news(operation) and operation.failure is None:
            return
        self._ended.append((self._invocation, operation, self._last_ns or time.time_ns()))
        self._is_step_open = False
        self._operation = replace(self._operation, input=(), name="chat")
        self._properties = {}

    def _complete_step(self, answer: ModelAnswer, verdict: Verdict) -> Operation:
        operation = complete_operation(
            self._operation,
            answer,
            verdict,
            first_chunk_s=self._first_chunk_s,
            properties=self._properties,
        )
        if operation.input and not operation.output and verdict.ending == "completed":
            return replace(operation, name=ADD_ITEMS, streamed=False)
        return operation

    def _record_ended(self) -> None:
        """Record what is over, in its order."""
        while self._ended:
            try:
                invocation, operation, end_ns = self._ended.popleft()
            except IndexError:  # another thread was quicker
                return
            self._finish(invocation, operation, end_ns)

    def _complete_operation(self, exit: Exit, error: BaseException | None) -> Operation:
        if self._operation.name == ADD_ITEMS or exit == "raised" or not isinstance(self._body, AgentBody):
            return super()._complete_operation(exit, error)
        self._body.finish()
        self._release()
        self._record_ended()
        if not self._is_step_open:
            return replace(self._operation, input=(), output=(), ending="completed", failure=None)
        answer = replace(self._take_answer(unfinished=True), failure=self._failure)
        error = error or (None if self._waits else find_cause(exit, self._body))
        return self._complete_step(answer, judge(answer, complete=self._waits, error=error))

    def _record(self, operation: Operation, end_ns: int) -> None:
        operation = self._sessions.complete(operation)
        is_turn_lost = operation.failure is not None and operation.failure is self._failure
        if not _has_news(operation) and not is_turn_lost:
            self._invocation.discard()  # that a session could not be followed is no part of it
            return
        super()._record(operation, end_ns)
        if operation.name == ADD_ITEMS and operation.ending == "completed":
            with guarded("go on after an input"):
                call_ids = [result.id for result in iterate_results(operation.input) if result.id]
                self._sessions.note_results(operation.provider_conversation_id, call_ids)


def _has_news(operation: Operation) -> bool:
    return bool(operation.input or operation.output)
