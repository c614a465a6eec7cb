"""Turns of LangChain in their order: text before its call, attempts on one call, facts with their own text."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.tools import tool
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
from langgraph.types import Command, interrupt

from greenflash_otel.conversations.update import MessageItem
from tests.instrumentation.langchain.models import asks, create_agent, says, thread, weather
from tests.instrumentation.openai.spans import Spans

HISTORY = [HumanMessage("1"), AIMessage("One."), HumanMessage("2"), AIMessage("Two."), HumanMessage("3")]


def shown(items: Sequence[MessageItem]) -> list[str | None]:
    """What each message says, or its type."""
    return [item.content or item.type for item in items]


@pytest.mark.parametrize("streams", [False, True])
def test_text_before_the_call_it_came_with(streams: bool, spans: Spans) -> None:
    """Question, text, calls, results, answer: in the order in which they happened, turn after turn."""
    call = asks(("weather", {"city": "Oslo"}, "1"), ("weather", {"city": "Rome"}, "2"))
    call.content = "Let me look."
    agent: Any = create_agent(says(call, "Sunny."), [weather])
    given = {"messages": [HumanMessage("Weather?")]}
    list(agent.stream(given, thread("T"))) if streams else agent.invoke(given, thread("T"))
    items = spans.conversations()["T"]
    assert shown(items) == [
        "Weather?",
        "Let me look.",
        "tool_call",
        "tool_call",
        "observation",
        "observation",
        "Sunny.",
    ]
    assert [item.parent_id for item in items[2:4]] == [items[1].id] * 2
    assert {item.tool_name for item in items[2:6]} == {"weather"}


@pytest.mark.parametrize("history", [HISTORY, [AIMessage("Hello!"), HumanMessage("3")]])
def test_a_history_that_nobody_recorded(history: list[Any], spans: Spans) -> None:
    """It is in the order in which it was said, a greeting first."""
    create_agent(says("Three."), []).invoke({"messages": history}, thread("T"))
    assert shown(spans.conversations()["T"]) == [*(message.content for message in history), "Three."]


def test_facts_are_with_the_text_of_their_own_call(spans: Spans) -> None:
    """Tokens and finish reason of two calls are with two texts, and count once."""

    def with_facts(message: AIMessage, tokens: int, reason: str) -> AIMessage:
        usage: Any = {"input_tokens": tokens, "output_tokens": 1, "total_tokens": tokens + 1}
        message.usage_metadata, message.response_metadata = usage, {"finish_reason": reason}
        return message

    call = asks(("weather", {"city": "Oslo"}, "1"))
    call.content = "Let me look."
    model = says(with_facts(call, 5, "tool_calls"), with_facts(AIMessage("Sunny."), 9, "stop"))
    create_agent(model, [weather]).invoke({"messages": [HumanMessage("Weather?")]}, thread("T"))
    facts = [
        (message.content, message.properties)
        for message in spans.conversations()["T"]
        if "input_tokens" in message.properties
    ]
    assert [(text, fact["input_tokens"], fact["finish_reason"]) for text, fact in facts] == [
        ("Let me look.", 5, "tool_calls"),
        ("Sunny.", 9, "stop"),
    ]


def test_a_tool_that_is_tried_again(spans: Spans) -> None:
    """The model asked once: one call, with the failed attempts and the result below it."""
    attempts = list[int]()

    @tool
    def flaky() -> str:
        """Work the third time."""
        attempts.append(1)
        if len(attempts) < 3:
            raise ValueError(f"down {len(attempts)}")
        return "finally"

    def run(state: MessagesState) -> Any:
        for _ in range(2):
            with suppress(ValueError):
                flaky.invoke(state["messages"][-1].tool_calls[0])  # type: ignore[union-attr]
        return {"messages": [flaky.invoke(state["messages"][-1].tool_calls[0])]}  # type: ignore[union-attr]

    model = says(asks(("flaky", {}, "1")), "Done.")
    graph: Any = StateGraph(MessagesState).add_node(
        "ask", lambda state: {"messages": [model.invoke(state["messages"])]}
    )
    graph.add_node("run", run).add_node("say", lambda state: {"messages": [model.invoke(state["messages"])]})
    graph.add_edge(START, "ask").add_edge("ask", "run").add_edge("run", "say")
    graph.compile().invoke({"messages": [HumanMessage("Go")]}, thread("T"))
    items = spans.conversations()["T"]
    assert shown(items) == ["Go", "tool_call", "tool_error", "tool_error", "observation", "Done."]
    assert {item.parent_id for item in items[2:5]} == {items[1].id}


def test_a_tool_that_interrupts_next_to_another(spans: Spans) -> None:
    """Both calls of one node are recorded once, each with one result, however often the node runs."""
    checkpoints = pytest.importorskip("langgraph.checkpoint.memory")

    @tool
    def send(to: str) -> str:
        """Send a letter."""
        return f"{to}: {interrupt('Send it?')}"

    model = says(asks(("send", {"to": "ada"}, "1"), ("send", {"to": "bob"}, "2")), "Sent.")
    graph: Any = StateGraph(MessagesState).add_node(
        "ask", lambda state: {"messages": [model.invoke(state["messages"])]}
    )
    graph.add_node("tools", ToolNode([send])).add_node(
        "say", lambda state: {"messages": [model.invoke(state["messages"])]}
    )
    graph.add_edge(START, "ask").add_edge("ask", "tools").add_edge("tools", "say")
    agent = graph.compile(checkpointer=checkpoints.MemorySaver())
    given: Any = {"messages": [HumanMessage("Go")]}
    while agent.invoke(given, thread("T")).get("__interrupt__"):
        given = Command(resume="yes")
    items = spans.conversations()["T"]
    calls = {item.id: (item.input or {}).get("to") for item in items if item.type == "tool_call"}
    assert sorted(calls.values(), key=str) == ["ada", "bob"]
    results = [calls[item.parent_id or ""] for item in items if item.type == "observation"]
    assert sorted(results, key=str) == ["ada", "bob"]
