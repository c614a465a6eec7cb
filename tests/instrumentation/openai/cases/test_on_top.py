"""Every client once, and what is built on top of the SDK."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypeAlias

import openai
import pydantic
import pytest
from openai.resources.chat.completions import Completions

from greenflash_otel.instrumentation.openai import instrument, uninstrument
from tests.instrumentation.openai.cases.conftest import Serve, async_client_of, client_of
from tests.instrumentation.openai.http import http
from tests.instrumentation.openai.played_sync import CHAT, RESPONSE, helper_of
from tests.instrumentation.openai.replies import (
    COMPLETED,
    TEXT,
    chunks,
    completion,
    response_events,
)
from tests.instrumentation.openai.server import Server, document, events
from tests.instrumentation.openai.spans import Spans, text_of

pytestmark = pytest.mark.usefixtures("no_faults")


Call: TypeAlias = Callable[[], Any]


@contextmanager
def by_a_client(server: Server) -> Iterator[Call]:
    with client_of(server) as client:
        yield lambda: client.chat.completions.create(**CHAT)


@contextmanager
def by_its_raw_wrapper(server: Server) -> Iterator[Call]:
    with client_of(server) as client:
        raw = client.chat.completions.with_raw_response
        yield lambda: raw.create(**CHAT).parse()


@contextmanager
def by_a_copy(server: Server) -> Iterator[Call]:
    with client_of(server) as client:
        yield lambda: client.with_options(timeout=9).chat.completions.create(**CHAT)


@contextmanager
def by_the_module(server: Server) -> Iterator[Call]:
    module: Any = openai
    with http.Client() as module.http_client:
        module.api_key, module.base_url = "k", server.url
        yield lambda: openai.chat.completions.create(**CHAT)


@contextmanager
def by_azure(server: Server) -> Iterator[Call]:
    with openai.AzureOpenAI(api_key="k", api_version="1", azure_endpoint=server.url) as azure:
        yield lambda: azure.chat.completions.create(**CHAT)


WAYS = (by_a_client, by_its_raw_wrapper, by_a_copy, by_the_module, by_azure)


@pytest.mark.parametrize("way", WAYS)
def test_case_16_every_client_once(
    way: Callable[[Server], AbstractContextManager[Call]],
    spans: Spans,
    serve: Serve,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Made and used before: one record, none after `uninstrument()`, one after instrumenting again."""
    for setting in ("api_key", "base_url", "http_client", "_client"):
        monkeypatch.setattr(openai, setting, None)
    uninstrument()
    counts = []
    with way(serve(*[document(completion())] * 5)) as call:
        for switch in (uninstrument, on(spans), on(spans), uninstrument, on(spans)):
            switch()
            assert call().choices[0].message.content == TEXT
            counts.append(len(spans.all()))
    assert counts == [0, 1, 2, 2, 3]


def on(spans: Spans) -> Callable[[], None]:
    return lambda: instrument(spans.tracer)


class Word(pydantic.BaseModel):
    """What an answer is parsed into."""

    word: str


async def test_case_17_langchain_on_top(spans: Spans, serve: Serve) -> None:
    """Whole, streamed, structured, sync and async: one turn each."""
    langchain_openai = pytest.importorskip("langchain_openai", reason="LangChain is not installed")
    if not hasattr(Completions, "parse"):
        pytest.skip("langchain-openai needs a newer SDK")
    word = document(completion('{"word": "hi"}'))
    whole, streamed = document(completion()), events(chunks())
    server = serve(whole, whole, streamed, streamed, word, document(COMPLETED["response"]))
    given: Any = {"model": "gpt-4o", "api_key": "k", "base_url": server.url, "max_retries": 0}
    async with http.AsyncClient() as given["http_async_client"]:
        with http.Client() as given["http_client"]:
            model = langchain_openai.ChatOpenAI(**given)
            assert model.invoke("Hi").text == TEXT
            assert (await model.ainvoke("Hi")).text == TEXT
            assert "".join(chunk.text for chunk in model.stream("Hi")) == TEXT
            assert "".join([chunk.text async for chunk in model.astream("Hi")]) == TEXT
            assert model.with_structured_output(Word).invoke("Hi") == Word(word="hi")
            assert langchain_openai.ChatOpenAI(**given, use_responses_api=True).invoke("Hi").text == TEXT
    told = [[item.content for item in items] for items in spans.conversations().values()]
    assert told == [["Hi", TEXT]] * 4 + [["Hi", '{"word": "hi"}'], ["Hi", TEXT]]


