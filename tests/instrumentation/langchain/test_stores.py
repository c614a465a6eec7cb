"""Long-term memory: what agents keep in a LangGraph store and read from it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from langchain_core.messages import HumanMessage
from langchain_core.tools import tool
from langgraph.config import get_store
from langgraph.store.base import BaseStore
from langgraph.store.base.batch import AsyncBatchedBaseStore
from langgraph.store.memory import InMemoryStore

from greenflash_otel.instrumentation import langchain
from tests.instrumentation.langchain.models import (
    asks,
    create_agent,
    lines,
    says,
    thread,
)
from tests.instrumentation.openai.spans import Spans


class Collects(AsyncBatchedBaseStore):
    """A store of the kind that collects what it is asked, as the database ones do."""

    def __init__(self) -> None:
        super().__init__()
        self._inner = InMemoryStore()

    async def abatch(self, ops: Any) -> Any:
        return await self._inner.abatch(ops)


@tool
def remember(what: str) -> str:
    """Remember something."""
    store = get_store()
    store.put(("facts",), "name", {"text": what})
    found = store.search(("facts",), query="name")
    store.get(("facts",), "name")
    return f"{len(found)} kept"


@tool("remember")
async def aremember(what: str) -> str:
    """Remember something."""
    store = get_store()
    await store.aput(("facts",), "name", {"text": what})
    found = await store.asearch(("facts",), query="name")
    await store.aget(("facts",), "name")
    return f"{len(found)} kept"


@pytest.mark.parametrize(
    ("uses", "make"), [(remember, InMemoryStore), (aremember, InMemoryStore), (aremember, Collects)]
)
def test_what_is_kept_and_read_are_steps(uses: Any, make: Callable[[], BaseStore], spans: Spans) -> None:
    """Under the tool that did it, once each, with what was asked and found."""

    async def run() -> None:
        model = says(asks(("remember", {"what": "Ada"}, "1")), "Noted.")
        agent: Any = create_agent(model, [uses], store=make())
        given: Any = {"messages": [HumanMessage("I am Ada.")]}
        await agent.ainvoke(given, thread("T")) if uses is aremember else agent.invoke(given, thread("T"))

    asyncio.run(run())
    items = spans.conversations()["T"]
    call = next(item for item in items if item.type == "tool_call")
    steps = [item for item in items if item.type.startswith("memory")]
    kept = {"namespace": ["facts"], "key": "name", "value": {"text": "Ada"}}
    assert [(item.type, item.input, item.output, item.parent_id) for item in steps] == [
        ("memory_write", kept, {"documents": []}, call.id),
        ("memory_read", {"namespace": ["facts"], "query": "name"}, {"documents": [kept]}, call.id),
        ("memory_read", {"namespace": ["facts"], "key": "name"}, {"documents": [kept]}, call.id),
    ]
    assert lines(items)[-2:] == [("observation", "1 kept"), ("final_response", "Noted.")]


def test_outside_a_turn_nothing_is_told(spans: Spans) -> None:
    """What an application keeps by itself belongs to nobody's turn. The methods are given back."""
    store = InMemoryStore()
    store.put(("facts",), "name", {"text": "Ada"})
    assert store.get(("facts",), "name") is not None
    assert spans.all() == ()
    langchain.uninstrument()
    assert not hasattr(BaseStore.put, "__wrapped__")
    assert not hasattr(AsyncBatchedBaseStore.aput, "__wrapped__")


def test_a_store_that_fails_fails_as_before(spans: Spans) -> None:
    """The exception is the store's own, and told."""

    @tool
    def forget() -> str:
        """Forget."""
        get_store().delete(("a.b",), "name")
        get_store().put(("a.b",), "name", {})
        return "done"

    agent: Any = create_agent(says(asks(("forget", {}, "1")), "Sorry."), [forget], store=InMemoryStore())
    with suppress(ValueError):  # which agents of older versions told the model
        agent.invoke({"messages": [HumanMessage("Go.")]}, thread("T"))
    [written] = [
        item
        for item in spans.conversations()["T"]
        if item.type == "memory_write" and "error" in str(item.output)
    ]
    assert "Invalid namespace" in str(written.output)
