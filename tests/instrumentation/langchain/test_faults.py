"""Whatever step of ours fails, the application sees what it would have seen."""

from __future__ import annotations

import ast
import gc
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import HumanMessage
from langchain_core.runnables import RunnablePassthrough
from langgraph.store.memory import InMemoryStore

from greenflash_otel.instrumentation import invocation, langchain, selection
from greenflash_otel.instrumentation.history import KnownHistory
from greenflash_otel.instrumentation.langchain import operations, recorder, stores, unread_turn
from greenflash_otel.instrumentation.langchain.messages import text_of
from greenflash_otel.instrumentation.langchain.prompts import Templates
from greenflash_otel.instrumentation.langchain.run_registry import RUNS
from greenflash_otel.internal_errors import get_internal_errors
from tests.instrumentation.langchain.models import (
    asks,
    create_agent,
    says,
    thread,
    told,
    weather,
)
from tests.instrumentation.langchain.test_runnables import Shelf
from tests.instrumentation.langchain.test_stores import remember
from tests.instrumentation.openai.spans import Spans


class OurBug(Exception):
    """A mistake of ours."""


def fail(*_args: object, **_kwargs: object) -> Any:
    raise OurBug


BEGIN, END = (recorder, "begin", fail), (recorder, "end", fail)

BREAK: Mapping[str, tuple[Any, str, Any]] = {
    "begin a chain": BEGIN,
    "begin a model call": (recorder, "begin_model", fail),
    "begin a tool": (operations, "make_tool_run", fail),
    "begin a retrieval": (operations, "make_retrieval", fail),
    "read a prompt template": (Templates, "begin", fail),
    "read a filled prompt": (Templates, "end", fail),
    "begin to use a store": (stores, "_read_signature", fail),
    "note a chunk": (recorder, "note_chunk", fail),
    "end a chain": (recorder, "finish", fail),
    "record a turn": (unread_turn, "assemble_turn", fail),
    "end a model call": (operations, "add_answer", fail),
    "end a tool": (operations, "add_result", fail),
    "end a retrieval": (operations, "add_found_documents", fail),
    "end a step": (recorder, "_break_off", fail),
    "end the use of a store": (operations, "add_store_result", fail),
    "end a run of whatever kind": END,
    "find its parent": (recorder, "parent_of", fail),
    "enter a run": (recorder, "enter", fail),
    "make a span": (invocation.Invocation, "start", fail),
    "write an operation to its span": (invocation, "attributes_of", fail),
    "name the calls of tools": (selection, "name_calls", fail),
    "shorten a history": (KnownHistory, "shorten", fail),
}
"""What to replace by what so that a step fails; the last ones fail within others."""

WITHIN_OTHERS = {
    "end a run of whatever kind",
    "find its parent",
    "enter a run",
    "make a span",
    "write an operation to its span",
    "name the calls of tools",
    "shorten a history",
}
COUNTING = {"guarded", "count"}
"""What counts our failures: around a block or function, or in the ``except`` of one."""
OUTSIDE_OF_CALLS = {
    "instrument langchain",
    "leave LangChain",
    "read a message",
    "read the metadata of a run",
    "read the name of a run",
    "read the tags of a run",
}


def test_every_step_is_broken_here() -> None:
    """A guarded step that is added later has to be added here too."""
    package = Path(str(langchain.__file__)).parent
    calls = [node for path in package.glob("*.py") for node in ast.walk(ast.parse(path.read_text()))]
    found = {
        ast.literal_eval(call.args[0])
        for call in calls
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in COUNTING
    }
    assert found == {*BREAK, *OUTSIDE_OF_CALLS} - WITHIN_OTHERS


@pytest.fixture
def broken(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A step of ours fails."""
    recorded = Spans()
    langchain.instrument(recorded.tracer, history="new")
    target, name, broken = BREAK[request.param]
    monkeypatch.setattr(target, name, broken)
    yield request.param
    monkeypatch.undo()
    for turn in list(RUNS.list_turns()):
        RUNS.give_up(turn)
    langchain.uninstrument()


@pytest.mark.parametrize("broken", BREAK, indirect=True)
async def test_the_application_sees_what_it_would_have_seen(broken: str) -> None:
    """An agent with tools and a store, a stream, a retriever, an exception; the mistake is counted."""
    before = sum(get_internal_errors().values())
    calls = asks(("remember", {"what": "Ada"}, "1"), ("weather", {"city": "Oslo"}, "2"))
    agent: Any = create_agent(says(calls, "Done."), [remember, weather], store=InMemoryStore())
    state = agent.invoke({"messages": [HumanMessage("Go.")]}, thread("T"))
    assert [text_of(message) for message in state["messages"]] == [
        "Go.",
        "",
        "1 kept",
        "Sunny in Oslo.",
        "Done.",
    ]
    chain = RunnablePassthrough.assign(found=lambda given: Shelf().invoke("x")) | (
        lambda given: given["text"]
    )
    assert "".join([text_of(chunk) for chunk in says("One two.").stream("Hi")]) == "One two."
    assert (await chain.ainvoke({"text": "Hi"})) == "Hi"
    failing: Any = create_agent(says(asks(("weather", {"city": "Atlantis"}, "1")), "Sorry."), [weather])
    with suppress(ValueError):  # which agents of older versions told the model
        failing.invoke({"messages": [HumanMessage("Go.")]})
    half_read = iter(
        create_agent(says("One two three.")).stream(
            {"messages": [HumanMessage("Go.")]}, stream_mode="messages"
        )
    )
    assert next(half_read)
    langchain.uninstrument()
    assert list(half_read)
    gc.collect()
    assert sum(get_internal_errors().values()) > before


def test_a_turn_that_cannot_be_told_leaves_its_steps(
    spans_with_faults: Spans, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the user said is lost, and counted; the tools that ran are told."""
    monkeypatch.setattr(unread_turn, "assemble_turn", fail)
    agent: Any = create_agent(says(asks(("weather", {"city": "Oslo"}, "1")), "Sunny."), [weather])
    agent.invoke({"messages": [HumanMessage("Oslo?")]}, thread("T"))
    found = told(spans_with_faults, "T")
    assert ("tool_call", ("weather", "Oslo")) in found
    assert ("observation", "Sunny in Oslo.") in found


@pytest.fixture
def spans_with_faults() -> Iterator[Spans]:
    """As `spans`, for a test in which a step of ours fails."""
    recorded = Spans()
    langchain.instrument(recorded.tracer, history="new")
    yield recorded
    langchain.uninstrument()
