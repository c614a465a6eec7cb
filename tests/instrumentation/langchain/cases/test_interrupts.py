"""The nastiest cases, 6 to 9: interrupts, people in the loop, tools that nobody has."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from langchain_core.messages import HumanMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import MemorySaver
from langgraph.types import Command, interrupt

from greenflash_otel.instrumentation import langchain
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


@tool
def send(to: str) -> str:
    """Send a mail, if a person agrees."""
    reply = interrupt({"question": f"Send to {to}?"})
    return f"sent: {reply}"


def saved_elsewhere(saver: MemorySaver) -> MemorySaver:
    """The same checkpoints, as another process reads them."""
    other = MemorySaver()
    kept = {key: {name: dict(value) for name, value in of.items()} for key, of in saver.storage.items()}
    storage = pickle.loads(pickle.dumps(kept))  # noqa: S301 - our own
    for key, entry in storage.items():
        for name, value in entry.items():
            other.storage[key][name].update(value)
    other.writes.update(pickle.loads(pickle.dumps(dict(saver.writes))))  # noqa: S301
    other.blobs.update(pickle.loads(pickle.dumps(dict(saver.blobs))))  # noqa: S301
    return other


def test_case_06_an_interrupt_resumed_in_another_process(spans: Spans) -> None:
    """One call, one observation, no error; what was asked and replied are messages."""
    saver = MemorySaver()
    call = asks(("send", {"to": "Ada"}, "call_1"))
    agent = create_agent(says(call), [send], checkpointer=saver)
    agent.invoke({"messages": [HumanMessage("Mail Ada.")]}, thread("T"))

    restarted(spans)
    agent = create_agent(says("Done."), [send], checkpointer=saved_elsewhere(saver))
    agent.invoke(Command(resume="yes"), thread("T"))

    items = spans.conversations()["T"]
    assert lines(items) == [
        ("user_message", "Mail Ada."),
        ("tool_call", ("send", "Ada")),
        ("assistant_message", "Send to Ada?"),
        ("user_message", "yes"),
        ("observation", "sent: yes"),
        ("final_response", "Done."),
    ]


def restarted(spans: Spans) -> None:
    """What the process knew of conversations is forgotten; its spans have arrived."""
    langchain.uninstrument()
    langchain.instrument(spans.tracer, history="new")


def test_case_07_a_static_interrupt_is_neither_an_answer_nor_a_question(spans: Spans) -> None:
    """The first run ends without a word, and the second is given none."""
    call = asks(("weather", {"city": "Oslo"}, "call_1"))
    agent = create_agent(
        says(call, "Sunny."), [weather], checkpointer=MemorySaver(), interrupt_before=["tools"]
    )
    agent.invoke({"messages": [HumanMessage("Oslo?")]}, thread("T"))
    agent.invoke(None, thread("T"))
    assert told(spans, "T") == [
        ("user_message", "Oslo?"),
        ("tool_call", ("weather", "Oslo")),
        ("observation", "Sunny in Oslo."),
        ("final_response", "Sunny."),
    ]


@pytest.mark.parametrize("decision", ["approve", "edit", "reject"])
def test_case_08_a_person_decides_on_a_tool(spans: Spans, decision: str) -> None:
    """Rejected, it fails without having run; edited, what runs is a call of its own."""
    agent = create_agent(
        says(asks(("weather", {"city": "Oslo"}, "call_1")), "So be it."),
        [weather],
        middleware=[middleware().HumanInTheLoopMiddleware(interrupt_on={"weather": True})],
        checkpointer=MemorySaver(),
    )
    agent.invoke({"messages": [HumanMessage("Oslo?")]}, thread("T"))
    replies: dict[str, Any] = {
        "approve": {"type": "approve"},
        "edit": {"type": "edit", "edited_action": {"name": "weather", "args": {"city": "Rome"}}},
        "reject": {"type": "reject", "message": "Not now."},
    }
    agent.invoke(Command(resume={"decisions": [replies[decision]]}), thread("T"))
    found = told(spans, "T")
    said = {"approve": "approve", "reject": "reject: Not now."}
    assert found[:2] == [("user_message", "Oslo?"), ("tool_call", ("weather", "Oslo"))]
    assert [kind for kind, _ in found[2:]] == [
        "assistant_message",
        "user_message",
        *(["tool_call"] if decision == "edit" else []),
        "tool_error" if decision == "reject" else "observation",
        "final_response",
    ]
    assert found[3][1] == said.get(decision, 'edit: {"name": "weather", "args": {"city": "Rome"}}')
    assert {"approve": "Oslo.", "edit": "Sunny in Rome.", "reject": "Not now."}[decision] in found[-2][1]


def test_case_09_a_tool_that_nobody_has_beside_a_good_one(spans: Spans) -> None:
    """Two calls, one observation, and an error that only the node tells of."""
    calls = asks(("weather", {"city": "Oslo"}, "call_1"), ("whether", {"city": "Oslo"}, "call_2"))
    agent = create_agent(says(calls, "Sunny."), [weather])
    agent.invoke({"messages": [HumanMessage("Oslo?")]}, thread("T"))
    items = spans.conversations()["T"]
    kinds = [kind for kind, _ in lines(items)]
    assert sorted(kinds) == sorted(
        ["user_message", "tool_call", "tool_call", "observation", "tool_error", "final_response"]
    )
    [error] = [item for item in items if item.type == "tool_error"]
    [call] = [item for item in items if item.id == error.parent_id]
    assert call.tool_name == "whether"
    assert parents(items)["Sunny."] == "Oslo?"
