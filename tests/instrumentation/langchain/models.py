"""Models that say what a test tells them, tools, and what a test compares: the conversation as lines."""

from __future__ import annotations

import asyncio
import importlib
import itertools
import json
import warnings
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from typing import Any

import pytest
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.tools import tool
from pydantic import ConfigDict, Field

from greenflash_otel.conversations.update import MessageItem
from greenflash_otel.instrumentation.langchain.messages import text_of
from tests.instrumentation.openai.spans import Spans


class Says(GenericFakeChatModel):
    """LangChain's own fake, which also takes tools."""

    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        return self

    def _stream(
        self, messages: list[BaseMessage], *args: Any, **kwargs: Any
    ) -> Iterator[ChatGenerationChunk]:
        answer = next(self.messages)
        if isinstance(answer, str) or not answer.tool_calls:
            self.messages = itertools.chain([answer], self.messages)
            yield from super()._stream(messages, *args, **kwargs)
            return
        for index, call in enumerate(answer.tool_calls):
            text, arguments = answer.content if index == 0 else "", json.dumps(call["args"])
            piece = tool_call_chunk(name=call["name"], args=arguments, id=call["id"], index=index)
            yield ChatGenerationChunk(message=AIMessageChunk(content=text, tool_call_chunks=[piece]))


class Hangs(GenericFakeChatModel):
    """A model that never answers."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    asked: asyncio.Event = Field(default_factory=asyncio.Event)
    """Set as soon as it was asked."""

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        self.asked.set()
        await asyncio.Event().wait()
        raise AssertionError


class Breaks(GenericFakeChatModel):
    """A model that is down."""

    def _generate(self, *args: Any, **kwargs: Any) -> ChatResult:
        raise ConnectionError("down")


class Echoes(GenericFakeChatModel):
    """A model that repeats the last thing it was told, after the others have had their turn."""

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        answer = AIMessage(f"You said {text_of(messages[-1])}")
        return ChatResult(generations=[ChatGeneration(message=answer)])

    async def _agenerate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        await asyncio.sleep(0)
        return self._generate(messages)


def create_agent(model: Any, tools: Any = (), *, system_prompt: str | None = None, **options: Any) -> Any:
    """LangChain's agent; of a version that has none yet, LangGraph's."""
    if version("langchain") < "1":
        old: Any = importlib.import_module("langgraph.prebuilt")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pydantic's
            return old.create_react_agent(model, list(tools), prompt=system_prompt, **options)
    new: Any = importlib.import_module("langchain.agents")
    return new.create_agent(model, tools, system_prompt=system_prompt, **options)


def middleware() -> Any:
    """What LangChain's own agents have between their steps."""
    return pytest.importorskip(
        "langchain.agents.middleware", reason="LangChain is too old", exc_type=ImportError
    )


def says(*answers: str | AIMessage) -> Says:
    """A model that gives these answers, one by one."""
    return Says(messages=_messages(answers))


def _messages(answers: Sequence[str | AIMessage]) -> Iterator[AIMessage | str]:
    return iter([AIMessage(answer) if isinstance(answer, str) else answer for answer in answers])


def asks(*calls: tuple[str, dict[str, Any], str], text: str = "") -> AIMessage:
    """An answer that asks for tools, by name, arguments and call id."""
    return AIMessage(text, tool_calls=[{"name": name, "args": args, "id": id} for name, args, id in calls])


def echoes() -> Echoes:
    """A model that repeats the last thing it was told."""
    return Echoes(messages=iter(()))


def hangs() -> Hangs:
    """A model that never answers."""
    return Hangs(messages=iter(itertools.repeat("")))


def breaks() -> Breaks:
    """A model that is down."""
    return Breaks(messages=iter(()))


@tool
def weather(city: str) -> str:
    """The weather in a city."""
    if city == "Atlantis":
        raise ValueError("no such city")
    return f"Sunny in {city}."


Line = tuple[str, Any]


def lines(items: Sequence[MessageItem]) -> list[Line]:
    """Each message as its type and what it says."""
    return [(item.type, _said(item)) for item in items]


def _said(item: MessageItem) -> Any:
    if item.content is not None:
        return item.content
    if item.type == "llm":
        given: Any = (item.output or {}).get("messages") or [{"parts": []}]
        return "".join(part.get("content", "") for part in given[0]["parts"])
    if item.type == "tool_call":
        return (item.tool_name, *(dict(item.input or {}).values()))
    output: Any = item.output or {}
    if item.type == "thought":
        return output["text"]
    return output.get("result", output.get("error", {}).get("message") if "error" in output else output)


def told(spans: Spans, conversation_id: str) -> list[Line]:
    """The lines of one conversation."""
    return lines(spans.conversations().get(conversation_id, []))


def parents(items: Sequence[MessageItem]) -> dict[str, str | None]:
    """What each message belongs to, both by what they say."""
    names = {item.id: str(_said(item)) for item in items}
    return {names[item.id]: names.get(item.parent_id or "") for item in items}


def thread(id: str, **more: Any) -> Any:
    """The config of a thread."""
    return {"configurable": {"thread_id": id, **more}}
