"""Whatever step of ours fails, the application sees what it would have seen."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from contextvars import copy_context
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import openai
import pytest

from greenflash_otel import instrumentation
from greenflash_otel.context import Scope
from greenflash_otel.instrumentation import invocation, open_operations, selection
from greenflash_otel.instrumentation.history import KnownHistory
from greenflash_otel.instrumentation.openai import (
    agent_call,
    call,
    endpoints,
    instrument,
    patches,
    tool_runner,
)
from greenflash_otel.instrumentation.openai.agent_sessions import AgentSessions
from greenflash_otel.instrumentation.openai.body import JsonBody
from greenflash_otel.internal_errors import get_internal_errors
from tests.instrumentation.openai import played_async, played_sync
from tests.instrumentation.openai.replies import chunks, completion
from tests.instrumentation.openai.server import Server, document, events
from tests.instrumentation.openai.spans import Spans
from tests.instrumentation.openai.websocket.test_endings import BREAK_SESSIONS


class OurBug(Exception):
    """A mistake of ours."""


def fail(*_args: object, **_kwargs: object) -> Any:
    raise OurBug


BREAK: Mapping[str, tuple[Any, str, Any]] = {
    "observe a request": (patches, "surface_of", fail),
    "read a request": (
        patches,
        "surface_of",
        lambda *_: (replace(endpoints.SURFACES[0], read_request=fail), ()),
    ),
    "take over a response": (call.ObservedCall, "receive", fail),
    "decode an answer": (JsonBody, "_digest", fail),
    "read an answer": (call, "complete_operation", fail),
    "name the calls of tools": (selection, "name_calls", fail),
    "shorten a history": (KnownHistory, "shorten", fail),
    "end an operation": (invocation.Invocation, "finish", fail),
    "write an operation to its span": (invocation, "attributes_of", fail),
}
"""What to replace by what so that a step fails."""

OUTSIDE_OF_CALLS = {"end what is open at exit", "write a failure to its span", "write an attribute"}
"""Steps that have tests of their own; see `test_unfinished` and `test_invocation`."""

BREAK_TOOLS: Mapping[str, tuple[Any, str, Any]] = {
    "observe a tool": (tool_runner, "get_current_conversation_context", fail),
    "enter a tool": (invocation.Invocation, "make_current", fail),
    "leave a tool": (Scope, "__exit__", fail),
    "end a tool": (invocation.Invocation, "finish", fail),
}
"""The same for a function that a tool runner runs."""

BREAK_AGENTS: Mapping[str, tuple[Any, str, Any]] = {
    "record what came before an input": (AgentSessions, "record_so_far", fail),
    "read an event": (agent_call, "read_end", fail),
    "go on after an input": (AgentSessions, "note_results", fail),
}
"""The same for a session with an agent that OpenAI runs."""


def steps_in_the_source() -> set[str]:
    """The name of every guarded step that calls of openai pass through."""
    package = Path(str(instrumentation.__file__)).parent
    shared = [
        path for path in package.glob("*.py") if path.stem != "task_queues"
    ]  # `test_task_queues` breaks these
    paths = [*shared, *package.joinpath("openai").rglob("*.py")]
    calls = [node for path in paths for node in ast.walk(ast.parse(path.read_text()))]
    return {
        ast.literal_eval(call.args[0])
        for call in calls
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "guarded"
        if isinstance(call.args[0], ast.Constant)  # another one names what it puts on or takes off
    }


def test_every_step_is_broken_here() -> None:
    """A guarded step that is added later has to be added here too."""
    assert steps_in_the_source() == {*BREAK, *BREAK_TOOLS, *BREAK_AGENTS, *BREAK_SESSIONS, *OUTSIDE_OF_CALLS}


@pytest.mark.parametrize("step", BREAK)
@pytest.mark.parametrize("streams", [False, True])
async def test_a_failing_step(
    step: str, streams: bool, spans: Spans, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer is the server's, whole and streamed, sync and async, and the failure is counted."""
    reply = events(chunks()) if streams else document(completion())
    before = get_internal_errors().get(step, 0)
    instrument(spans.tracer, history="new")
    monkeypatch.setattr(*BREAK[step])
    with Server(reply, reply) as server:
        with openai.OpenAI(api_key="k", base_url=server.url) as client:
            (played_sync.streamed if streams else played_sync.whole)(client, server)
        async with openai.AsyncOpenAI(api_key="k", base_url=server.url) as async_client:
            await (played_async.streamed if streams else played_async.whole)(async_client, server)
    assert get_internal_errors()[step] >= before + 2


@pytest.mark.parametrize("step", BREAK_TOOLS)
def test_a_failing_step_around_a_tool(step: str, spans: Spans, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tool runs, and its result is the one it gave."""
    before = get_internal_errors().get(step, 0)
    monkeypatch.setattr(*BREAK_TOOLS[step])
    item = SimpleNamespace(name="look", call_id="call_1", arguments="{}")
    ran: list[object] = []

    def function(run: object, item: object) -> str:
        ran.append(item)
        return "done"

    # In a context of its own, in which a failure to leave the tool stays.
    assert copy_context().run(tool_runner.execute, function, None, (None, item), {}) == "done"
    assert ran == [item]
    assert get_internal_errors()[step] == before + 1


@pytest.mark.parametrize("step", BREAK_AGENTS)
@pytest.mark.parametrize("colour", ["sync", "async"])
async def test_a_failing_step_in_a_session_of_an_agent(
    step: str, colour: str, spans: Spans, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The application hears the agent, and its function is called."""
    pytest.importorskip("openai.types.beta.agents", reason="this SDK knows no agents that OpenAI runs")
    from tests.instrumentation.openai import test_agent_sessions as agents

    before = get_internal_errors().get(step, 0)
    monkeypatch.setattr(*BREAK_AGENTS[step])
    replies = (agents.FIRST, document(agents.SESSION), agents.TOGETHER, agents.ACCEPTED, agents.ACCEPTED)
    with Server(*replies) as server:
        heard = await agents.converse(colour, server, tool_handlers={"get_price": lambda arguments: "10"})
    assert heard == ["Your plan is ready.", "It costs 10."]
    assert len(server.bodies) == len(replies)
    assert get_internal_errors()[step] > before


def test_failing_at_exit(monkeypatch: pytest.MonkeyPatch) -> None:
    """The end of the process is not disturbed."""
    before = get_internal_errors().get("end what is open at exit", 0)

    class Stuck:
        instrumentation = None

        def abandon(self) -> None:
            raise OurBug

        def discard(self) -> None: ...

        def leave(self, error: BaseException) -> None: ...

    stuck = Stuck()
    open_operations.watch(stuck)
    open_operations.abandon_running()
    assert get_internal_errors()["end what is open at exit"] == before + 1
