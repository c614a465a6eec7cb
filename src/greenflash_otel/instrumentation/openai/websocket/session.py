"""One turn of a WebSocket session while it runs, and the session's common ground.

A session hears what the application sends and what the server's events say, and keeps the turns that
run: each owns an invocation and ends once, however the session comes to its end. Nothing is sent, read
or awaited here, and no thread is started. Events come one at a time; several threads may bring them.
"""

from __future__ import annotations

import json
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace
from types import TracebackType
from typing import Any, ClassVar
from weakref import WeakValueDictionary

from greenflash_otel.context import get_current_conversation_context
from greenflash_otel.instrumentation import open_operations
from greenflash_otel.instrumentation.invocation import Invocation
from greenflash_otel.instrumentation.openai import responses
from greenflash_otel.instrumentation.openai.answer import complete_operation, judge, judge_error
from greenflash_otel.instrumentation.openai.call import OpenAIConfig
from greenflash_otel.instrumentation.openai.request import context_of
from greenflash_otel.instrumentation.openai.responses_stream import ResponseAssembly
from greenflash_otel.instrumentation.selection import select_recorded
from greenflash_otel.internal_errors import guarded
from greenflash_otel.json_values import NOTHING, JsonObject, read_json_object, read_list, read_str
from greenflash_otel.lru import LruDict
from greenflash_otel.model.operation import ADD_ITEMS, ConversationContext, Operation, merge_context
from greenflash_otel.model.roles import ASSISTANT

MAX_RUNNING = 256
"""Turns of one session that run at once; the oldest is abandoned for one more."""

MAX_FRAMES = 512
"""Frames of a connection that are recognised if the application parses them itself."""

_recording: WeakValueDictionary[str, Session] = WeakValueDictionary()
"""Which of the connections to a session records it, by the session's id."""


class SessionTurn:
    """A running operation of a session."""

    def __init__(self, instrumentation: OpenAIConfig, operation: Operation) -> None:
        self.operation = operation
        self.response_id: str | None = None
        """None until the server has begun the response."""
        self.last_ns: int | None = None
        """When something last came from the server."""
        self._first_s: float | None = None
        self._assembly = ResponseAssembly(1)
        self._amended: dict[str, JsonObject] = {}
        self._instrumentation = instrumentation
        self._invocation = Invocation.start(instrumentation.tracer(), operation)

    def add(self, event: JsonObject, now_ns: int) -> None:
        """Take in an event of the response, in the words of the Responses API."""
        self.last_ns = now_ns
        if self._first_s is None and (read_str(event.get("type")) or "").endswith(".delta"):
            self._first_s = time.perf_counter() - self._invocation.started_s
        # Sessions number their events as they like: all of a turn's are seen from its first.
        self._assembly.add({name: value for name, value in event.items() if name != "sequence_number"})

    def amend(self, item: JsonObject) -> None:
        """Take in an item of the answer as it turned out after the response."""
        self._amended[read_str(item.get("id")) or ""] = item

    @property
    def complete(self) -> bool:
        """Whether the whole answer has come."""
        return self._assembly.complete

    def complete_operation(self, error: BaseException | None = None) -> Operation:
        """Return the operation as it turned out, broken off by ``error`` or left where it is not complete."""
        body = dict(self._assembly.to_json())
        if self._amended:
            items = [read_json_object(item) for item in read_list(body.get("output"))]
            body["output"] = [self._amended.get(read_str(item.get("id")) or "", item) for item in items]
        answer = responses.read_answer(body)
        verdict = judge(answer, complete=self._assembly.complete, error=error)
        return complete_operation(self.operation, answer, verdict, first_chunk_s=self._first_s, properties={})

    def finish(self, operation: Operation, end_ns: int | None = None) -> None:
        """End the span, once, as ``operation`` says."""
        if not self._instrumentation.active:
            self._invocation.discard()
            return
        capture_content, history = self._instrumentation.capture_content, self._instrumentation.history
        with guarded("end an operation"):
            recorded = select_recorded(operation, capture_content=capture_content, history=history)
            self._invocation.finish(recorded, end_ns=end_ns)

    def discard(self) -> None:
        """Forget the operation without a trace."""
        self._invocation.discard()


