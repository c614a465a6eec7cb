"""The nastiest cases, 18 to 20: time travel, many at once, long threads with large contents."""

from __future__ import annotations

import asyncio
import copy
from typing import Any

from langchain_core.messages import HumanMessage
from langgraph.checkpoint.memory import MemorySaver

from greenflash_otel.instrumentation.langchain.handler import HookedHandler
from tests.instrumentation.langchain.models import (
    create_agent,
    echoes,
    lines,
    says,
    thread,
    told,
)
from tests.instrumentation.openai.spans import Spans


def test_case_18_time_travel_with_an_edited_question(spans: Spans) -> None:
    """The message keeps its id and says something else: a branch of the conversation, with its own answer."""
    agent = create_agent(says("One.", "Two.", "Two again."), checkpointer=MemorySaver())
    agent.invoke({"messages": [HumanMessage("1")]}, thread("T"))
    agent.invoke({"messages": [HumanMessage("2")]}, thread("T"))
    before = next(
        state for state in agent.get_state_history(thread("T")) if len(state.values["messages"]) == 3
    )
    edited = HumanMessage("2, but else", id=before.values["messages"][-1].id)
    config = agent.update_state(before.config, {"messages": [edited]})
    agent.invoke(None, config)
    items = spans.conversations()["T"]
    assert [said for _, said in lines(items)] == ["1", "One.", "2", "Two.", "2, but else", "Two again."]
    one, two, two_again = (
        next(item for item in items if item.content == text) for text in ("One.", "2", "2, but else")
    )
    assert two.parent_id == two_again.parent_id == one.id


async def test_case_19_many_at_once_do_not_mix(spans: Spans) -> None:
    """Fifty agents with one handler, two at once on one thread: each message is where it belongs."""
    agent, handler = create_agent(echoes(), checkpointer=MemorySaver()), HookedHandler()

    async def talk(number: int) -> None:
        for turn in range(3):
            config: Any = {**thread(f"T{number}", user_id=f"U{number}"), "callbacks": [handler]}
            await agent.ainvoke({"messages": [HumanMessage(f"{number}.{turn}")]}, config)

    await asyncio.gather(*(talk(number) for number in range(50)))
    found = spans.conversations()
    assert set(found) == {f"T{number}" for number in range(50)}
    for number in range(50):
        said = [f"{number}.{turn}" for turn in range(3)]
        assert [item.content for item in found[f"T{number}"]] == [
            text for entry in said for text in (entry, f"You said {entry}")
        ]
    users = {(update.conversation_id, update.user_id) for update in spans.updates() if update.messages}
    assert users == {(f"T{number}", f"U{number}") for number in range(50)}

    spans.clear()
    both = (agent.ainvoke({"messages": [HumanMessage(text)]}, thread("T")) for text in ("left", "right"))
    await asyncio.gather(*both)
    said = [text for _, text in told(spans, "T")]
    assert sorted(said) == ["You said left", "You said right", "left", "right"]


class Unwritable:
    """A value that nothing can write down."""

    def __reduce__(self) -> Any:
        raise TypeError("not this one")


def test_case_20_a_long_thread_with_large_contents(spans: Spans) -> None:
    """Each turn tells what is new in it, never the pictures' bytes, and changes nothing it was given."""
    agent = create_agent(echoes())
    state: list[Any] = []
    sizes = []
    for turn in range(200):
        picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 5_000_000}}
        content: Any = [{"type": "text", "text": f"turn {turn}"}, *([picture] if turn % 50 == 1 else [])]
        given = [*state, HumanMessage(content, additional_kwargs={"mine": Unwritable()})]
        before = [(message.id, copy.deepcopy(message.content)) for message in given[-5:]]
        spans.clear()
        state = agent.invoke({"messages": given}, thread("T"))["messages"]
        assert [
            (None if message is given[-1] else message.id, message.content) for message in given[-5:]
        ] == before
        sizes.append(
            sum(size_of(value) for span in spans.all() for value in (span.attributes or {}).values())
        )
    assert max(sizes[-100:]) < 1.5 * max(sizes[:10])
    assert [len(span.attributes or {}) < 128 for span in spans.all()] == [True] * len(spans.all())


def size_of(value: object) -> int:
    """The characters of an attribute."""
    return len(str(value))
