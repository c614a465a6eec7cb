"""One request to the API and its answer, while it runs.

An exchange knows the operation its request asked for, collects the answer's bytes, and ends its
invocation once: when the call has returned or raised, or, for an answer that is streamed, when its HTTP
stream is exhausted, broken, closed or dropped. Every way out of the SDK's streams, helpers and raw
responses ends in one of these. Nothing here raises, and no bytes are read here.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from types import TracebackType
from typing import Any, Literal, TypeAlias

from opentelemetry.trace import Tracer

from greenflash_otel.instrumentation import open_operations
from greenflash_otel.instrumentation.history import KnownHistory
from greenflash_otel.instrumentation.invocation import Invocation
from greenflash_otel.instrumentation.openai.agent_sessions import AgentSessions
from greenflash_otel.instrumentation.openai.answer import (
    ModelAnswer,
    TruncatedStreamError,
    UnreadableAnswerError,
    complete_operation,
    details_of,
    judge,
    judge_error,
)
from greenflash_otel.instrumentation.openai.body import Decode, ResponseBody
from greenflash_otel.instrumentation.openai.endpoints import Surface
from greenflash_otel.instrumentation.openai.stream_tee import TeeStream
from greenflash_otel.instrumentation.openai.unread import UnreadRequest, complete_head
from greenflash_otel.instrumentation.selection import select_recorded
from greenflash_otel.instrumentation.turn_calls import may_be_noted, note_call
from greenflash_otel.internal_errors import guarded
from greenflash_otel.model.operation import Json, Operation


@dataclass
class OpenAIConfig:
    """What `instrument()` was given, and whether that still applies."""

    tracer: Callable[[], Tracer]
    capture_content: bool = True
    history: KnownHistory | None = None
    """Shortens the input on a span; None leaves it whole."""
    metadata_keys: Sequence[str] = ()
    """What of a request's ``metadata`` may be recorded; see the setting."""
    agent_sessions: AgentSessions = field(default_factory=AgentSessions)
    """What is known of sessions with agents that OpenAI runs."""
    active: bool = True
    """False after `uninstrument()`, which ends what runs: nothing is recorded any more."""


MAX_UNREAD_BYTES = 1024 * 1024
"""So much of a streamed answer waits to be read later; from then on it is read as it comes."""

Exit: TypeAlias = Literal["returned", "raised", "exhausted", "broken", "left"]
"""How the SDK's call or its stream came to an end."""