class Session(ABC):
    """What one connection carries; see the module."""

    JOINED_BY: ClassVar[str] = "call_id"
    """The private field of a manager that names the call which it joins."""

    def __init__(
        self,
        instrumentation: OpenAIConfig,
        provider: str,
        model: str | None = None,
        *,
        joined_id: str | None = None,
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._instrumentation = instrumentation
        self._provider = provider
        self._model = model
        self._clock_ns = clock_ns
        self._conversation_context = get_current_conversation_context()
        """That of the code which connected: events may be read where nothing is known of it."""
        self._turns: list[SessionTurn] = []
        self._joined_id = joined_id
        """The id of the call that the application joined, if it did not begin one."""
        self._id: str | None = None
        """The provider's id of the session, where sessions have one. A new line can bring a new session."""
        self._first_id: str | None = None
        """The id of the connection's first session: it names the conversation, which continues."""
        self._has_history = False
        """Whether something of the session was recorded: what is handed in before may be known."""
        self._frames: LruDict[int, None] = LruDict(MAX_FRAMES)
        """Hashes of the frames that were received."""
        self._recorded = True
        """False where another connection to the same session records the same."""
        self._lock = threading.RLock()
        open_operations.watch(self)

    def send(self, event: JsonObject) -> SessionTurn | None:
        """Note that the application is about to send ``event``; return the turn that it requests, if any."""
        recorder = self if self._recorded else _recording.get(self._id or "", self)
        with guarded("read a sent event"), recorder._lock:
            return recorder._read_sent(event, recorder._clock_ns())
        return None

    def handle_unsent(self, turn: SessionTurn, error: BaseException) -> None:
        """Note that the event that should have begun ``turn`` could not be sent."""
        with guarded("end a session's turns"), self._lock:
            if turn in self._turns:
                self._end(turn, error)

    def receive_frame(self, frame: str | bytes) -> None:
        """Note that the server's ``frame`` is about to reach the application."""
        self._frames.remember(_hash_frame(frame), None)
        if event := decode_frame(frame):
            self.receive(event)

    def has_received(self, frame: str | bytes) -> bool:
        """Return whether a frame is one of the latest that came."""
        return _hash_frame(frame) in self._frames

    def receive(self, event: JsonObject) -> None:
        """Note that the server's ``event`` is about to reach the application."""
        open_operations.abandon_waiting()
        with guarded("read a received event"), self._lock:
            if self._recorded:
                self._read_received(event, self._clock_ns())

    def handle_error(self, error: BaseException) -> None:
        """Note that the connection is lost, or closed by the server; it may come back, its responses will not."""
        self._close(None if type(error).__name__ == "ConnectionClosedOK" else error)

    def handle_close(self, error: BaseException | None) -> None:
        """Note that the application closed the connection, because of ``error`` if there is one."""
        self._close(error)

    def abandon(self) -> None:
        """End what runs as left early."""
        self._close(None)

    def leave(self, error: BaseException) -> None:
        """End what runs because ``error`` left the block that connected."""
        if self._has_own_state():
            open_operations.abandon_when_safe(self)

    @property
    def instrumentation(self) -> OpenAIConfig:
        """The instrumentation that records it."""
        return self._instrumentation

    def discard(self) -> None:
        """Forget what runs. Takes no lock, for forked children."""
        for turn in self._turns:
            turn.discard()
        self._turns = []

    def __del__(self) -> None:
        if "_lock" in self.__dict__ and self._has_own_state():
            open_operations.abandon_when_safe(self)

    def _has_own_state(self) -> bool:
        """Return whether there is something that only this session knows."""
        return bool(self._turns)

    def _claim_session(self, id: str) -> None:
        """Record the session of this id, unless another connection to it in this process does."""
        self._release_session()
        self._id, self._first_id = id, self._first_id or id
        self._recorded = _recording.setdefault(id, self) is self
        self._has_history = False

    def _place_history(self, operation: Operation) -> Operation:
        """Let answers that are handed in when a session begins be looked for among what is known.

        A new session knows nothing, so applications hand it what was said before the line broke, or in a chat.
        """
        begins, self._has_history = not self._has_history, True
        if not begins or all(message.role != ASSISTANT for message in operation.input):
            return operation
        context = operation.conversation_context
        named = replace(
            context, conversation_id=context.conversation_id or operation.provider_conversation_id
        )
        return replace(operation, conversation_context=named, provider_conversation_id=None)

    @abstractmethod
    def _read_sent(self, event: JsonObject, now_ns: int) -> SessionTurn | None:
        """Read an event of the application's."""

    @abstractmethod
    def _read_received(self, event: JsonObject, now_ns: int) -> None:
        """Read an event of the server's."""

    def _complete_operation(self, turn: SessionTurn, error: BaseException | None) -> Operation:
        return turn.complete_operation(error)

    def _start(self, operation: Operation) -> SessionTurn:
        turn = SessionTurn(self._instrumentation, operation)
        self._turns.append(turn)
        if len(self._turns) > MAX_RUNNING:
            self._end(self._turns[0], None)
        return turn

    def _end(self, turn: SessionTurn, error: BaseException | None = None) -> None:
        """End ``turn``, complete or not."""
        self._turns.remove(turn)
        operation = turn.operation
        if error is not None:
            verdict = judge_error(error)
            operation = replace(operation, ending=verdict.ending, failure=verdict.failure)
        with guarded("read an answer"):
            operation = self._complete_operation(turn, error)
        turn.finish(operation, turn.last_ns if error is None or turn.complete else None)

    def _close(self, error: BaseException | None) -> None:
        with guarded("end a session's turns"), self._lock:
            for turn in list(self._turns):
                self._end(turn, error)
            self._release_session()

    def _release_session(self) -> None:
        if self._id and _recording.get(self._id) is self:
            del _recording[self._id]

    def _choose_context(self, body: JsonObject) -> ConversationContext:
        """Return the running block's context, else the connecting one's; add the user of ``body`` if it has none."""
        now = get_current_conversation_context()
        return merge_context(
            now if now != ConversationContext() else self._conversation_context, context_of(body)
        )


def record_as_unanswered(operation: Operation) -> Operation:
    """Return ``operation``; if no answer came and nothing failed, as messages alone: it is no step."""
    if operation.output or operation.ending not in ("cancelled", "abandoned"):
        return operation
    return replace(operation, name=ADD_ITEMS, ending="completed", streamed=False)


def decode_frame(frame: str | bytes) -> JsonObject:
    """Read the event in a frame; return an empty one if there is none, because a relay may pass on anything."""
    try:
        return read_json_object(json.loads(frame))
    except (ValueError, RecursionError):
        return NOTHING


def _hash_frame(frame: str | bytes) -> int:
    return hash(frame.encode() if isinstance(frame, str) else bytes(frame))


class Sending:
    """Around the SDK's sending of an event: a turn whose request cannot be sent has failed."""

    def __init__(self, session: Session, turn: SessionTurn | None) -> None:
        self._session = session
        self._turn = turn

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is not None and self._turn is not None:
            self._session.handle_unsent(self._turn, error)


class EventReading:
    """Around the SDK's reading from the connection: that it is lost shows nowhere else."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        names = [base.__name__ for base in type.__mro__] if type else []
        if error is not None and "ConnectionClosed" in names:
            self._session.handle_error(error)


class Closing:
    """Around the SDK's closing of the connection, which may be on its way out of an error."""

    def __init__(self, session: Session, error: BaseException | None) -> None:
        self._session = session
        self._error = error

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: Any) -> None:
        self._session.handle_close(self._error)
