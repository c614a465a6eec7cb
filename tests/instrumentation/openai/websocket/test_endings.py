"""However a session ends, what ran in it ends once, and the application sees what it would have seen."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import openai
import pytest

from greenflash_otel.context import conversation
from greenflash_otel.instrumentation import open_operations
from greenflash_otel.instrumentation.openai import instrument, uninstrument
from greenflash_otel.instrumentation.openai import patches as openai_wrapping
from greenflash_otel.instrumentation.openai.websocket import SURFACES, patches, session
from greenflash_otel.instrumentation.openai.websocket.responses import ResponsesSession
from greenflash_otel.internal_errors import get_internal_errors
from tests.instrumentation.openai.spans import Spans, text_of
from tests.instrumentation.openai.websocket.scripts import answer, begun, said
from tests.instrumentation.openai.websocket.sdk import needs_responses
from tests.instrumentation.openai.websocket.server import SDK_WARNING, Server, Step

pytestmark = [pytest.mark.filterwarnings(SDK_WARNING), needs_responses]

HALF: list[Step] = ["take", begun("r1"), said("Half ")]
REFUSED = {"type": "error", "status": 400, "error": {"type": "invalid", "code": "bad", "message": "secret"}}
ASKED: dict[str, Any] = {"model": "gpt-x", "input": "Question"}


class Mistake(Exception):
    """The application's."""


def read_all(connection: Any, events: list[Any]) -> None:
    connection.response.create(**ASKED)
    events.extend(event.to_dict() for event in connection)


def close(connection: Any, events: list[Any]) -> None:
    connection.response.create(**ASKED)
    events.extend([connection.recv().to_dict(), connection.recv().to_dict()])
    connection.close()
    connection.close()


def fail(connection: Any, events: list[Any]) -> None:
    connection.response.create(**ASKED)
    events.extend([connection.recv().to_dict(), connection.recv().to_dict()])
    raise Mistake("secret")


def send_to_nobody(connection: Any, events: list[Any]) -> None:
    connection._connection.close()
    connection.response.create(**ASKED)


SCENARIOS: Mapping[str, tuple[list[Step], Any, tuple[str, str | None, str]]] = {
    "whole": (["take", *answer("r1", "Whole"), "close"], read_all, ("completed", None, "Whole")),
    "closed by the server": ([*HALF, "close"], read_all, ("abandoned", None, "Half ")),
    "dropped": ([*HALF, "drop"], read_all, ("failed", "ConnectionClosedError", "Half ")),
    "closed": (HALF, close, ("abandoned", None, "Half ")),
    "left by an exception": (HALF, fail, ("failed", "Mistake", "Half ")),
    "refused": (["take", REFUSED, "close"], read_all, ("failed", "bad", "")),
    "not sent": ([], send_to_nobody, ("failed", "ConnectionClosedOK", "")),
}
"""Script, what the application does, and the operation's ending, failure and text."""


def play(name: str) -> tuple[list[Any], list[Any], str]:
    """The events that the application saw, the frames that the server got, and what was raised."""
    script, act, _ = SCENARIOS[name]
    events: list[Any] = []
    raised = ""
    with Server(script) as server, openai.OpenAI(api_key="k", base_url=server.url) as app:
        try:
            with app.responses.connect() as connection:
                act(connection, events)
        except Exception as error:  # noqa: BLE001 - whatever it is, it must be the same without us
            raised = repr(error)
    return events, server.frames, raised


@pytest.mark.usefixtures("no_faults")
@pytest.mark.parametrize("name", SCENARIOS)
def test_an_ending(name: str, spans: Spans) -> None:
    """One operation with its partial text; events, frames and exceptions as without us."""
    ours = play(name)
    operation = spans.only()
    uninstrument()
    assert ours == play(name)
    failure = operation.failure.type if operation.failure else None
    assert (operation.ending, failure, text_of(*operation.output)) == SCENARIOS[name][2]


