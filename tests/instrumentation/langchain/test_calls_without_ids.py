"""Servers behind OpenAI's interface that give every tool call the same id, or an empty one."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import HumanMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import MemorySaver

from tests.instrumentation.langchain.models import asks, create_agent, says, thread
from tests.instrumentation.openai.spans import Spans

ONE, TWO = ("look", {"x": 1}), ("look", {"x": 2})


@tool
def look(x: int) -> str:
    """Look."""
    return f"saw {x}"


@tool
def find(x: int) -> str:
    """Find."""
    return f"found {x}"


def play(questions: list[str], *answers: Any, **options: Any) -> None:
    """The user asks an agent."""
    agent = create_agent(says(*answers), [look, find], **options)
    messages: list[Any] = []
    for question in questions:
        resent = [] if options else messages
        messages = agent.invoke({"messages": [*resent, HumanMessage(question)]}, thread("T"))["messages"]


def list_pairs(spans: Spans) -> list[tuple[Any, Any]]:
    """The arguments of each call, and what its tool returned."""
    items = spans.conversations()["T"]
    calls = {item.id: item.input for item in items if item.type == "tool_call"}
    results = [item for item in items if item.type == "observation"]
    assert len(calls) == len(results)
    assert not [item for item in items if item.type == "llm"]
    return [(calls[item.parent_id], item.output) for item in results if item.parent_id]


def pair(x: int, result: str = "saw") -> tuple[Any, Any]:
    """What is right for one call."""
    return {"x": x}, {"result": f"{result} {x}"}


@pytest.mark.parametrize("id", ["call_0", ""])
@pytest.mark.parametrize("options", [{}, {"checkpointer": True}], ids=["resent", "checkpointer"])
def test_calls_of_several_answers(spans: Spans, id: str, options: dict[str, Any]) -> None:
    """Also in the next turn, and the same call again."""
    options = {"checkpointer": MemorySaver()} if options else {}
    answers = [asks((*ONE, id)), asks((*TWO, id)), "Done.", asks((*ONE, id)), asks((*ONE, id)), "Again."]
    play(["Go.", "Once more."], *answers, **options)
    assert list_pairs(spans) == [pair(1), pair(2), pair(1), pair(1)]
    shown = [item.content for item in spans.conversations()["T"] if item.content]
    assert shown == ["Go.", "Done.", "Once more.", "Again."]


def test_calls_of_one_answer(spans: Spans) -> None:
    """The results come in the order of the calls."""
    play(["Go."], asks((*ONE, ""), (*TWO, ""), ("find", {"x": 3}, "")), "Done.")
    assert sorted(map(str, list_pairs(spans))) == sorted(map(str, [pair(1), pair(2), pair(3, "found")]))