async def test_case_17_the_agents_sdk_on_top(spans: Spans, serve: Serve) -> None:
    """It streams over a streaming response, with headers of its own, or asks for the whole."""
    streamed, whole = events(response_events(COMPLETED), b""), document(COMPLETED["response"])
    server = serve(streamed, whole, events(chunks()))
    agents: Any = {
        "extra_headers": {"User-Agent": "Agents/Python 1"},
        "extra_body": None,
        "extra_query": None,
    }
    async with async_client_of(server) as client:
        asking = client.responses.with_streaming_response.create(**RESPONSE, **agents, stream=True)
        async with asking as answer:
            assert [event.type async for event in await answer.parse()][-1] == "response.completed"
        assert (await client.responses.create(**RESPONSE, **agents, stream=False)).output_text == TEXT
        async for _ in await client.chat.completions.create(**CHAT, **agents, stream=True):
            pass
    told = [[item.content for item in items] for items in spans.conversations().values()]
    assert told == [["Hi", TEXT]] * 3


async def test_case_18_tools_in_a_pool(spans: Spans, serve: Serve) -> None:
    """Calls that tools make in their threads belong to the right turn, whichever is done first."""
    pytest.importorskip("openai.lib.responses_tool_runner", reason="this SDK has no tool runner")
    from tests.instrumentation.openai import test_tool_runner as tools

    nested = [document(completion(f"looked up {number}")) for number in (1, 2)]
    turn = [tools.streamed(tools.asking("call_1", "call_2")), *nested, tools.streamed(tools.ANSWER)]

    def execute(arguments: dict[str, Any]) -> str:
        with client_of(server) as client:
            answer = client.chat.completions.create(**tools.NESTED)
        return answer.choices[0].message.content or ""

    for way in ("sync", "async"):
        spans.clear()
        server = serve(*turn)
        await tools.either(way, server, execute, stream=True, eager=True)
        (items,) = spans.conversations().values()
        calls = [item.id for item in items if item.type == "tool_call"]
        steps = [item for item in items if item.type == "llm"]
        results = {item.parent_id: item.output for item in items if item.type == "observation"}
        assert {step.parent_id for step in steps} == set(results) == set(calls)
        for step in steps:
            assert str((results[step.parent_id] or {})["result"]) in str(step.output)
        assert [item.content for item in items if item.content] == ["Weather?", "Mild."]


COPIES: dict[str, Callable[[Any], Any]] = {
    "deepcopy": copy.deepcopy,
    "copy": copy.copy,
    "model_copy": lambda result: result.model_copy(deep=True),
    "pickle": lambda result: pickle.loads(pickle.dumps(result)),  # noqa: S301 - pickled here
}


@pytest.mark.parametrize("name", COPIES)
def test_case_18_results_are_copied(name: str, spans: Spans, serve: Serve) -> None:
    """Whatever an application gets can be copied, holds nothing of ours, and adds no record."""
    server = serve(
        document(completion()),
        document(COMPLETED["response"]),
        document(completion('{"word": "hi"}')),
        events(chunks()),
        events(response_events(COMPLETED), b""),
    )
    with client_of(server) as client:
        results: list[Any] = [
            client.chat.completions.create(**CHAT),
            client.responses.create(**RESPONSE),
            helper_of(client).parse(**CHAT, response_format=Word),
            *client.chat.completions.create(**CHAT, stream=True),
            *client.responses.create(**RESPONSE, stream=True),
        ]
        made = len(spans.all())
        copied = [
            COPIES[name](result)
            for result in results
            if name != "pickle" or "Parsed" not in repr(type(result))
        ]
    for entry in copied:
        assert any(entry == result and type(entry) is type(result) for result in results)
        assert "greenflash" not in repr(vars(entry))
    assert len(spans.all()) == made == 5
    assert text_of(*spans.operations()[0].output) == TEXT
