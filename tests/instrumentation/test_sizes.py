"""What waits to be read is measured in bytes: the limits of memory are bytes, and a character may take four."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from opentelemetry.sdk.resources import Resource
from opentelemetry.trace import Tracer

from greenflash_otel.instrumentation import langchain
from greenflash_otel.instrumentation.invocation import Invocation
from greenflash_otel.model.operation import Message, Operation, Text, ToolCallResponse
from greenflash_otel.model.telemetry import SpanRecord
from greenflash_otel.own_spans import OwnTracer
from tests.instrumentation.langchain.models import create_agent, says, weather

CHARACTERS = pytest.mark.parametrize(("character", "bytes_each"), [("x", 1), ("é", 1), ("€", 2), ("😀", 4)])
OVERHEAD = 3000
"""What a span and the heads of its texts add."""


class Sizes:
    """A pipeline that notes the size of each span which it is handed."""

    def __init__(self, room: int = 1 << 40) -> None:
        self.noted: list[int] = []
        self._room = room

    def submit(self, span: Callable[[], SpanRecord], size_bytes: int = 0) -> None:
        self.noted.append(size_bytes)
        span()

    def has_room(self, size_bytes: int) -> bool:
        return size_bytes <= self._room

    def make_tracer(self) -> Tracer:
        return OwnTracer(self, Resource.create())


@CHARACTERS
def test_an_operation(character: str, bytes_each: int) -> None:
    """Its messages, and what is nested in the results of its tools."""
    sizes, text = Sizes(), character * 10_000
    said = Message("user", (Text(text), ToolCallResponse({"found": [text]}, "1")))
    operation = Operation("chat", input=(said,))
    Invocation.start(sizes.make_tracer(), operation).finish(operation)
    [size] = sizes.noted
    assert 20_000 * bytes_each <= size <= 20_000 * bytes_each + OVERHEAD


@CHARACTERS
@pytest.mark.parametrize("room", [1 << 40, 0])
def test_attributes_and_events(character: str, bytes_each: int, room: int) -> None:
    """Also lists of texts; and also where there is no room, so that the span is read at its end."""
    sizes, text = Sizes(room), character * 10_000
    span = sizes.make_tracer().start_span("chat", attributes={"gen_ai.operation.name": "chat"})
    span.set_attributes({"one": text, "two": [text, text]})
    span.add_event("said", {"three": text})
    span.end()
    [size] = sizes.noted
    assert 40_000 * bytes_each <= size <= 40_000 * bytes_each + OVERHEAD


@CHARACTERS
def test_the_history_of_an_agent(character: str, bytes_each: int) -> None:
    """The turn waits with all of it; each text counts once, in whatever form the message is."""
    sizes, text = Sizes(), character * 10_000
    langchain.instrument(sizes.make_tracer())
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 10_000}}
    history: list[Any] = [HumanMessage(text), AIMessage(text + "!"), HumanMessage([picture])]
    agent: Any = create_agent(says("Fine."), [weather])
    try:
        agent.invoke({"messages": [*history, HumanMessage("And now?")]})
    finally:
        langchain.uninstrument()
    least = 20_000 * bytes_each + 10_000
    assert least <= sizes.noted[-1] <= least + OVERHEAD


@CHARACTERS
def test_pairs_mappings_and_calls(character: str, bytes_each: int) -> None:
    """A message may be written as a pair of role and text, or as a mapping; a call has its arguments."""
    sizes, text = Sizes(), character * 10_000
    langchain.instrument(sizes.make_tracer())
    call = {"name": "weather", "args": {"city": text + "?"}, "id": "call-1"}
    asked, result = AIMessage("", tool_calls=[call]), ToolMessage("Sunny.", tool_call_id="call-1")
    history: list[Any] = [("user", text), {"role": "assistant", "content": text + "!"}, asked, result]
    agent: Any = create_agent(says("Fine."), [weather])
    try:
        agent.invoke({"messages": [*history, ("user", "And now?")]})
    finally:
        langchain.uninstrument()
    least = 30_000 * bytes_each
    assert least <= sizes.noted[-1] <= least + OVERHEAD
