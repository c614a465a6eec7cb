"""Without content, spans tell what happened and nothing of what was said."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.retrievers import BaseRetriever
from langchain_core.tools import tool
from langgraph.checkpoint.memory import MemorySaver
from langgraph.config import get_store
from langgraph.store.memory import InMemoryStore
from langgraph.types import Command, interrupt

from greenflash_otel.instrumentation import langchain
from tests.instrumentation.langchain.models import (
    asks,
    breaks,
    create_agent,
    lines,
    says,
    thread,
)
from tests.instrumentation.openai.spans import Spans


class Shelf(BaseRetriever):
    """Finds a secret."""

    def _get_relevant_documents(self, query: str, **kwargs: Any) -> list[Document]:
        return [Document("secret page", id="secret id", metadata={"secret": "secret"})]


@tool
def look(what: str) -> str:
    """Look it up, keep it, ask, fail."""
    get_store().put(("secret",), "secret key", {"secret": what})
    get_store().search(("secret",), query="secret")
    Shelf().invoke("secret query")
    if interrupt("a secret question?") == "fail, secretly":
        raise ValueError("secret reason")
    return "a secret result"


@pytest.mark.parametrize("reply", ["yes, secretly", "fail, secretly"])
def test_nothing_said_is_in_the_spans(reply: str, spans: Spans) -> None:
    """No text in any attribute, status or event: questions, documents, memories, replies, errors."""
    langchain.instrument(spans.tracer, capture_content=False)
    thought = {"type": "reasoning", "reasoning": "secret thought"}
    answer = AIMessage([thought, {"type": "text", "text": "secret"}])
    agent: Any = create_agent(
        says(asks(("look", {"what": "secret"}, "1"), text="Secretly, secret"), answer),
        [look],
        system_prompt="secret prompt",
        checkpointer=MemorySaver(),
        store=InMemoryStore(),
    )
    agent.invoke({"messages": [HumanMessage("secret question")]}, thread("T"))
    if reply.startswith("fail"):
        with suppress(ValueError):  # which agents of older versions told the model
            agent.invoke(Command(resume=reply), thread("T"))
    else:
        agent.invoke(Command(resume=reply), thread("T"))
    values = [str(value) for span in spans.all() for value in (span.attributes or {}).values()]
    values += [span.status.description or "" for span in spans.all()]
    values += [str(event.attributes) + event.name for span in spans.all() for event in span.events]
    assert [text for text in values if "secret" in text.lower()] == []
    kinds = {kind for kind, _ in lines(spans.conversations()["T"])}
    assert {"tool_call", "retrieval", "memory_write", "memory_read"} <= kinds


def test_a_failing_model_keeps_its_reason_to_itself(spans: Spans) -> None:
    """The class of the exception is told, its text is not."""
    langchain.instrument(spans.tracer, capture_content=False)
    with pytest.raises(ConnectionError):
        breaks().invoke("secret")
    [span] = spans.all()
    assert (span.attributes or {})["error.type"] == "ConnectionError"
    assert not span.status.description
