"""The nastiest cases, 1 to 5 and 14 to 17: calls, streams and histories without a graph."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.messages import HumanMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from opentelemetry import trace

from greenflash_otel.instrumentation import openai as openai_sdk
from greenflash_otel.instrumentation.langchain import recorder
from greenflash_otel.instrumentation.langchain.handler import HookedHandler
from greenflash_otel.instrumentation.langchain.run_registry import RUNS
from tests.instrumentation.langchain.models import (
    breaks,
    create_agent,
    hangs,
    lines,
    says,
    told,
)
from tests.instrumentation.openai.http import http
from tests.instrumentation.openai.replies import TEXT, chunks, completion
from tests.instrumentation.openai.server import Server, document, events
from tests.instrumentation.openai.spans import Spans

PROMPT = ChatPromptTemplate.from_messages([("system", "Be brief."), ("user", "Answer: {question}")])


def in_thread(id: str) -> Any:
    """The config of a call whose metadata name a thread."""
    return {"metadata": {"thread_id": id}}


async def test_case_01_two_ainvokes_in_one_task_are_two_traces(
    spans: Spans, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing of the first call is current afterwards, and nothing failed to detach."""
    chain = PROMPT | says("One.", "Two.") | StrOutputParser()
    with spans.tracer.start_as_current_span("mine") as mine:
        await chain.ainvoke({"question": "a"})
        assert trace.get_current_span().get_span_context() == mine.get_span_context()
    await chain.ainvoke({"question": "b"})
    assert not trace.get_current_span().get_span_context().is_valid
    with spans.tracer.start_as_current_span("after") as after:
        assert after.get_span_context().trace_id not in {span.context.trace_id for span in spans.all()}
    roots = [span for span in spans.all() if span.name == "invoke_agent"]
    assert len({root.context.trace_id for root in roots}) == 2
    assert [r.message for r in caplog.records if r.levelno >= logging.ERROR] == []


def test_case_02_a_batch_is_as_many_turns(spans: Spans) -> None:
    """Two inputs of one batch do not become one conversation, although both begin before either runs."""
    chain = PROMPT | says("One.", "One.") | StrOutputParser()
    chain.batch([{"question": "a"}, {"question": "b"}], [in_thread("A"), in_thread("B")])
    assert told(spans, "A") == [("user_message", "a"), ("final_response", "One.")] or told(spans, "A") == [
        ("user_message", "a"),
        ("assistant_message", "One."),
    ]
    assert [content for _, content in told(spans, "B")] == ["b", "One."]
    roots = [span for span in spans.all() if span.name == "invoke_agent"]
    assert [root.parent for root in roots] == [None, None]


async def test_case_03_cancelled_calls_leave_nothing(spans: Spans) -> None:
    """A thousand calls that time out, and more in a task that never ends, leave no run behind."""
    model = hangs()
    for _ in range(1000):
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(model.ainvoke("hi"), 0)
        await asyncio.sleep(0)
    gc.collect()
    recorder.tidy()
    assert len(RUNS) == 0

    ready, leave = asyncio.Event(), asyncio.Event()

    async def serve() -> None:
        for _ in range(20):
            call = asyncio.ensure_future(model.ainvoke("hi"))
            await asyncio.sleep(0)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            del call
        ready.set()
        await leave.wait()

    server = asyncio.create_task(serve())
    await ready.wait()
    gc.collect()
    recorder.tidy()
    assert len(RUNS) == 0
    leave.set()
    await server
    assert {operation.ending for operation in spans.operations()} == {"cancelled"}


def test_case_04_a_stream_left_early_has_the_question_and_the_answer(spans: Spans) -> None:
    """The root ends before its model, and tells its input only then."""
    chain = PROMPT | says("One two three.") | StrOutputParser()
    for _ in chain.stream({"question": "a"}, in_thread("A")):
        break
    gc.collect()
    recorder.tidy()
    assert [content for _, content in told(spans, "A")] == ["a", "One"]


@pytest.mark.filterwarnings("ignore:The v3 streaming protocol")
def test_case_05_a_v3_stream_dropped_half_way_is_no_open_run(spans: Spans) -> None:
    """One that was begun ends as left; one that was never pulled is no turn."""
    agent = create_agent(says("One two three.", "Never."))
    if not hasattr(agent, "stream_events"):
        pytest.skip("LangGraph is too old")
    for talk, streamed in (("A", agent), ("B", says("One two three.", "Never."))):
        given: Any = {"messages": [("user", "a")]} if streamed is agent else "a"
        begun: Any = streamed.stream_events(given, in_thread(talk), version="v3")
        next(iter(begun))
        untouched: Any = streamed.stream_events(given, in_thread("never"), version="v3")
        del begun, untouched
        gc.collect()
        recorder.tidy()
        assert len(RUNS) == 0
        assert told(spans, talk)[:1] == [("user_message", "a")]
    assert "never" not in spans.conversations()


def test_case_14_a_resent_history_is_told_once_and_an_edit_is_a_branch(spans: Spans) -> None:
    """A stateless server resends dictionaries without ids; later the user edits an earlier message."""
    model = says("Hello Ada.", "Blue.", "Hello Bob.")
    chain = RunnableLambda(lambda given: given["messages"]) | model
    first = [{"role": "user", "content": "I am Ada."}]
    chain.invoke({"messages": first}, in_thread("A"))
    second = [*first, {"role": "assistant", "content": "Hello Ada."}, {"role": "user", "content": "Colour?"}]
    chain.invoke({"messages": second}, in_thread("A"))
    edited = [{"role": "user", "content": "I am Bob."}]
    chain.invoke({"messages": edited}, in_thread("A"))
    said = [content for _, content in told(spans, "A")]
    assert said == ["I am Ada.", "Hello Ada.", "Colour?", "Blue.", "I am Bob.", "Hello Bob."]


