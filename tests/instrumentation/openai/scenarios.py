"""Ways in which a call ends, each played by an application with a sync and with an async client.

A scenario plays the application and checks what it sees; `SCENARIOS` says what the server answers and
what the span has to tell.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from greenflash_otel.model.operation import Ending
from tests.instrumentation.openai import played_async, played_sync
from tests.instrumentation.openai.replies import (
    COMPLETED,
    TEXT,
    chunk,
    chunks,
    completion,
    response,
    response_events,
)
from tests.instrumentation.openai.server import Reply, Server, document, events


@dataclass(frozen=True)
class Scenario:
    """What the server answers, and what the one span of the call then tells."""

    replies: tuple[Reply, ...]
    ending: Ending
    text: str
    failure: str | None = None
    """``error.type``; a span that has one has the status ERROR."""
    play: str | None = None
    """Name of the functions that play it; by default the scenario's own."""


def _chat(*, finished: bool = True, last: Any = ()) -> tuple[Reply, ...]:
    return (events(chunks(finished=finished), *last),)


HELD = _chat(finished=False, last=("hold",))
CUT = (events(chunks(finished=False), "cut"),)
REFUSED = {"error": {"message": "bad request", "type": "invalid_request_error", "code": None}}
OVERLOADED = {"message": "overloaded", "code": "server_error"}
INCOMPLETE = {
    "type": "response.incomplete",
    "response": response("incomplete", None, incomplete_details={"reason": "max_output_tokens"}),
}
FAILED = {"type": "response.failed", "response": response("failed", None, error=OVERLOADED)}
HTML = Reply((b"<html>sorry</html>",), 200, {"content-type": "text/html"})

SCENARIOS: Mapping[str, Scenario] = {
    "whole": Scenario((document(completion()),), "completed", TEXT),
    "streamed": Scenario(_chat(), "completed", TEXT),
    "left and dropped": Scenario(HELD, "abandoned", TEXT),
    "left and resumed": Scenario(_chat(), "completed", TEXT),
    "dropped unread": Scenario(HELD, "abandoned", ""),
    "left in with": Scenario(HELD, "abandoned", TEXT),
    "closed": Scenario(HELD, "abandoned", TEXT),
    "helper": Scenario(_chat(), "completed", TEXT),
    "helper left": Scenario(HELD, "abandoned", TEXT),
    "helper raises": Scenario((events([chunk({"content": "{"}), chunk({}, "length")]),), "completed", "{"),
    "responses": Scenario((document(COMPLETED["response"]),), "completed", TEXT),
    "responses streamed": Scenario((events(response_events(COMPLETED), b""),), "completed", TEXT),
    "responses incomplete": Scenario(
        (events(response_events(INCOMPLETE), b""),), "completed", TEXT, play="responses streamed"
    ),
    "responses failed": Scenario(
        (events(response_events(FAILED), b""),), "failed", TEXT, "server_error", play="responses streamed"
    ),
    "responses error event": Scenario(
        (events([*response_events(), {"type": "error", **OVERLOADED, "sequence_number": 9}], b""),),
        "failed",
        TEXT,
        "server_error",
        play="responses streamed",
    ),
    "responses helper left": Scenario((events(response_events(), "hold"),), "abandoned", TEXT),
    "error in stream": Scenario(
        (events([*chunks(finished=False), {"error": OVERLOADED}]),), "failed", TEXT, "server_error"
    ),
    "nonsense in stream": Scenario(
        (events(chunks(finished=False), b"data: oops\n\n"),), "failed", TEXT, "UnreadableAnswerError"
    ),
    "connection cut": Scenario(CUT, "failed", TEXT, "RemoteProtocolError"),
    "ends too early": Scenario(
        _chat(finished=False, last=(b"",)), "failed", TEXT, "TruncatedStreamError", "streamed"
    ),
    "refused": Scenario(
        (document(REFUSED, 400, {"x-request-id": "req_1"}),), "failed", "", "BadRequestError"
    ),
    "out of order": Scenario((document(OVERLOADED, 500),), "failed", "", "InternalServerError"),
    "retried": Scenario(
        (document({}, 500, {"retry-after-ms": "1"}), document(completion())), "completed", TEXT
    ),
    "not JSON": Scenario((HTML,), "failed", "", "UnreadableAnswerError"),
    "parsed": Scenario((document(completion('{"word": "hi"}')),), "completed", '{"word": "hi"}'),
    "parse finds it too long": Scenario(
        (document(completion('{"word', "length")),), "failed", '{"word', "LengthFinishReasonError"
    ),
    "parse finds it invalid": Scenario(
        (document(completion('{"other": 1}')),), "failed", '{"other": 1}', "ValidationError"
    ),
    "raw": Scenario((document(completion()),), "completed", TEXT),
    "raw streamed": Scenario(_chat(), "completed", TEXT),
    "raw body": Scenario((document(completion()),), "completed", TEXT),
    "raw body not read": Scenario((document(completion()),), "abandoned", ""),
    "raw lines": Scenario(_chat(), "completed", TEXT),
    "raw responses streamed": Scenario((events(response_events(COMPLETED), b""),), "completed", TEXT),
    "cancelled in create": Scenario((Reply(("hold",)),), "cancelled", ""),
    "cancelled between chunks": Scenario(HELD, "cancelled", TEXT),
}

Play = Callable[[Any, Server], None]
PlayAsync = Callable[[Any, Server], Awaitable[None]]


def plays(name: str) -> tuple[Play, PlayAsync]:
    """The two functions that play a scenario."""
    function = (SCENARIOS[name].play or name).replace(" ", "_").replace(",", "").lower()
    return getattr(played_sync, function), getattr(played_async, function)