class ObservedCall:
    """See the module. As a context it encloses the SDK's own call."""

    def __init__(
        self,
        instrumentation: OpenAIConfig,
        surface: Surface,
        operation: Operation,
        invocation: Invocation,
        unread: UnreadRequest | None = None,
    ) -> None:
        self._instrumentation = instrumentation
        self._surface = surface
        self._operation = operation
        self._invocation = invocation
        self._unread = unread
        """What it asks for, while nobody has read that."""
        self._chunks: list[bytes] | None = None
        """The answer's bytes, if our pipeline reads them with the request's."""
        self._answer_size = 0
        self._decode: Decode | None = None
        self._body: ResponseBody | None = None
        """None until the answer's head has come."""
        self._streaming = False
        self._first_chunk_s: float | None = None
        self._properties: dict[str, Json] = {}
        self._last_ns: int | None = None
        """When something last came from the server."""
        self._over = False
        self._is_fed = False
        """True while a chunk is read."""
        self._left = False
        """True once it was left by a signal handler which interrupted the reading of a chunk."""
        self._left_by: BaseException | None = None
        self._lock = threading.RLock()
        """Guards the body; a signal handler that interrupts its owner must not wait for it."""
        open_operations.watch(self)

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is not None:
            self._end("raised", error)
        elif not self._streaming:
            self._end("returned")

    def receive(self, response: Any, retries: int) -> None:
        """Take note of the answer of the final attempt: its bytes, or its stream if they are still to come.

        ``response`` is a response of httpx2 or of httpx.
        """
        self._last_ns = time.time_ns()
        if retries:
            self._properties["retries"] = retries
        if request_id := response.headers.get("x-request-id"):
            self._properties["request_id"] = request_id
        if self._unread is not None and self._unread.keep_sent(response.request):
            self._chunks = []
        self._decode = None if response.is_stream_consumed else _make_decoder(response)
        if self._chunks is None:
            self._read_request()
            self._body = self._listen(self._decode)
        if response.is_stream_consumed:
            self._receive_whole(response)
        else:
            response.stream = TeeStream(response.stream, self)
            self._streaming = True

    def _listen(self, decode: Decode | None) -> ResponseBody:
        return self._surface.listen(self._operation.choice_count, decode)

    def _receive_whole(self, response: Any) -> None:
        if self._chunks is not None:
            self._chunks.append(response.content)
            self._answer_size += len(response.content)
        elif self._body is not None:
            self._body.receive_bytes(response.content)

    def _read_request(self) -> None:
        """Read what it asks for, if nobody has yet."""
        unread, self._unread = self._unread, None
        if unread is not None:
            with guarded("read a request"):
                request = unread.make_request()
                self._operation = complete_head(self._operation, request.body)
                self._operation = unread.read(request, self._operation)

    def _read_bytes(self) -> None:
        """Read the request and the answer so far, of which there are only the bytes."""
        self._read_request()
        chunks, self._chunks = self._chunks, None
        if chunks is not None:
            self._body = self._listen(self._decode)
            for chunk in chunks:
                self._body.receive_bytes(chunk)

    def handle_chunk(self, chunk: bytes) -> None:
        """Note that the application is about to get ``chunk`` of the stream."""
        chunks = self._chunks
        if chunks is not None and self._answer_size < MAX_UNREAD_BYTES and not self._over:
            self._last_ns = time.time_ns()
            if self._first_chunk_s is None:
                self._first_chunk_s = time.perf_counter() - self._invocation.started_s
            chunks.append(chunk)
            self._answer_size += len(chunk)
            return
        with self._lock:
            if self._over or (self._body is None and chunks is None):
                return
            self._is_fed = True
            try:
                self._last_ns = time.time_ns()
                if self._first_chunk_s is None:
                    self._first_chunk_s = time.perf_counter() - self._invocation.started_s
                if chunks is not None:
                    self._read_bytes()
                if self._body is not None:
                    self._body.receive_bytes(chunk)
            finally:
                self._is_fed = False
                if self._left:
                    self._end("left")

    def handle_end(self) -> None:
        """Note that the stream has been read to its end."""
        self._end("exhausted")

    def handle_error(self, error: BaseException) -> None:
        """Note that reading the stream raised ``error``, which is on its way to the application."""
        self._end("broken", error)

    def handle_close(self) -> None:
        """Note that the stream was closed, perhaps by the garbage collector."""
        if not self._over:
            open_operations.abandon_when_safe(self)

    def abandon(self) -> None:
        """End as left early, unless the answer had come by then."""
        self._end("left", self._left_by)

    def leave(self, error: BaseException) -> None:
        """End because ``error`` left the block it began in: a cancelled task, a closed generator."""
        if not self._over:
            self._left_by = None if isinstance(error, GeneratorExit) else error
            open_operations.abandon_when_safe(self)
            self._left_by = None  # its frames hold the stream

    @property
    def instrumentation(self) -> OpenAIConfig:
        """The instrumentation that records it."""
        return self._instrumentation

    def discard(self) -> None:
        """Forget the operation; its stream continues untouched."""
        self._over = True
        self._invocation.discard()

    def __del__(self) -> None:
        if not self._over:
            open_operations.abandon_when_safe(self)

    def _end(self, exit: Exit, error: BaseException | None = None) -> None:
        with self._lock:
            if self._over:
                return
            if self._is_fed:
                self._left = True
                return
            self._over = True
        if not self._instrumentation.active:
            self._invocation.discard()
            return
        end_ns = time.time_ns() if error or self._last_ns is None else self._last_ns
        if self._chunks is not None and error is None and not may_be_noted(self._operation):
            self._record_later(exit, end_ns)
            open_operations.abandon_waiting()
            return
        self._read_bytes()
        operation = replace(self._operation, ending="failed") if error else self._operation
        with guarded("read an answer"):
            operation = self._complete_operation(exit, error)
            note_call(operation)
        self._record(operation, end_ns)
        open_operations.abandon_waiting()

    def _record_later(self, exit: Exit, end_ns: int) -> None:
        """End the span, for which another thread reads the operation."""
        with guarded("end an operation"):
            read = partial(self._read_later, exit, self._instrumentation.capture_content)
            sent_bytes = len(self._unread.sent) if self._unread is not None else 0
            self._invocation.finish_later(read, sent_bytes + self._answer_size, end_ns=end_ns)

    def _read_later(self, exit: Exit, capture_content: bool) -> Operation:
        """Return what goes on the span, read by the thread that reads the span. Nothing else happens any more."""
        self._read_bytes()
        operation = self._operation
        with guarded("read an answer"):
            operation = self._complete_operation(exit, None)
        history = self._instrumentation.history
        return select_recorded(operation, capture_content=capture_content, history=history)

    def _record(self, operation: Operation, end_ns: int) -> None:
        """Write the operation to its span, and end that."""
        self._finish(self._invocation, operation, end_ns)

    def _finish(self, invocation: Invocation, operation: Operation, end_ns: int) -> None:
        capture_content, history = self._instrumentation.capture_content, self._instrumentation.history
        with guarded("end an operation"):
            recorded = select_recorded(operation, capture_content=capture_content, history=history)
            invocation.finish(recorded, end_ns=end_ns)

    def _complete_operation(self, exit: Exit, error: BaseException | None) -> Operation:
        """Return the operation as it turned out."""
        body, answer, complete = self._body, ModelAnswer(), exit == "returned"
        if body is not None:
            body.finish()
            answer = self._surface.read_answer(body.to_json())
            complete = body.complete if body.marks_its_end else exit in ("returned", "exhausted")
            if not complete:
                error = error or find_cause(exit, body)
        if exit == "raised" and error:
            # Even if the whole answer has come: the SDK could not make of it what was asked for.
            verdict = judge_error(error)
            self._properties |= details_of(error)
        else:
            verdict = judge(answer, complete=complete, error=error)
        return complete_operation(
            self._operation, answer, verdict, first_chunk_s=self._first_chunk_s, properties=self._properties
        )


def find_cause(exit: Exit, body: ResponseBody) -> Exception | None:
    """Return what was wrong with an answer that is not complete if no error was raised."""
    if body.malformed:
        return UnreadableAnswerError()
    if exit == "left":
        return None
    return TruncatedStreamError() if body.begun else UnreadableAnswerError()


def _make_decoder(response: Any) -> Decode | None:
    """Make our own decoder for the response's content encoding; None if there is nothing to decode.

    It is the one the HTTP library has for this response, which knows what was installed with it. A
    response of our own is asked for it, as asking the application's would change that.
    """
    if response.headers.get("content-encoding", "identity") == "identity":
        return None
    headers = {"content-encoding": response.headers["content-encoding"]}
    twin = type(response)(200, headers=headers, stream=response.stream)
    decode: Decode = twin._get_content_decoder().decode
    return decode
