"""How turns end: streams that are left, None as a result, several bubbles, several interrupts answered at once."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.runnables import RunnableLambda
from langgraph.checkpoint.memory import MemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import Command, interrupt

from greenflash_otel.instrumentation.langchain import recorder
from tests.instrumentation.langchain.models import asks, create_agent, says, thread, told, weather
from tests.instrumentation.openai.spans import Spans

WHOLE = "one two three four five"
READ = "one two"
ASKED: Any = {"messages": [HumanMessage("Count.")]}


def text_of(event: Any) -> str:
    """What a reader of a stream reads of one event."""
    found = event[0] if isinstance(event, tuple) else event
    if isinstance(found, dict):
        found = found["data"]["chunk"] if found["event"] == "on_chat_model_stream" else ""
    if isinstance(found, str):
        return found
    return str(found.content) if type(found).__name__ == "AIMessageChunk" else ""


def leave_sync(stream: Any) -> None:
    """Read what the person reads, and go."""
    read = ""
    for event in stream:
        read += text_of(event)
        if read.strip() == READ:
            break
    stream.close()


async def leave(stream: Any) -> None:
    """The same, asynchronously."""
    read = ""
    async for event in stream:
        read += text_of(event)
        if read.strip() == READ:
            break
    await stream.aclose()


def agent() -> Any:
    """An agent that asks for a tool first."""
    return create_agent(says(asks(("weather", {"city": "Rome"}, "call_1")), WHOLE), [weather])


def chain() -> Any:
    """A model whose answer is made a text."""
    return says(WHOLE) | StrOutputParser()


LEFT: dict[str, Callable[[Any], Any]] = {
    "agent, stream": lambda at: leave_sync(agent().stream(ASKED, at, stream_mode="messages")),
    "agent, astream": lambda at: asyncio.run(leave(agent().astream(ASKED, at, stream_mode="messages"))),
    "agent, events": lambda at: asyncio.run(leave(agent().astream_events(ASKED, at, version="v2"))),
    "chain, stream": lambda at: leave_sync(chain().stream("Count.", at)),
    "chain, astream": lambda at: asyncio.run(leave(chain().astream("Count.", at))),
    "chain, events": lambda at: asyncio.run(leave(chain().astream_events("Count.", at, version="v2"))),
    "model, stream": lambda at: leave_sync(says(WHOLE).stream("Count.", at)),
    "model, astream": lambda at: asyncio.run(leave(says(WHOLE).astream("Count.", at))),
}


@pytest.mark.parametrize("way", LEFT)
def test_a_stream_that_is_left(way: str, spans: Spans) -> None:
    """One answer with what was read, or a little more; how it ended; no further step for the same call."""
    LEFT[way]({"configurable": {"thread_id": "T"}, "metadata": {"thread_id": "T"}})
    gc.collect()
    recorder.tidy()
    lines = [line for line in told(spans, "T") if line[0] not in ("tool_call", "observation")]
    assert lines[0] == ("user_message", "Count.")
    [(type, answer)] = lines[1:]
    assert type in ("assistant_message", "final_response")
    assert answer.startswith(READ)
    assert WHOLE.startswith(answer)
    items = spans.conversations()["T"]
    assert items[-1].properties.get("ending") in ("abandoned", "cancelled")


@pytest.mark.parametrize("result", [None, ""])
def test_a_chain_that_gives_nothing_ended_well(result: Any, spans: Spans) -> None:
    """It ran for its side effects."""
    quiet: Any = RunnableLambda(lambda _: result)
    quiet.invoke("File this.", {"metadata": {"thread_id": "T"}})
    assert told(spans, "T") == [("user_message", "File this.")]
    assert {operation.ending for operation in spans.operations()} == {"completed"}


def graph(*nodes: Callable[[Any], Any], **options: Any) -> Any:
    """Nodes one after the other."""
    builder: Any = StateGraph(MessagesState)
    for index, node in enumerate(nodes):
        builder.add_node(f"node {index}", node)
        builder.add_edge(f"node {index - 1}" if index else START, f"node {index}")
    return builder.compile(**options)


def speaks(*texts: str) -> Callable[[Any], Any]:
    """A node that says these, without a model."""
    return lambda _: {"messages": [AIMessage(text) for text in texts]}


def answers(state: Any) -> Any:
    """A node that has a model answer."""
    return {"messages": [says("From a model.").invoke(state["messages"])]}


def answers_and_asks(state: Any) -> Any:
    """The same, with a second bubble."""
    return Command(update={"messages": [says("From a model.").invoke(state["messages"]), AIMessage("Else?")]})


@pytest.mark.parametrize(
    ("nodes", "shown"),
    [
        ((speaks("Here.", "Else?"),), ["Here.", "Else?"]),
        ((speaks("Here."), speaks("Else?")), ["Here.", "Else?"]),
        ((answers_and_asks,), ["From a model.", "Else?"]),
        ((answers, speaks("Else?")), ["From a model.", "Else?"]),
        ((speaks("A draft."), answers), ["From a model."]),
        ((answers, answers), ["From a model."]),
    ],
)
def test_bubbles_that_nothing_stands_between(nodes: Any, shown: list[str], spans: Spans) -> None:
    """The user saw all of them; what a model came after led to its answer."""
    compiled = graph(*nodes, checkpointer=MemorySaver())
    for _ in range(2):
        compiled.invoke(ASKED, thread("T"))
    found = [said for type, said in told(spans, "T") if type in ("assistant_message", "final_response")]
    assert found == shown * 2


def test_replies_to_several_interrupts(spans: Spans) -> None:
    """Each is a message of its own, after the questions; the ids are nobody's words."""

    def asking(question: str) -> Callable[[Any], Any]:
        return lambda _: {"messages": [AIMessage(f"noted {interrupt(question)}")]}

    builder: Any = StateGraph(MessagesState)
    for question in ("Name?", "Age?"):
        builder.add_node(question, asking(question))
        builder.add_edge(START, question)
    compiled = builder.compile(checkpointer=MemorySaver())
    result = compiled.invoke(ASKED, thread("T"))
    asked = {
        interrupt.value: getattr(interrupt, "id", None) or interrupt.interrupt_id
        for interrupt in result["__interrupt__"]
    }
    replies = {asked["Name?"]: "Ada", asked["Age?"]: 36}
    compiled.invoke(Command(resume=replies), thread("T"))
    found = told(spans, "T")
    assert sorted(said for type, said in found if type == "user_message") == ["36", "Ada", "Count."]
    assert {said for type, said in found[1:3]} == {"Name?", "Age?"}
    assert {said for type, said in found[3:5]} == {"Ada", "36"}
