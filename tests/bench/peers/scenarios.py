"""What an application does, the same for every peer.

A scenario is a function that gets what makes clients and returns what does one operation. It keeps what the
next operation needs. Nothing here knows the peers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

SENTENCE = "The shoes I ordered last week have not arrived yet, and I would like to know where they are."
MODEL = "gpt-4o-mini"
GROWN = 1_000
TURNS = 3


@dataclass(frozen=True, slots=True)
class Application:
    """What operations need."""

    base_url: str
    wrap: Callable[[Any], Any]
    callbacks: Callable[[], list[Any]]

    def make_client(self, name: str = "OpenAI") -> Any:
        """Return a client of OpenAI, as the peer wants it."""
        return self.wrap(getattr(import_module("openai"), name)(api_key="sk-bench", base_url=self.base_url))


Operation = Callable[[int], None]


def chat(application: Application) -> Operation:
    """Make a call with four new messages, each in a conversation of its own."""
    client = application.make_client()

    def call(number: int) -> None:
        client.chat.completions.create(model=MODEL, messages=_four_messages(number))

    return call


def concurrent(application: Application) -> Operation:
    """Make fifty such calls at once, with the asynchronous client."""
    client = application.make_client("AsyncOpenAI")
    loop = asyncio.new_event_loop()

    async def call_all(number: int) -> None:
        calls = (
            client.chat.completions.create(model=MODEL, messages=_four_messages(number * 50 + n))
            for n in range(50)
        )
        await asyncio.gather(*calls)

    return lambda number: loop.run_until_complete(call_all(number))


def streamed(application: Application) -> Operation:
    """Read an answer of 200 chunks."""
    client = application.make_client()

    def call(number: int) -> None:
        chunks = client.chat.completions.create(model=MODEL, messages=_four_messages(number), stream=True)
        for _ in chunks:
            pass

    return call


def responses(application: Application) -> Operation:
    """Make a call of the Responses API."""
    client = application.make_client()

    def call(number: int) -> None:
        client.responses.create(model=MODEL, instructions="Be brief.", input=f"{number}: {SENTENCE}")

    return call


def growing(application: Application) -> Operation:
    """Go on with a chat of 1,000 messages that is sent whole each time."""
    client = application.make_client()
    messages: list[dict[str, str]] = [{"role": "system", "content": "Be brief."}]
    for number in range(GROWN // 2):
        messages.append({"role": "user", "content": f"{number}: {SENTENCE}"})
        messages.append({"role": "assistant", "content": f"{number}: It comes tomorrow."})

    def call(number: int) -> None:
        messages.append({"role": "user", "content": f"next {number}: {SENTENCE}"})
        answer = client.chat.completions.create(model=MODEL, messages=messages)
        messages.append({"role": "assistant", "content": answer.choices[0].message.content})

    return call


def langgraph(application: Application) -> Operation:
    """Run an agent with three turns of the model, two of which call a tool."""
    graph = _make_agent()

    def run(number: int) -> None:
        config = {"callbacks": application.callbacks(), "configurable": {"thread_id": str(number)}}
        graph.invoke({"messages": [("user", f"{number}: {SENTENCE}")]}, config)

    return run


SCENARIOS: dict[str, tuple[Callable[[Application], Operation], int, int]] = {
    "chat": (chat, 100, 1),
    "async, 50 at once": (concurrent, 3, 50),
    "streamed, 200 chunks": (streamed, 30, 1),
    "Responses": (responses, 100, 1),
    "growing chat at 1,000": (growing, 10, 1),
    "LangGraph run": (langgraph, 30, 1),
}
"""What prepares it, how many operations are measured, and by what their costs are divided."""


def _four_messages(number: int) -> list[dict[str, str]]:
    return [
        {"role": "system", "content": "You are the assistant of a shop. Be brief."},
        {"role": "user", "content": f"{number}: {SENTENCE}"},
        {"role": "assistant", "content": f"{number}: Which order do you mean?"},
        {"role": "user", "content": f"{number}: The one with the number {number}."},
    ]


def _make_agent() -> Any:
    chat_models: Any = import_module("langchain_core.language_models.chat_models")
    outputs: Any = import_module("langchain_core.outputs")
    messages: Any = import_module("langchain_core.messages")
    tools: Any = import_module("langchain_core.tools")
    graphs: Any = import_module("langgraph.graph")
    nodes: Any = import_module("langgraph.prebuilt")

    class Scripted(chat_models.BaseChatModel):  # type: ignore[misc] # imported where it is installed
        """Asks for a tool until it has had enough results."""

        @property
        def _llm_type(self) -> str:
            return "scripted"

        def _generate(self, messages_: list[Any], stop: Any = None, run_manager: Any = None, **_: Any) -> Any:
            results = sum(message.type == "tool" for message in messages_)
            call = {"name": "look_up", "args": {"number": results}, "id": f"call_{len(messages_)}"}
            calls = [call] if results < TURNS - 1 else []
            answer = messages.AIMessage(content="" if calls else SENTENCE, tool_calls=calls)
            return outputs.ChatResult(generations=[outputs.ChatGeneration(message=answer)])

    def look_up(number: int) -> str:
        """Look up an order."""
        return f"Order {number} was sent on Monday."

    model = Scripted()
    builder = graphs.StateGraph(graphs.MessagesState)
    builder.add_node("model", lambda state, config: {"messages": [model.invoke(state["messages"], config)]})
    builder.add_node("tools", nodes.ToolNode([tools.tool(look_up)]))
    builder.add_edge(graphs.START, "model")
    builder.add_conditional_edges("model", nodes.tools_condition)
    builder.add_edge("tools", "model")
    return builder.compile()
