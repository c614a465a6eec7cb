"""Agents and graphs: what the user saw is content, everything else a hidden step in its place."""

from __future__ import annotations

import operator
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langgraph.checkpoint.memory import MemorySaver
from langgraph.errors import GraphRecursionError
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.types import Command, Send, interrupt
from pydantic import BaseModel

from tests.instrumentation.langchain.models import (
    asks,
    breaks,
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

QUESTION: Any = {"messages": [HumanMessage("Hi")]}


def graph_of(*nodes: Any, checkpointer: Any = None) -> Any:
    """A graph whose nodes run one after the other, each with its function's name."""
    graph: Any = StateGraph(MessagesState)
    names = [getattr(node, "__name__", None) or node.name for node in nodes]
    graph.add_sequence(list(zip(names, nodes, strict=True)))
    graph.add_edge(START, names[0])
    return graph.compile(checkpointer=checkpointer)


def test_an_answer_without_any_model(spans: Spans) -> None:
    """A node may say something of its own."""

    def canned(state: MessagesState) -> Any:
        return {"messages": [AIMessage("We are closed.")]}

    graph_of(canned).invoke(QUESTION, thread("T"))
    assert told(spans, "T") == [("user_message", "Hi"), ("assistant_message", "We are closed.")]


def test_a_router_before_the_answer_is_a_step(spans: Spans) -> None:
    """What a node asks a model for itself is in no state."""
    router = says("billing")

    def route(state: MessagesState) -> Any:
        router.invoke([SystemMessage("Which department?"), *state["messages"]])
        return {}

    def answer(state: MessagesState) -> Any:
        return {"messages": [says("We will refund you.").invoke(state["messages"])]}

    graph_of(route, answer).invoke(QUESTION, thread("T"))
    items = spans.conversations()["T"]
    assert lines(items) == [
        ("user_message", "Hi"),
        ("llm", "billing"),
        ("assistant_message", "We will refund you."),
    ]
    assert parents(items)["billing"] == "Hi"


def test_a_subgraph_speaks_for_the_graph(spans: Spans) -> None:
    """An agent as a node: its answer is the answer, its tools are told in full."""
    inner = create_agent(says(asks(("weather", {"city": "Oslo"}, "1")), "Sunny."), [weather], name="inner")
    graph_of(inner).invoke(QUESTION, thread("T"))
    assert told(spans, "T") == [
        ("user_message", "Hi"),
        ("tool_call", ("weather", "Oslo")),
        ("observation", "Sunny in Oslo."),
        ("final_response", "Sunny."),
    ]


def test_a_supervisor_asks_two_experts(spans: Spans) -> None:
    """The last of those who speak answers; what the others said led to it."""
    one = create_agent(says("I think yes."), name="one")
    other = create_agent(says("So: yes."), name="other")
    graph_of(one, other).invoke(QUESTION, thread("T"))
    items = spans.conversations()["T"]
    assert lines(items) == [
        ("user_message", "Hi"),
        ("llm", "I think yes."),
        ("assistant_message", "So: yes."),
    ]


class State(TypedDict):
    subjects: list[str]
    jokes: Annotated[list[str], operator.add]


def test_branches_of_a_graph_that_keeps_no_messages(spans: Spans) -> None:
    """Without messages, what the graph was given and returned is told."""
    model = says("A joke.", "A joke.")

    def joke(state: Any) -> Any:
        return {"jokes": [model.invoke(f"About {state['subject']}").content]}

    graph: Any = StateGraph(State)
    graph.add_node("joke", joke)
    sends = lambda state: [Send("joke", {"subject": subject}) for subject in state["subjects"]]  # noqa: E731
    graph.add_conditional_edges(START, sends, ["joke"])
    graph.add_edge("joke", END)
    graph.compile().invoke({"subjects": ["cats", "dogs"]}, thread("T"))
    found = told(spans, "T")
    assert [line for line in found if line[0] == "llm"] == [("llm", "A joke.")] * 2
    assert found[-1][0] == "assistant_message"
    assert "A joke." in found[-1][1]


class Joke(BaseModel):
    """A joke."""

    setup: str
    punchline: str


def test_a_structured_answer(spans: Spans) -> None:
    """The tool by which the model writes it ran nowhere; what the user got is the answer."""
    middleware()  # before them, agents asked a model once more
    answer = asks(("Joke", {"setup": "Why?", "punchline": "Because."}, "1"))
    agent: Any = create_agent(says(answer), response_format=Joke)
    result = agent.invoke(QUESTION, thread("T"))
    assert result["structured_response"] == Joke(setup="Why?", punchline="Because.")
    found = told(spans, "T")
    assert found[0] == ("user_message", "Hi")
    assert found[-1] == ("final_response", '{"setup": "Why?", "punchline": "Because."}')


def test_middleware_that_falls_back(spans: Spans) -> None:
    """The model that was down is a failed step, the other one answers."""
    agent: Any = create_agent(breaks(), middleware=[middleware().ModelFallbackMiddleware(says("Here."))])
    agent.invoke(QUESTION, thread("T"))
    items = spans.conversations()["T"]
    assert [kind for kind, _ in lines(items)] == ["user_message", "llm", "assistant_message"]
    assert "error" in str(items[1].output)


def test_middleware_that_asks_a_model(spans: Spans) -> None:
    """A guard's verdict is a step."""

    class Guard(middleware().AgentMiddleware):  # type: ignore[misc]  # of newer versions only
        def before_model(self, state: Any, runtime: Any) -> None:
            says("safe").invoke(state["messages"])

    agent: Any = create_agent(says("Hello."), middleware=[Guard()])
    agent.invoke(QUESTION, thread("T"))
    assert told(spans, "T") == [("user_message", "Hi"), ("llm", "safe"), ("assistant_message", "Hello.")]


def test_middleware_that_ends_the_turn(spans: Spans) -> None:
    """What it says in place of a model is the answer."""
    limit = middleware().ToolCallLimitMiddleware(run_limit=1, exit_behavior="end")
    calls = asks(("weather", {"city": "Oslo"}, "1")), asks(("weather", {"city": "Rome"}, "2"))
    agent: Any = create_agent(says(*calls), [weather], middleware=[limit])
    final = agent.invoke(QUESTION, thread("T"))["messages"][-1]
    assert isinstance(final, AIMessage)
    assert told(spans, "T")[-1] == ("final_response", final.text)


def test_reasoning_and_words_beside_a_call_are_thoughts(spans: Spans) -> None:
    """Those of the answer too."""
    first = asks(("weather", {"city": "Oslo"}, "1"), text="I will look.")
    reasoning = {"type": "reasoning", "reasoning": "It is warm there."}
    second = AIMessage(content=[reasoning, {"type": "text", "text": "Sunny."}])
    agent: Any = create_agent(says(first, second), [weather])
    agent.invoke(QUESTION, thread("T"))
    found = told(spans, "T")
    assert ("thought", "It is warm there.") in found
    assert ("final_response", "Sunny.") in found
    assert ("assistant_message", "I will look.") in found


def test_a_graph_that_goes_in_circles(spans: Spans) -> None:
    """The question is there, the calls are, and that the turn failed."""
    middleware()  # before them, agents apologized
    agent: Any = create_agent(
        says(*[asks(("weather", {"city": "Oslo"}, str(n))) for n in range(9)]), [weather]
    )
    with pytest.raises(GraphRecursionError):
        agent.invoke(QUESTION, {**thread("T"), "recursion_limit": 4})
    found = told(spans, "T")
    assert found[0] == ("user_message", "Hi")
    assert (
        [kind for kind, _ in found].count("tool_call")
        == [kind for kind, _ in found].count("observation")
        == 2
    )


def test_the_functional_api(spans: Spans) -> None:
    """An entrypoint with tasks; it interrupts and goes on."""

    func: Any = pytest.importorskip("langgraph.func", reason="LangGraph is too old")

    @func.task
    def draft(topic: str) -> Any:
        return says(f"On {topic}.").invoke("Write.").content

    @func.entrypoint(checkpointer=MemorySaver())
    def write(topic: str) -> str:
        text = draft(topic).result()
        return f"{text} {interrupt('Good?')}"

    write.invoke("cats", thread("T"))
    write.invoke(Command(resume="Yes!"), thread("T"))
    assert told(spans, "T") == [
        ("user_message", "cats"),
        ("llm", "On cats."),
        ("assistant_message", "Good?"),
        ("user_message", "Yes!"),
        ("assistant_message", "On cats. Yes!"),
    ]


def test_two_turns_on_a_checkpointer(spans: Spans) -> None:
    """The second turn gives only its question; what it follows on is known."""
    agent: Any = create_agent(says("One.", "Two."), checkpointer=MemorySaver(), system_prompt="Be brief.")
    agent.invoke({"messages": [HumanMessage("1")]}, thread("T", user_id="ada"))
    agent.invoke({"messages": [HumanMessage("2")]}, thread("T", user_id="ada"))
    items = spans.conversations()["T"]
    assert [said for _, said in lines(items)] == ["1", "One.", "2", "Two."]
    assert [item.parent_id for item in items] == [None, *[item.id for item in items[:-1]]]
    told_of = [update for update in spans.updates() if update.messages]
    assert {(owner.user_id, owner.system_prompt) for owner in told_of} == {("ada", "Be brief.")}


def test_facts_of_the_answer(spans: Spans) -> None:
    """Model, tokens and latency come from the call that gave it."""
    usage: Any = {"input_tokens": 5, "output_tokens": 7, "total_tokens": 12}
    about = {"model_name": "sunny-1", "finish_reason": "stop"}
    model = says(AIMessage("Hello.", usage_metadata=usage, response_metadata=about))
    agent: Any = create_agent(model)
    agent.invoke(QUESTION, thread("T"))
    answer = spans.conversations()["T"][-1]
    assert answer.model == "sunny-1"
    facts = dict(answer.properties)
    assert facts.pop("latency_ms") is not None
    assert facts == {
        "provider": "says",
        "input_tokens": 5,
        "output_tokens": 7,
        "finish_reason": "stop",
    }


@pytest.mark.filterwarnings("ignore:The v3 streaming protocol", "ignore:The method `BaseChatModel")
async def test_the_newest_way_to_stream(spans: Spans) -> None:
    """Version 3 of ``stream_events``, of an agent and of a model, sync and async, tells the same turns."""

    def make() -> Any:
        return create_agent(says(asks(("weather", {"city": "Oslo"}, "1")), "Sunny there."), [weather])

    if not hasattr(make(), "stream_events"):
        pytest.skip("LangGraph is too old")
    list(make().stream_events(QUESTION, thread("sync"), version="v3"))
    async for _ in await make().astream_events(QUESTION, thread("async"), version="v3"):
        pass
    model: Any = says("Sunny there.")
    config: Any = {"metadata": {"thread_id": "model"}}
    ended = len(spans.all())
    async for _ in await model.astream_events([HumanMessage("Hi")], config, version="v3"):
        pass
    await spans.arrive(ended + 1)
    assert told(spans, "sync") == told(spans, "async")
    assert told(spans, "async") == [
        ("user_message", "Hi"),
        ("tool_call", ("weather", "Oslo")),
        ("observation", "Sunny in Oslo."),
        ("final_response", "Sunny there."),
    ]
    assert told(spans, "model") == [("user_message", "Hi"), ("assistant_message", "Sunny there.")]
