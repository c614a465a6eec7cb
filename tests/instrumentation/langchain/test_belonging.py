"""To whom a run belongs that outlives its turn, or begins in the context of another: to whom it names itself."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.runnables import RunnableLambda
from langgraph.graph import START, MessagesState, StateGraph

import greenflash_otel as greenflash
from greenflash_otel.context import get_conversation_context
from greenflash_otel.model.operation import ConversationContext
from tests.instrumentation.langchain.models import says, told
from tests.instrumentation.openai.spans import Spans


def graph(node: Callable[[Any], Any]) -> Any:
    """A graph of one node."""
    builder: Any = StateGraph(MessagesState)
    return builder.add_node("bot", node).add_edge(START, "bot").compile()


def asked(text: str) -> Any:
    """What a person says."""
    return {"messages": [HumanMessage(text)]}


def config(thread: str, user: str | None = None) -> Any:
    """A thread, and whose it is."""
    return {"configurable": {"thread_id": thread, **({"user_id": user} if user else {})}}


def chat(text: str, answer: str) -> list[tuple[str, str]]:
    """A turn without tools."""
    return [("user_message", text), ("assistant_message", answer)]


def users(spans: Spans, conversation_id: str) -> set[str | None]:
    """Whose a conversation is said to be."""
    found = [operation.conversation_context for operation in spans.operations()]
    return {update.user_id for update in found if update.conversation_id == conversation_id}


async def test_a_model_call_after_the_turn_is_a_hidden_step_of_its_conversation(spans: Spans) -> None:
    """As when a title is written in the background: at the first level, and below a chain that is late itself."""
    tasks, turn_is_over = list[Any](), asyncio.Event()

    async def write_title() -> None:
        await turn_is_over.wait()
        await says("A title").ainvoke("Write a title.")
        late: Any = RunnableLambda(lambda _: says("A summary").invoke("Summarise.").content)
        await late.ainvoke("x")

    async def answer(_: Any) -> Any:
        tasks.append(asyncio.create_task(write_title()))
        return {"messages": [AIMessage("Hello.")]}

    await graph(answer).ainvoke(asked("Hi"), config("T", "ada"))
    assert told(spans, "T") == chat("Hi", "Hello.")
    turn_is_over.set()
    await asyncio.gather(*tasks)
    assert told(spans, "T") == [*chat("Hi", "Hello."), ("llm", "A title"), ("llm", "A summary")]
    assert list(spans.conversations()) == ["T"]
    assert users(spans, "T") == {"ada"}


async def test_a_step_that_goes_on_does_not_hold_its_turn_back(spans: Spans) -> None:
    """The turn is recorded when its root ends; what the step came to follows."""
    tasks, go_on, began = list[Any](), asyncio.Event(), asyncio.Event()

    async def wait(_: Any) -> str:
        began.set()
        await go_on.wait()
        return str((await says("Done late.").ainvoke("Go.")).content)

    async def answer(_: Any) -> Any:
        slow: Any = RunnableLambda(wait)
        tasks.append(asyncio.create_task(slow.ainvoke("x")))
        await began.wait()
        return {"messages": [AIMessage("Quick.")]}

    await graph(answer).ainvoke(asked("Now?"), config("T"))
    assert told(spans, "T") == chat("Now?", "Quick.")
    go_on.set()
    await asyncio.gather(*tasks)
    assert told(spans, "T") == [*chat("Now?", "Quick."), ("llm", "Done late.")]


@pytest.mark.parametrize("where", ["configurable", "metadata"])
@pytest.mark.parametrize("in_block", [False, True])
async def test_a_worker_runs_the_agents_of_others(where: str, in_block: bool, spans: Spans) -> None:
    """The first request starts it; each job names its own thread and user."""
    queue: asyncio.Queue[str | None] = asyncio.Queue()
    workers = list[Any]()
    job = graph(lambda state: {"messages": [AIMessage(f"mail to {state['messages'][-1].content}")]})

    async def work() -> None:
        while (who := await queue.get()) is not None:
            about = {"thread_id": f"job of {who}", "user_id": who}
            await job.ainvoke(asked(who), {where: about})
            queue.task_done()
        queue.task_done()

    async def enqueue(state: Any) -> Any:
        return {"messages": [AIMessage("queued")]}

    async def serve(who: str) -> None:
        if not workers:
            workers.append(asyncio.create_task(work()))
        await graph(enqueue).ainvoke(asked(who), config(f"chat of {who}", who))

    for who in ("ada", "bob"):
        if in_block:
            with greenflash.conversation(f"chat of {who}", user_id=who):
                await serve(who)
        else:
            await serve(who)
        queue.put_nowait(who)
        await queue.join()
    queue.put_nowait(None)
    await asyncio.gather(*workers)
    for who in ("ada", "bob"):
        assert told(spans, f"chat of {who}") == chat(who, "queued")
        assert told(spans, f"job of {who}") == chat(who, f"mail to {who}")
        assert users(spans, f"job of {who}") == {who}


def test_a_thread_with_a_copied_context(spans: Spans) -> None:
    """It was started in a turn, and works for somebody else after that."""
    threads, turn_is_over = list[threading.Thread](), threading.Event()

    def work() -> None:
        turn_is_over.wait(10)
        graph(lambda _: {"messages": [AIMessage("For bob.")]}).invoke(asked("Mine"), config("bob's", "bob"))

    def answer(_: Any) -> Any:
        threads.append(threading.Thread(target=contextvars.copy_context().run, args=(work,)))
        threads[0].start()
        return {"messages": [AIMessage("Started.")]}

    graph(answer).invoke(asked("Start"), config("ada's", "ada"))
    turn_is_over.set()
    threads[0].join(10)
    assert told(spans, "ada's") == chat("Start", "Started.")
    assert told(spans, "bob's") == chat("Mine", "For bob.")
    assert users(spans, "bob's") == {"bob"}


def test_an_agent_of_another_user_within_a_turn(spans: Spans) -> None:
    """It is that user's turn, though the turn around it goes on; an agent with a thread only is a step."""
    other = graph(lambda _: {"messages": [AIMessage("For bob.")]})
    helper = graph(lambda state: {"messages": [says("A thought.").invoke(state["messages"])]})

    def answer(_: Any) -> Any:
        other.invoke(asked("Mine"), config("bob's", "bob"))
        helper.invoke(asked("Help"), config("helper"))
        return {"messages": [AIMessage("For ada.")]}

    graph(answer).invoke(asked("Hers"), config("ada's", "ada"))
    assert told(spans, "bob's") == chat("Mine", "For bob.")
    assert sorted(told(spans, "ada's")) == sorted([*chat("Hers", "For ada."), ("llm", "A thought.")])


