"""What is current while LangChain runs: whose span is whose child, and whose conversation it is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import openai
import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.runnables import RunnableLambda, RunnableParallel
from langchain_core.tools import tool
from langgraph.graph import START, MessagesState, StateGraph
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan

from greenflash_otel.context import conversation, current_conversation
from greenflash_otel.instrumentation import openai as openai_sdk
from tests.instrumentation.langchain.models import (
    asks,
    create_agent,
    lines,
    says,
    thread,
    told,
)
from tests.instrumentation.openai.http import http
from tests.instrumentation.openai.replies import TEXT, completion
from tests.instrumentation.openai.server import Server, document
from tests.instrumentation.openai.spans import Spans

QUESTION: Any = {"messages": [HumanMessage("Hi")]}


async def consume(events: Any) -> None:
    async for _ in events:
        pass


WAYS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "invoke": lambda agent, given, config: agent.invoke(given, config),
    "stream": lambda agent, given, config: list(agent.stream(given, config)),
    "ainvoke": lambda agent, given, config: asyncio.run(agent.ainvoke(given, config)),
    "astream": lambda agent, given, config: asyncio.run(consume(agent.astream(given, config))),
    "astream_events": lambda agent, given, config: asyncio.run(
        consume(agent.astream_events(given, config, version="v2"))
    ),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("tool_is_async", [False, True])
def test_own_spans_in_tools_are_children_of_the_tool(way: str, tool_is_async: bool, spans: Spans) -> None:
    """Two tools at once, in threads or tasks: each span is where it was made, in one trace."""
    if tool_is_async and way in ("invoke", "stream"):
        way = {"invoke": "ainvoke", "stream": "astream"}[way]

    def note(city: str) -> str:
        with spans.tracer.start_as_current_span(f"mine {city}"):
            return f"{city}: {current_conversation()}"

    async def anote(city: str) -> str:
        await asyncio.sleep(0)
        return note(city)

    noting = tool("note", description="Note it.")(anote if tool_is_async else note)
    calls = asks(("note", {"city": "Oslo"}, "1"), ("note", {"city": "Rome"}, "2"))
    WAYS[way](create_agent(says(calls, "Done."), [noting]), QUESTION, thread("T"))
    by_name = {span.name: span for span in spans.all()}
    tools = {span.context.span_id: span for span in spans.all() if span.name == "execute_tool note"}
    arguments = [
        (span.attributes or {})["gen_ai.tool.call.arguments"]
        for city in ("Oslo", "Rome")
        if (span := tools[parent_id(by_name[f"mine {city}"])])
    ]
    assert arguments == ['{"city":"Oslo"}', '{"city":"Rome"}']
    assert len({span.context.trace_id for span in spans.all()}) == 1
    observed = [said for kind, said in told(spans, "T") if kind == "observation"]
    assert sorted(observed) == ["Oslo: T", "Rome: T"]


def parent_id(span: ReadableSpan) -> int:
    assert span.parent is not None
    return span.parent.span_id


@pytest.mark.parametrize("way", WAYS)
def test_nothing_is_current_afterwards(way: str, spans: Spans) -> None:
    """Nor while a stream is read by the code around it."""
    before = trace.get_current_span()
    WAYS[way](create_agent(says("One.")), QUESTION, thread("T"))
    assert trace.get_current_span() is before or not trace.get_current_span().get_span_context().is_valid
    assert current_conversation() is None


def test_nothing_is_current_in_code_that_reads_a_stream(spans: Spans) -> None:
    """The span and the conversation are those of the graph's own code, not of its reader."""
    seen = [
        (current_conversation(), trace.get_current_span().get_span_context().is_valid)
        for _ in create_agent(says("One.")).stream(QUESTION, thread("T"))
    ]
    assert seen == [(None, False)] * len(seen)
    assert seen


def test_the_steps_of_a_batch_do_not_mix(spans: Spans) -> None:
    """All of them begin in one context before any runs, step by step."""

    def where(name: str) -> str:
        with spans.tracer.start_as_current_span(f"mine {name}"):
            return f"{name} in {current_conversation()}"

    chain = RunnableLambda(where) | RunnableLambda(lambda said: said)
    configs: Any = [{"metadata": {"thread_id": name}} for name in "AB"]
    assert chain.batch(["a", "b"], configs) == ["a in A", "b in B"]
    by_name = {span.name: span for span in spans.all()}
    assert by_name["mine a"].context.trace_id != by_name["mine b"].context.trace_id


def test_branches_at_once_have_their_own_spans(spans: Spans) -> None:
    """In threads of their own."""

    def where(name: str) -> str | None:
        return current_conversation()

    found = RunnableParallel(one=where, other=where).invoke("x", thread("T"))
    assert found == {"one": "T", "other": "T"}


@pytest.fixture
def provider(spans: Spans) -> Iterator[openai.OpenAI]:
    """An instrumented OpenAI client."""
    openai_sdk.instrument(spans.tracer)
    with Server(*[document(completion())] * 3) as server, http.Client() as now:
        yield openai.OpenAI(api_key="k", base_url=server.url, max_retries=0, http_client=now)
    openai_sdk.uninstrument()


def test_a_node_that_calls_openai_itself(spans: Spans, provider: openai.OpenAI) -> None:
    """What the graph returns is what the user saw; the call is a step of the turn."""

    def answer(state: MessagesState) -> Any:
        asked: Any = [
            {"role": "system", "content": "S"},
            {"role": "user", "content": state["messages"][-1].content},
        ]
        said = provider.chat.completions.create(model="gpt-4o", messages=asked).choices[0].message
        return {"messages": [AIMessage(said.content or "")]}

    graph: Any = StateGraph(MessagesState)
    graph.add_node("answer", answer)
    graph.add_edge(START, "answer")
    graph.compile().invoke(QUESTION, thread("T"))
    items = spans.conversations()["T"]
    assert lines(items) == [("user_message", "Hi"), ("llm", TEXT), ("assistant_message", TEXT)]
    assert items[1].parent_id == items[0].id
    assert len(spans.conversations()) == 1


def test_calls_before_and_after_are_turns_of_their_own(spans: Spans, provider: openai.OpenAI) -> None:
    """In the same conversation as the graph, if the application says so."""
    asked: Any = [{"role": "user", "content": "First?"}]
    with conversation("T", user_id="ada"):
        provider.chat.completions.create(model="gpt-4o", messages=asked)
        create_agent(says("Second.")).invoke(QUESTION)
        asked = [{"role": "user", "content": "Third?"}]
        provider.chat.completions.create(model="gpt-4o", messages=asked)
    assert [said for _, said in told(spans, "T")] == ["First?", TEXT, "Hi", "Second.", "Third?", TEXT]
    assert {update.user_id for update in spans.updates()} == {"ada"}
