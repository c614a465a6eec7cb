"""Chains, nodes and inner graphs: told only where somebody asks for it."""

from __future__ import annotations

from typing import Any

from langchain_core.messages import HumanMessage
from langchain_core.prompts import ChatPromptTemplate

from greenflash_otel.instrumentation import langchain
from tests.instrumentation.langchain.models import create_agent, says, thread
from tests.instrumentation.langchain.test_agents import graph_of
from tests.instrumentation.openai.spans import Spans


def test_they_are_told_on_demand(spans: Spans) -> None:
    """A graph within a graph is a workflow, its nodes are tasks, a chain has a start and an end."""
    langchain.instrument(spans.tracer, history="new", chains=True)
    chain = ChatPromptTemplate.from_messages([("user", "{text}")]) | says("Noted.")

    def note(state: Any) -> Any:
        chain.invoke({"text": "Note it."})
        return {}

    inner = create_agent(says("Hello."))
    inner.name = "inner"
    graph_of(note, inner).invoke({"messages": [HumanMessage("Hi")]}, thread("T"))
    items = spans.conversations()["T"]
    steps = [(item.type, (item.input or {}).get("name")) for item in items if item.type != "llm"]
    assert ("task", "note") in steps
    assert ("workflow", "inner") in steps
    assert ("chain_start", "RunnableSequence") in steps
    start = next(item for item in items if (item.input or {}).get("name") == "RunnableSequence")
    end = next(item for item in items if item.type == "chain_end" and item.parent_id == start.id)
    assert (start.input or {})["input"] == {"text": "Note it."}
    assert (end.output or {})["output"] == {"role": "assistant", "content": "Noted."}
    visible = [item.content for item in items if item.content]
    assert visible == ["Hi", "Hello."]


def test_they_are_not_told_otherwise(spans: Spans) -> None:
    """Eight chains around every question would be noise."""
    graph_of(create_agent(says("Hello."))).invoke({"messages": [HumanMessage("Hi")]}, thread("T"))
    assert [item.type for item in spans.conversations()["T"]] == ["user_message", "assistant_message"]
