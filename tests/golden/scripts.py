"""Programs of LangChain's, each a generator that yields after every call it makes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from langchain_core.documents import Document
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.retrievers import BaseRetriever
from langgraph.checkpoint.memory import MemorySaver
from langgraph.graph import START, MessagesState, StateGraph

from tests.instrumentation.langchain.models import asks, breaks, create_agent, says, thread, weather

SYSTEM = SystemMessage("You are a guide.")


def chat() -> Iterator[None]:
    """A model alone, with its history."""
    model = says("Hello.", "Fine.")
    said: list[Any] = [SYSTEM]
    for text in ("Hi", "How are you?"):
        said.append(HumanMessage(text))
        said.append(model.invoke(said, thread("chat")))
        yield


def kinds_of_content() -> Iterator[None]:
    """Pictures, reasoning, citations, usage, an answer in blocks."""
    picture = {"type": "image_url", "image_url": {"url": "https://example.com/cat.png"}}
    file = {"type": "file", "base64": "JVBERi0xLjQ=", "mime_type": "application/pdf"}
    blocks: Any = [
        {"type": "reasoning", "reasoning": "It purrs."},
        {
            "type": "text",
            "text": "A cat.",
            "annotations": [{"type": "citation", "url": "https://example.com"}],
        },
    ]
    usage: Any = {"input_tokens": 7, "output_tokens": 5, "total_tokens": 12}
    model = says(AIMessage(blocks, usage_metadata=usage, response_metadata={"model_name": "m-2"}))
    model.invoke([HumanMessage([{"type": "text", "text": "What is it?"}, picture, file])], thread("kinds"))
    yield


def tools_by_hand() -> Iterator[None]:
    """A tool that the program runs itself, and one that fails."""
    for city in ("Oslo", "Atlantis"):
        said: list[Any] = [SYSTEM, HumanMessage(f"Weather in {city}?")]
        said.append(says(asks(("weather", {"city": city}, "call_1"))).invoke(said, thread(city)))
        yield
        try:
            said.append(weather.invoke(said[-1].tool_calls[0], thread(city)))
        except ValueError:
            said.append(ToolMessage("No such city.", tool_call_id="call_1", status="error"))
        yield
        says("As it is.").invoke(said, thread(city))
        yield


def agent() -> Iterator[None]:
    """An agent with a memory, for two turns."""
    answers = (asks(("weather", {"city": "Oslo"}, "call_1"), text="Let me look."), "Sunny.", "Bye.")
    made = create_agent(
        says(*answers), [weather], system_prompt="You are a guide.", checkpointer=MemorySaver()
    )
    for text in ("Oslo?", "Thanks"):
        made.invoke({"messages": [HumanMessage(text)]}, thread("agent"))
        yield


def router() -> Iterator[None]:
    """A graph that asks a model before it answers."""

    def route(state: MessagesState) -> Any:
        says("billing").invoke([SystemMessage("Which department?"), *state["messages"]])
        return {}

    def answer(state: MessagesState) -> Any:
        return {"messages": [says("We refund you.").invoke(state["messages"])]}

    graph: Any = StateGraph(MessagesState)
    graph.add_sequence([("route", route), ("answer", answer)])
    graph.add_edge(START, "route")
    graph.compile().invoke({"messages": [HumanMessage("My money!")]}, thread("router"))
    yield


class Shelf(BaseRetriever):
    """Has one document."""

    def _get_relevant_documents(self, query: str, **_: Any) -> list[Document]:
        return [Document(f"All about {query}.", metadata={"source": "shelf"}, id="doc-1")]


def documents() -> Iterator[None]:
    """A chain with a retriever."""
    prompt = ChatPromptTemplate.from_messages([("system", "Use: {context}"), ("human", "{question}")])
    chain: Any = (
        {"context": Shelf(), "question": lambda asked: asked} | prompt | says("Cats.") | StrOutputParser()
    )
    chain.invoke("cats", thread("documents"))
    yield


def failure() -> Iterator[None]:
    """A model that is down."""
    try:
        breaks().invoke([HumanMessage("Hi")], thread("failure"))
    except ConnectionError:
        yield


def stream() -> Iterator[None]:
    """A streamed answer, and one that is left early."""
    for _ in says("one two three").stream([HumanMessage("Count")], thread("stream")):
        pass
    yield
    left: Any = says("one two three").stream([HumanMessage("Count again")], thread("stream"))
    next(left)
    left.close()
    yield


SCRIPTS: Mapping[str, Callable[[], Iterator[None]]] = {
    "chat": chat,
    "kinds of content": kinds_of_content,
    "tools by hand": tools_by_hand,
    "agent": agent,
    "agent with chains": agent,
    "router": router,
    "router with chains": router,
    "documents": documents,
    "failure": failure,
    "stream": stream,
}
"""By what they do; those whose name ends in "with chains" have chains recorded too."""