@pytest.mark.usefixtures("no_faults")
@pytest.mark.parametrize("name", SCENARIOS)
def test_without_content(name: str, spans: Spans) -> None:
    """Nothing that was said is on the span, nor what went wrong in words."""
    instrument(spans.tracer, capture_content=False)
    play(name)
    (span,) = spans.all()
    told = f"{dict(span.attributes or {})} {span.status.description}"
    assert not [word for word in ("Question", "Half", "Whole", "secret") if word in told]
    assert spans.only().ending == SCENARIOS[name][2][0]


@pytest.mark.covers("sessions", "`responses.connect()`", "async", "async")
@pytest.mark.usefixtures("no_faults")
async def test_cancelled(spans: Spans) -> None:
    """A task that is cancelled while it waits takes its turn along."""
    with Server(HALF) as server:
        async with openai.AsyncOpenAI(api_key="k", base_url=server.url) as app:
            reached = asyncio.Event()

            async def talk() -> None:
                async with app.responses.connect() as connection:
                    await connection.response.create(**ASKED)
                    await connection.recv()
                    await connection.recv()
                    reached.set()
                    await connection.recv()

            task = asyncio.create_task(talk())
            await reached.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
    assert (spans.only().ending, text_of(*spans.only().output)) == ("cancelled", "Half ")


@pytest.mark.usefixtures("no_faults")
@pytest.mark.parametrize("left", ["dropped", "open at exit", "uninstrumented", "its block cancelled"])
def test_left(left: str, spans: Spans) -> None:
    """A session that nobody closes is abandoned when it is collected, or when the process ends."""
    with Server() as server:
        instrumentation = openai_wrapping.current
        assert instrumentation
        with suppress(GeneratorExit), conversation("a"):
            session = ResponsesSession(instrumentation, "openai")
            session.send({"type": "response.create", **ASKED})
            session.receive(begun("r1"))
            session.receive(said("Half "))
            if left == "its block cancelled":
                raise GeneratorExit
        if left == "dropped":
            del session
            gc.collect()
        elif left == "uninstrumented":
            uninstrument()
        elif left == "open at exit":
            open_operations.abandon_running()
        assert server.frames == []
    assert (spans.only().ending, text_of(*spans.only().output)) == ("abandoned", "Half ")


def identities(owner: type) -> dict[str, int]:
    """What a class has, told apart as a wrapper's ``==`` would not."""
    return {name: id(value) for name, value in vars(owner).items()}


def test_no_trace_is_left(spans: Spans) -> None:
    """`uninstrument()` gives back every method; instrumenting again records once."""
    import openai.resources.responses.responses as module

    uninstrument()
    originals = identities(module.ResponsesConnection)
    instrument(spans.tracer)
    assert identities(module.ResponsesConnection) != originals
    uninstrument()
    assert identities(module.ResponsesConnection) == originals
    wrapped = [
        f"{surface.name}.{name}"
        for surface in SURFACES
        for owner, name, _ in surface._list_methods(module)
        if hasattr(owner.__dict__.get(name), "__wrapped__")
    ]
    assert wrapped == []
    instrument(spans.tracer)
    instrument(spans.tracer)
    play("whole")
    assert len(spans.all()) == 1


class OurBug(Exception):
    """A mistake of ours."""


def break_down(*_args: object, **_kwargs: object) -> Any:
    raise OurBug


BREAK_SESSIONS: Mapping[str, tuple[Any, str, Any]] = {
    "observe a session": (patches, "_session_of", break_down),
    "read a sent event": (ResponsesSession, "_read_sent", break_down),
    "read a received event": (ResponsesSession, "_read_received", break_down),
    "end a session's turns": (session.Session, "_end", break_down),
}
"""What to replace by what so that a step fails; the steps that sessions share with calls are broken there."""


@pytest.mark.parametrize("step", BREAK_SESSIONS)
def test_a_failing_step(step: str, spans: Spans, monkeypatch: pytest.MonkeyPatch) -> None:
    """The application sees what it would have seen, and the failure is counted."""
    before = get_internal_errors().get(step, 0)
    monkeypatch.setattr(*BREAK_SESSIONS[step])
    ours = play("closed")
    assert get_internal_errors()[step] > before
    monkeypatch.undo()
    uninstrument()
    assert ours == play("closed")
