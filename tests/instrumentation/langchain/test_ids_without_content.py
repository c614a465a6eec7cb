"""Without content, the ids that we make for calls say nothing of what was said either."""

from __future__ import annotations

from typing import Any

from langchain_core.messages import HumanMessage
from langchain_core.tools import tool

from greenflash_otel.instrumentation import langchain
from greenflash_otel.model.call_ids import is_made
from greenflash_otel.model.operation import TURN, ToolCall
from tests.instrumentation.langchain.models import asks, create_agent, says
from tests.instrumentation.openai.spans import Spans


@tool
def look(x: int) -> str:
    """Look."""
    return f"saw {x}"


def list_made_ids(spans: Spans) -> list[str]:
    """The made ids of calls in the turn."""
    turns = [operation for operation in spans.operations() if operation.name == TURN]
    parts = [part for turn in turns for message in turn.output for part in message.parts]
    return [part.id for part in parts if isinstance(part, ToolCall) and part.id and is_made(part.id)]


def test_other_words_give_the_same_ids(spans: Spans) -> None:
    """An id with a hash of a question and of arguments can be guessed from them."""
    langchain.instrument(spans.tracer, capture_content=False)
    found: list[list[str]] = []
    for question, x in (("How much does Ada earn?", 1), ("How is the weather?", 2)):
        spans.clear()
        agent: Any = create_agent(says(asks(("look", {"x": x}, "")), "Done."), [look])
        agent.invoke({"messages": [HumanMessage(question)]})
        found.append(list_made_ids(spans))
    assert len(found[0]) == 1
    assert found[0] == found[1]
