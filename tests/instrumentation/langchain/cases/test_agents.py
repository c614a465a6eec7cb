"""The nastiest cases, 10 to 13: ids used again, hand-offs, agents within agents, summaries."""

from __future__ import annotations

from typing import Any

from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import MemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import Command

from tests.instrumentation.langchain.models import (
    asks,
    create_agent,
    lines,
    middleware,
    parents,
    says,
    thread,
    told,
    weather,
)
from tests.instrumentation.openai.spans import Spans


def test_case_10_a_provider_counts_its_calls_anew_in_each_turn(spans: Spans) -> None:
    """The second ``call_1`` is another call, and has a result of its own."""
    answers = (
        asks(("weather", {"city": "Oslo"}, "call_1")),
        "Sunny there.",
        asks(("weather", {"city": "Rome"}, "call_1")),
        "Sunny as well.",
    )
    agent = create_agent(says(*answers), [weather], checkpointer=MemorySaver())
    for city in ("Oslo", "Rome"):
        agent.invoke({"messages": [HumanMessage(f"{city}?")]}, thread("T"))
    items = spans.conversations()["T"]
    assert lines(items) == [
        ("user_message", "Oslo?"),
        ("tool_call", ("weather", "Oslo")),
        ("observation", "Sunny in Oslo."),
        ("final_response", "Sunny there."),
        ("user_message", "Rome?"),
        ("tool_call", ("weather", "Rome")),
        ("observation", "Sunny in Rome."),
        ("final_response", "Sunny as well."),
    ]
    assert items[6].parent_id == items[5].id
    assert items[4].parent_id == items[3].id


def test_case_11_a_hand_off_is_no_error_and_its_words_are_kept(spans: Spans) -> None:
    """What the first agent said when it handed over is in no state; the second one's answer is the answer."""

    @tool
    def hand_over() -> Command[str]:
        """Let the other agent answer."""
        result = ToolMessage("Handed over.", tool_call_id="call_1")
        return Command(graph=Command.PARENT, goto="second", update={"messages": [result]})

    first = create_agent(
        says(asks(("hand_over", {}, "call_1"), text="Let me pass you on.")), [hand_over], name="first"
    )
    second = create_agent(says("I can help."), name="second")
    graph: Any = StateGraph(MessagesState)
    graph.add_node("first", first)
    graph.add_node("second", second)
    graph.add_edge(START, "first")
    graph.compile().invoke({"messages": [HumanMessage("Help!")]}, thread("T"))
    items = spans.conversations()["T"]
    kinds = [kind for kind, _ in lines(items)]
    assert kinds[0] == "user_message"
    assert lines(items)[-1] == ("final_response", "I can help.")
    assert "tool_error" not in kinds
    assert ("tool_call", ("hand_over",)) in lines(items)
    assert "Let me pass you on." in [said for kind, said in lines(items) if kind in ("thought", "llm")]
    assert {span.status.status_code.name for span in spans.all()} == {"UNSET"}


def test_case_12_an_agent_in_a_tool_speaks_with_no_user(spans: Spans) -> None:
    """On the same thread and with the same metadata: its question and answer are steps of the tool."""
    inner = create_agent(
        says(asks(("weather", {"city": "Oslo"}, "call_9")), "It is sunny."), [weather], name="inner"
    )

    @tool
    def expert(question: str) -> str:
        """Ask the expert."""
        return str(inner.invoke({"messages": [HumanMessage(question)]})["messages"][-1].content)

    outer = create_agent(
        says(asks(("expert", {"question": "Weather?"}, "call_1")), "Take a hat."),
        [expert],
        checkpointer=MemorySaver(),
    )
    outer.invoke({"messages": [HumanMessage("A hat or not?")]}, thread("T"))
    items = spans.conversations()["T"]
    assert len(spans.conversations()) == 1
    visible = [line for line in lines(items) if line[0] in ("user_message", "final_response")]
    assert visible == [("user_message", "A hat or not?"), ("final_response", "Take a hat.")]
    names = {(item.type, item.tool_name): item.id for item in items if item.tool_name}
    assert {item.type for item in items if item.parent_id == names["tool_call", "expert"]} == {
        "llm",
        "tool_call",
        "observation",
    }
    assert ("observation", "Sunny in Oslo.") in lines(items)
    assert parents(items)["Sunny in Oslo."] == "('weather', 'Oslo')"


def test_case_13_a_summary_in_place_of_old_messages(spans: Spans) -> None:
    """What the middleware puts in was never said; nothing is told again, nothing is lost."""
    model = says("One.", "Two.", "They counted.", "Three.", "They counted on.", "Four.")
    summary = middleware().SummarizationMiddleware(model=model, trigger=("messages", 5), keep=("messages", 2))
    agent = create_agent(model, middleware=[summary], checkpointer=MemorySaver())
    states = [
        agent.invoke({"messages": [HumanMessage(text)]}, thread("T"))["messages"]
        for text in ("1", "2", "3", "4")
    ]
    assert any(state.additional_kwargs.get("lc_source") for state in states[-1])
    found = told(spans, "T")
    said = [line for line in found if line[0] != "llm"]
    assert [text for _, text in said] == ["1", "One.", "2", "Two.", "3", "Three.", "4", "Four."]
    assert ("llm", "They counted.") in found
    items = [item for item in spans.conversations()["T"] if item.type != "llm"]
    assert [item.parent_id for item in items] == [None, *[item.id for item in items[:-1]]]
