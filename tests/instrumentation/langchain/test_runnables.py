"""Chains: every way to call one tells the same turn, whatever stands between question and answer."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.chat_history import InMemoryChatMessageHistory
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableLambda, RunnableParallel, RunnablePassthrough
from langchain_core.runnables.history import RunnableWithMessageHistory

from greenflash_otel.instrumentation.langchain import recorder
from tests.instrumentation.langchain.models import breaks, hangs, lines, says, told
from tests.instrumentation.openai.spans import Spans

PROMPT = ChatPromptTemplate.from_messages([("system", "Be brief."), ("user", "{question}")])
TURN = [("user_message", "Why?"), ("assistant_message", "Because of that.")]
THREAD: Any = {"metadata": {"thread_id": "T"}}


async def consume(events: Any) -> None:
    async for _ in events:
        pass


WAYS: dict[str, Callable[[Any, Any], Any]] = {
    "invoke": lambda chain, given: chain.invoke(given, THREAD),
    "ainvoke": lambda chain, given: asyncio.run(chain.ainvoke(given, THREAD)),
    "stream": lambda chain, given: list(chain.stream(given, THREAD)),
    "astream": lambda chain, given: asyncio.run(consume(chain.astream(given, THREAD))),
    "batch": lambda chain, given: chain.batch([given], THREAD),
    "abatch": lambda chain, given: asyncio.run(chain.abatch([given], THREAD)),
    "astream_events v1": lambda chain, given: asyncio.run(
        consume(chain.astream_events(given, THREAD, version="v1"))
    ),
    "astream_events v2": lambda chain, given: asyncio.run(
        consume(chain.astream_events(given, THREAD, version="v2"))
    ),
    "astream_log": lambda chain, given: asyncio.run(consume(chain.astream_log(given, THREAD))),
    "as_completed": lambda chain, given: list(chain.batch_as_completed([given], THREAD)),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("parsed", [True, False])
@pytest.mark.filterwarnings("ignore:.*astream_log|.*v1")
def test_every_way_to_call_a_chain(way: str, parsed: bool, spans: Spans) -> None:
    """Question and answer, once each, and nothing else."""
    chain = PROMPT | says("Because of that.") | (StrOutputParser() if parsed else RunnablePassthrough())
    WAYS[way](chain, {"question": "Why?"})
    assert told(spans, "T") == TURN
    [update] = [update for update in spans.updates() if update.messages]
    assert update.system_prompt == "Be brief."


@pytest.mark.parametrize("way", [way for way in WAYS if way != "astream_events v1"])
@pytest.mark.filterwarnings("ignore:.*astream_log")
def test_every_way_to_call_a_model(way: str, spans: Spans) -> None:
    """Without a chain it is the same turn."""
    WAYS[way](says("Because of that."), [HumanMessage("Why?")])
    assert told(spans, "T") == TURN


def test_branches_at_once(spans: Spans) -> None:
    """What two models said at once becomes one answer, and theirs are steps."""
    chain = PROMPT | RunnableParallel(short=says("No."), long=says("Not at all."))
    chain.invoke({"question": "May I?"}, THREAD)
    found = told(spans, "T")
    assert found[0] == ("user_message", "May I?")
    assert sorted(found[1:3]) == [("llm", "No."), ("llm", "Not at all.")]
    assert found[3] == ("assistant_message", '{"short": "No.", "long": "Not at all."}')


def test_a_retry_is_a_failed_step_and_an_answer(spans: Spans) -> None:
    """The attempt that failed stays visible, the user saw one answer."""
    attempts = iter((False, True))

    def answer(_: object) -> AIMessage:
        if next(attempts):
            return AIMessage("Here.")
        raise ConnectionError("down")

    chain = PROMPT | RunnableLambda(answer).with_retry(stop_after_attempt=2, wait_exponential_jitter=False)
    chain.invoke({"question": "Why?"}, THREAD)
    assert told(spans, "T") == [("user_message", "Why?"), ("assistant_message", "Here.")]


def test_a_model_that_fails_fails_the_turn(spans: Spans) -> None:
    """What the user asked is there, and that no answer came."""
    with pytest.raises(ConnectionError):
        (PROMPT | breaks()).invoke({"question": "Why?"}, THREAD)
    items = spans.conversations()["T"]
    assert items[0].content == "Why?"
    assert {item.type for item in items[1:]} == {"llm"}
    [root] = [span for span in spans.all() if span.parent is None]
    assert root.status.status_code.name == "ERROR"


@pytest.mark.filterwarnings("ignore:The class `InMemoryChat", "ignore:RunnableWithMessageHistory")
def test_a_history_that_langchain_keeps(spans: Spans) -> None:
    """Two turns of one session, told once each; the chains around them are not."""
    prompt = ChatPromptTemplate.from_messages([MessagesPlaceholder("history"), ("user", "{question}")])
    kept = InMemoryChatMessageHistory()
    chain = RunnableWithMessageHistory(
        prompt | says("One.", "Two."),
        lambda session_id: kept,
        input_messages_key="question",
        history_messages_key="history",
    )
    for question in ("1", "2"):
        chain.invoke({"question": question}, {"configurable": {"session_id": "S"}})
    items = spans.conversations()["S"]
    assert [said for _, said in lines(items)] == ["1", "One.", "2", "Two."]
    assert [item.parent_id for item in items] == [None, *[item.id for item in items[:-1]]]


class Shelf(BaseRetriever):
    """Finds the same in every question."""

    def _get_relevant_documents(self, query: str, **kwargs: Any) -> list[Document]:
        return [Document("Oslo is sunny.", id="1", metadata={"page": 7}), Document("So is Rome.")]


def test_what_was_looked_up_goes_to_the_answer(spans: Spans) -> None:
    """Retrieval is a step, and its documents are the context of the answer that used them."""
    chain = (
        {"question": RunnablePassthrough(), "found": Shelf()}
        | ChatPromptTemplate.from_messages([("user", "{question} {found}")])
        | says("Sunny.")
        | StrOutputParser()
    )
    chain.invoke("Oslo?", THREAD)
    asked, looked_up, answer = spans.conversations()["T"]
    assert (asked.content, answer.content) == ("Oslo?", "Sunny.")
    assert looked_up.type == "retrieval"
    assert looked_up.input == {"query": "Oslo?"}
    assert looked_up.parent_id == asked.id
    assert looked_up.output == {
        "documents": [
            {"content": "Oslo is sunny.", "id": "1", "metadata": {"page": 7}},
            {"content": "So is Rome.", "id": None, "metadata": {}},
        ]
    }
    assert answer.context == "Oslo is sunny.\n\nSo is Rome."


async def test_a_cancelled_chain_keeps_the_question(spans: Spans) -> None:
    """The user asked, and went away."""
    model = hangs()
    call = asyncio.ensure_future((PROMPT | model).ainvoke({"question": "Why?"}, THREAD))
    await model.asked.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    del call
    await asyncio.sleep(0)  # asyncio holds the exception, with its frames, until then
    gc.collect()
    recorder.tidy()
    assert told(spans, "T")[0] == ("user_message", "Why?")