async def test_code_of_a_worker_after_an_agent_in_its_own_block(spans: Spans) -> None:
    """What the worker inherited does not come back when the agent that it ran has ended."""
    tasks, turn_is_over, seen = list[Any](), asyncio.Event(), list[str | None]()

    async def work() -> None:
        await turn_is_over.wait()
        seen.append(get_conversation_context().conversation_id)
        with greenflash.conversation("job of bob", user_id="bob"):
            await graph(lambda _: {"messages": [AIMessage("Done.")]}).ainvoke(asked("Go"))
            seen.append(get_conversation_context().conversation_id)

    async def answer(_: Any) -> Any:
        tasks.append(asyncio.create_task(work()))
        return {"messages": [AIMessage("Started.")]}

    await graph(answer).ainvoke(asked("Start"), config("ada's", "ada"))
    turn_is_over.set()
    await asyncio.gather(*tasks)
    assert seen == ["ada's", "job of bob"]
    assert told(spans, "job of bob") == chat("Go", "Done.")


def test_who_it_is_is_known_whatever_a_node_calls(spans: Spans) -> None:
    """User and organization of `configurable` are known from the beginning of the turn, and in its nodes."""
    seen = list[ConversationContext]()

    def answer(_: Any) -> Any:
        seen.append(get_conversation_context())
        return {"messages": [AIMessage("Hello.")]}

    who = {"thread_id": "T", "user_id": "ada", "organization_id": "acme"}
    graph(answer).invoke(asked("Hi"), {"configurable": who})
    list(graph(answer).stream(asked("Hi"), {"configurable": {**who, "thread_id": "S"}}))
    for owner in (*seen, *(operation.conversation_context for operation in spans.operations())):
        assert (owner.user_id, owner.organization_id) == ("ada", "acme")
    assert len(seen) == 2
    assert users(spans, "T") == users(spans, "S") == {"ada"}


def test_a_chain_that_calls_nothing_has_its_user(spans: Spans) -> None:
    """There is no step in which its `configurable` could be seen."""
    chain: Any = RunnableLambda(lambda text: f"{text}!")
    chain.invoke("Hi", {"configurable": {"thread_id": "T", "user_id": "ada"}})
    assert told(spans, "T") == chat("Hi", "Hi!")
    assert users(spans, "T") == {"ada"}
