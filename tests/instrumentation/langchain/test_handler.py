"""The handler that an application passes, alone and beside `instrument()`."""

from __future__ import annotations

import asyncio
import copy
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler, CallbackManager
from langchain_core.messages import HumanMessage
from langchain_core.tracers import context

import greenflash_otel
from greenflash_otel.instrumentation import langchain
from greenflash_otel.instrumentation.langchain.handler import CallbackHandler
from greenflash_otel.langchain import GreenflashCallbackHandler
from tests.instrumentation.langchain.models import (
    create_agent,
    echoes,
    says,
    told,
)
from tests.instrumentation.openai.spans import Spans

TURN = [("user_message", "Hi"), ("assistant_message", "One.")]
QUESTION: Any = {"messages": [HumanMessage("Hi")]}


@pytest.fixture
def only_prepared() -> Iterator[Spans]:
    """Nothing is instrumented globally; handlers record to the test."""
    recorded = Spans()
    langchain.prepare(recorded.tracer, history="new")
    yield recorded
    langchain.uninstrument()


def test_a_handler_alone(only_prepared: Spans) -> None:
    """What it is passed to is recorded; nothing else is."""
    agent = create_agent(says("One.", "Two."))
    agent.invoke(QUESTION, {"callbacks": [GreenflashCallbackHandler(conversation_id="C", user_id="ada")]})
    agent.invoke(QUESTION)
    assert told(only_prepared, "C") == TURN
    assert {update.user_id for update in only_prepared.updates()} == {"ada"}
    assert len(only_prepared.conversations()) == 1


@pytest.mark.parametrize("where", ["config", "constructor", "manager", "twice"])
def test_beside_the_global_one_it_is_recorded_once(where: str, spans: Spans) -> None:
    """However it is passed. What it was given counts."""
    handler = GreenflashCallbackHandler(conversation_id="C")
    model = says("One.")
    config: Any = {"callbacks": [handler]}
    if where == "constructor":
        model, config = says("One."), {}
        model.callbacks = [handler]
    elif where == "manager":
        config = {"callbacks": CallbackManager([handler])}
    elif where == "twice":
        config = {"callbacks": [handler, GreenflashCallbackHandler(conversation_id="C")]}
    config["metadata"] = {"thread_id": "C"}
    create_agent(model).invoke(QUESTION, config)
    assert told(spans, "C") == TURN
    assert len([span for span in spans.all() if span.parent is None]) == 1


async def test_one_handler_for_many_users(only_prepared: Spans) -> None:
    """At the same time, each with a thread of their own."""
    handler, agent = GreenflashCallbackHandler(), create_agent(echoes())

    async def talk(name: str) -> None:
        config: Any = {"callbacks": [handler], "configurable": {"thread_id": name, "user_id": f"user {name}"}}
        await agent.ainvoke({"messages": [HumanMessage(f"I am {name}")]}, config)

    await asyncio.gather(*(talk(name) for name in "ABC"))
    found = {
        (update.conversation_id, update.user_id) for update in only_prepared.updates() if update.messages
    }
    assert found == {(name, f"user {name}") for name in "ABC"}
    assert [said for _, said in told(only_prepared, "B")] == ["I am B", "You said I am B"]


def test_a_handler_can_be_copied(only_prepared: Spans) -> None:
    """LangChain copies managers and their lists; some applications copy configs whole."""
    handler = copy.deepcopy(GreenflashCallbackHandler(conversation_id="C"))
    create_agent(says("One.")).invoke(QUESTION, {"callbacks": [copy.copy(handler)]})
    assert told(only_prepared, "C") == TURN


def test_others_are_told_what_they_would_be_told(spans: Spans) -> None:
    """A handler of the application hears the same, with and without ours."""

    class Hears(BaseCallbackHandler):
        def __init__(self) -> None:
            self.heard: list[str] = []

        def on_chain_start(self, *args: Any, **kwargs: Any) -> None:
            self.heard.append("chain")

        def on_chat_model_start(self, *args: Any, **kwargs: Any) -> None:
            self.heard.append("model")

        def on_llm_end(self, *args: Any, **kwargs: Any) -> None:
            self.heard.append("answer")

        def on_chain_end(self, *args: Any, **kwargs: Any) -> None:
            self.heard.append("end")

    with_ours, without = Hears(), Hears()
    create_agent(says("One.")).invoke(QUESTION, {"callbacks": [with_ours]})
    langchain.uninstrument()
    create_agent(says("One.")).invoke(QUESTION, {"callbacks": [without]})
    assert with_ours.heard == without.heard
    assert with_ours.heard


def test_uninstrumented_langchain_is_as_it_was(spans: Spans) -> None:
    """And what ran at that moment is recorded as far as it came."""
    assert len(our_hooks()) == 1
    stream = iter(create_agent(says("One two three.")).stream(QUESTION))
    next(stream)
    langchain.uninstrument()
    recorded = len(spans.all())
    assert {operation.ending for operation in spans.operations() if operation.name == "invoke_agent"} == {
        "abandoned"
    }
    list(stream)
    create_agent(says("One.")).invoke(QUESTION)
    assert our_hooks() == []
    assert len(spans.all()) == recorded


def our_hooks() -> list[Any]:
    """What LangChain has of us."""
    return [hook for hook in context._configure_hooks if hook[2] and issubclass(hook[2], CallbackHandler)]


def test_instrumenting_twice_records_once(spans: Spans) -> None:
    """Repeated calls change the arguments only."""
    langchain.instrument(spans.tracer, history="new")
    create_agent(says("One.")).invoke(QUESTION, {"metadata": {"thread_id": "C"}})
    assert told(spans, "C") == TURN


def test_the_first_handler_sets_up_the_delivery(monkeypatch: pytest.MonkeyPatch) -> None:
    """From the environment, and without instrumenting anything globally."""
    monkeypatch.setenv("GREENFLASH_EXPORT", "none")
    assert langchain.current is None
    handler = GreenflashCallbackHandler()
    try:
        assert langchain.current is not None
        assert not langchain.is_hooked
        assert handler.get_source() is not None
    finally:
        greenflash_otel.shutdown()
    assert langchain.current is None
    assert handler.get_source() is None


def test_nothing_imports_langchain_before_the_application_does() -> None:
    """Whoever has it installed and does not use it pays nothing."""
    code = (
        "import sys, greenflash_otel as g; g.instrument(export='none');"
        "sys.exit(any(name.startswith(('langchain', 'langgraph', 'openai')) for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