def test_case_15_a_cached_answer_belongs_to_both_conversations(spans: Spans) -> None:
    """The cache returns the same message id in two threads."""
    model = says("Cached.", "Never asked.")
    model.cache = InMemoryCache()
    chain = PROMPT | model
    ids = {getattr(chain.invoke({"question": "a"}, in_thread(name)), "id", None) for name in ("A", "B")}
    assert len(ids) == 1
    assert [content for _, content in told(spans, "A")] == ["a", "Cached."]
    assert [content for _, content in told(spans, "B")] == ["a", "Cached."]
    a, b = spans.conversations()["A"], spans.conversations()["B"]
    assert not {entry.id for entry in a} & {entry.id for entry in b}


@pytest.mark.parametrize("explicit", [False, True])
async def test_case_16_fallbacks_belong_to_the_turn(spans: Spans, explicit: bool) -> None:
    """Attempts that come without a parent, as with callbacks in the config, join their turn."""
    model = breaks().with_fallbacks([says("Here.", "Here.")])
    handlers: Any = {"callbacks": [HookedHandler()]} if explicit else {}
    for talk in ("sync", "async"):
        spans.clear()
        config: Any = {**in_thread(talk), **handlers}
        given = [HumanMessage("hi")]
        answer = model.invoke(given, config) if talk == "sync" else await model.ainvoke(given, config)
        assert answer.content == "Here."
        [root] = [fact for fact in spans.all() if fact.parent is None]
        assert root.name == "invoke_agent"
        found = told(spans, talk)
        assert sorted(found) == [("assistant_message", "Here."), ("llm", ""), ("user_message", "hi")]


WHOLE, STREAMED = document(completion()), events(chunks())


@pytest.fixture
def openai_too(spans: Spans) -> Iterator[None]:
    """The OpenAI SDK is instrumented as well."""
    openai_sdk.instrument(spans.tracer)
    yield
    openai_sdk.uninstrument()


@pytest.mark.usefixtures("openai_too")
async def test_case_17_a_model_instrumented_twice_answers_once(spans: Spans) -> None:
    """Whole and streamed, sync and async, told once; the direct call after each, and during a stream, too."""
    replies = (WHOLE, WHOLE, STREAMED, WHOLE, WHOLE, WHOLE, STREAMED, WHOLE)
    async with http.AsyncClient() as later:
        with Server(*replies) as server, http.Client() as now:
            given: Any = {"api_key": "k", "base_url": server.url, "max_retries": 0}
            model = chat_openai()(model="gpt-4o", http_client=now, http_async_client=later, **given)
            direct = openai.OpenAI(http_client=now, **given)
            assert model.invoke("Hi", in_thread("invoke")).text == TEXT
            ask(direct)
            for chunk in model.stream("Hi", in_thread("stream")):
                if chunk.text == " you":
                    ask(direct)
            assert (await model.ainvoke("Hi", in_thread("ainvoke"))).text == TEXT
            ask(direct)
            assert [chunk.text async for chunk in model.astream("Hi", in_thread("astream"))]
            ask(direct)
    found = spans.conversations()
    for talk in ("invoke", "stream", "ainvoke", "astream"):
        assert lines(found.pop(talk)) == [("user_message", "Hi"), ("assistant_message", TEXT)]
    assert [lines(items) for items in found.values()] == [
        [("user_message", "Directly?"), ("assistant_message", TEXT)]
    ] * 4


@pytest.mark.usefixtures("openai_too")
def test_case_17_a_direct_call_in_a_tool_is_a_step_of_that_tool(spans: Spans) -> None:
    """The agent's own calls are told once, by LangChain; what a tool asks OpenAI hangs on the tool."""
    call = {"id": "call_1", "type": "function", "function": {"name": "research", "arguments": "{}"}}
    calls = document(completion(None, "tool_calls", tool_calls=[call]))
    with Server(calls, WHOLE, WHOLE) as server, http.Client() as now:
        given: Any = {"api_key": "k", "base_url": server.url, "max_retries": 0, "http_client": now}

        @tool
        def research() -> str:
            """Ask another model."""
            return ask(openai.OpenAI(**given))

        agent: Any = create_agent(chat_openai()(model="gpt-4o", **given), [research])
        agent.invoke({"messages": [("user", "Hi")]}, in_thread("A"))
    items = spans.conversations()["A"]
    assert lines(items) == [
        ("user_message", "Hi"),
        ("tool_call", ("research",)),
        ("llm", TEXT),
        ("observation", TEXT),
        ("final_response", TEXT),
    ]
    assert items[2].parent_id == items[1].id
    assert len(spans.conversations()) == 1


def chat_openai() -> Any:
    """LangChain's own model of OpenAI's."""
    reason = "langchain-openai needs a newer LangChain"
    return pytest.importorskip("langchain_openai", reason=reason, exc_type=ImportError).ChatOpenAI


def ask(client: openai.OpenAI) -> str:
    """Call OpenAI directly."""
    asked: Any = [{"role": "user", "content": "Directly?"}]
    answer = client.chat.completions.create(model="gpt-4o", messages=asked).choices[0].message.content
    return answer or ""
