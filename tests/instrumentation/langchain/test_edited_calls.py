"""Tool calls that a person edits before they run, and tools that are tried again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import MemorySaver
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
from langgraph.types import Command, interrupt

from greenflash_otel.conversations.update import MessageItem
from tests.instrumentation.langchain.models import asks, create_agent, middleware, says, thread
from tests.instrumentation.langchain.test_agents import graph_of
from tests.instrumentation.openai.spans import Spans

ASKED, EDITED = {"amount": 50}, {"amount": 5}
EDIT = {"type": "edit", "edited_action": {"name": "refund", "args": EDITED}}


@tool
def refund(amount: int) -> str:
    """Refund an amount."""
    return f"refunded {amount}"


@pytest.fixture
def items(spans: Spans) -> Callable[[], list[MessageItem]]:
    """What arrived of the thread."""
    return lambda: spans.conversations()["T"]


def start(agent: Any) -> Any:
    """The user asks, and the agent asks for the tool."""
    return agent.invoke({"messages": [HumanMessage("Refund 50.")]}, thread("T"))


def thank(agent: Any) -> None:
    """Another turn, which resends what was edited."""
    agent.invoke({"messages": [HumanMessage("Thanks.")]}, thread("T"))


def review(rewrite: Callable[[AIMessage, Any], AIMessage], **options: Any) -> Any:
    """An agent by hand in which a person looks at each call; `rewrite` makes what runs of it."""
    model = says(asks(("refund", ASKED, "call_1")), "Done.", "Bye.")

    def ask(state: MessagesState) -> Any:
        return {"messages": [model.invoke(state["messages"])]}

    def check(state: MessagesState) -> Any:
        last: Any = state["messages"][-1]
        return {"messages": [rewrite(last, interrupt("Is that right?"))]}

    def choose(state: MessagesState) -> str:
        return "check" if getattr(state["messages"][-1], "tool_calls", None) else END

    graph = StateGraph(MessagesState)
    graph.add_node("ask", ask)
    graph.add_node("check", check)
    graph.add_node("tools", ToolNode([refund]))
    graph.add_edge(START, "ask").add_conditional_edges("ask", choose, ["check", END])
    graph.add_edge("check", "tools").add_edge("tools", "ask")
    return graph.compile(checkpointer=MemorySaver(), **options)


def replace_in_message(message: AIMessage, reply: Any) -> AIMessage:
    """The same message, with other arguments of the same call."""
    return AIMessage(message.content, tool_calls=[{**message.tool_calls[0], "args": reply}], id=message.id)


def change_in_place(message: AIMessage, reply: Any) -> AIMessage:
    """The same object, changed."""
    message.tool_calls[0]["args"] = reply
    return message


def rename_call(message: AIMessage, reply: Any) -> AIMessage:
    """The same message, with another call."""
    call: Any = {**message.tool_calls[0], "args": reply, "id": "call_2"}
    return AIMessage(message.content, tool_calls=[call], id=message.id)


def check(items: Sequence[MessageItem]) -> None:
    """Each call once: the model's without a result, the edited one with it; then the answers in one line."""
    calls = [item for item in items if item.type == "tool_call"]
    assert [item.input for item in calls] == [ASKED, EDITED]
    [result] = [item for item in items if item.type == "observation"]
    assert result.parent_id == calls[1].id
    assert "refunded 5" in str(result.output)
    places = {item.id: place for place, item in enumerate(items)}
    assert len(places) == len(items)
    assert all(places[item.parent_id] < places[item.id] for item in items[1:] if item.parent_id is not None)
    assert [item.parent_id for item in items].count(None) == 1


@pytest.mark.parametrize("rewrite", [replace_in_message, change_in_place, rename_call])
def test_a_call_that_is_edited_in_the_state(items: Any, rewrite: Any) -> None:
    """A node puts the person's arguments into the message."""
    agent = review(rewrite)
    start(agent)
    agent.invoke(Command(resume=EDITED), thread("T"))
    thank(agent)
    check(items())
    shown = [item.content for item in items() if item.content]
    assert shown == ["Refund 50.", "Is that right?", '{"amount": 5}', "Done.", "Thanks.", "Bye."]


def test_a_call_that_is_edited_where_it_runs(items: Any) -> None:
    """A node hands the tool other arguments than the state has; what the tool asks a model hangs on that call."""
    model = says(asks(("look", ASKED, "call_1")), "Inner.", "Done.")

    @tool
    def look(amount: int) -> str:
        """Refund an amount."""
        return f"refunded {amount}: {model.invoke('Is that right?').content}"

    def ask(state: MessagesState) -> Any:
        return {"messages": [model.invoke(state["messages"])]}

    def run(state: MessagesState) -> Any:
        last: Any = state["messages"][-1]
        return {"messages": [look.invoke({**last.tool_calls[0], "args": EDITED})]}

    graph = StateGraph(MessagesState)
    graph.add_node("ask", ask).add_node("run", run)
    graph.add_edge(START, "ask").add_edge("run", "ask")
    graph.add_conditional_edges("ask", lambda state: "run" if state["messages"][-1].tool_calls else END)
    start(graph.compile(checkpointer=MemorySaver()))
    check(items())
    [inner] = [item for item in items() if item.type == "llm"]
    call = [item for item in items() if item.type == "tool_call"][1]
    assert inner.parent_id == call.id


def test_a_call_that_is_edited_from_outside(items: Any) -> None:
    """`update_state` while the graph waits before its tools."""
    agent = review(lambda message, reply: message, interrupt_before=["check"])
    message: Any = start(agent)["messages"][-1]
    agent.update_state(thread("T"), {"messages": [replace_in_message(message, EDITED)]}, as_node="check")
    agent.invoke(None, thread("T"))
    thank(agent)
    check(items())
    assert [item.content for item in items() if item.content] == ["Refund 50.", "Done.", "Thanks.", "Bye."]


@pytest.mark.parametrize("mode", ["batched", "per_call"])
def test_a_call_that_is_edited_in_middleware(items: Any, mode: str) -> None:
    """LangChain's own, which keeps the model's call in the state, or replaces it, by version."""
    options = {} if mode == "batched" else {"interrupt_mode": mode}
    try:
        in_between = middleware().HumanInTheLoopMiddleware(interrupt_on={"refund": True}, **options)
    except TypeError:
        pytest.skip("LangChain is too old for one interrupt per call")
    model = says(asks(("refund", ASKED, "call_1")), "Done.", "Bye.")
    agent = create_agent(model, [refund], middleware=[in_between], checkpointer=MemorySaver())
    state = start(agent)
    interrupts = {interrupt.id: EDIT for interrupt in state["__interrupt__"]}
    agent.invoke(Command(resume={"decisions": [EDIT]} if mode == "batched" else interrupts), thread("T"))
    thank(agent)
    check(items())


def test_a_call_that_is_approved_is_no_edit(items: Any) -> None:
    """What runs is what was asked for."""
    agent = review(lambda message, reply: message)
    start(agent)
    agent.invoke(Command(resume="yes"), thread("T"))
    types = [item.type for item in items()]
    assert types.count("tool_call") == 1
    assert types.count("observation") == 1


def failing(times: int) -> Any:
    """A tool that is down at first."""
    attempts = iter(range(10))

    @tool
    def look_up(city: str) -> str:
        """Look a city up."""
        if (attempt := next(attempts)) < times:
            raise ConnectionError(f"down {attempt}")
        return "found"

    return look_up.with_retry(stop_after_attempt=3, wait_exponential_jitter=False)


@pytest.mark.parametrize("times", [0, 1, 2])
def test_a_tool_that_a_node_tries_again(items: Any, times: int) -> None:
    """No model asked for it: one call, with what each attempt came to below it, the result last."""
    look_up = failing(times)
    graph_of(lambda state: {"messages": [AIMessage(look_up.invoke({"city": "Oslo"}))]}).invoke(
        {"messages": [HumanMessage("Oslo?")]}, thread("T")
    )
    _, call, *results, answer = items()
    assert [item.type for item in (call, *results)] == ["tool_call", *["tool_error"] * times, "observation"]
    assert {item.parent_id for item in results} == {call.id}
    assert answer.content == "found"


def test_a_tool_that_is_called_twice_is_no_attempt(items: Any) -> None:
    """Two calls of one node with the same arguments are two calls."""
    look_up = failing(0)

    def answer(state: Any) -> Any:
        found = [look_up.invoke({"city": "Oslo"}) for _ in range(2)]
        return {"messages": [AIMessage(" ".join(found))]}

    graph_of(answer).invoke({"messages": [HumanMessage("Oslo?")]}, thread("T"))
    assert [item.type for item in items()].count("tool_call") == 2
