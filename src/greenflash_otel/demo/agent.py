"""A conversation with a LangGraph agent: two tools at once, one of which fails, and a question back."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import greenflash_otel as greenflash

NEEDED = ("langchain", "langchain_openai", "langgraph")


def is_possible() -> bool:
    """Return whether LangChain is installed."""
    return all(find_spec(name) is not None for name in NEEDED)


def play_with_agent(**client_options: Any) -> None:
    """Play the conversation, in the thread ``dinner``.

    Args:
        client_options: For ``ChatOpenAI``, where the environment does not say it.
    """
    from langchain_core.messages import HumanMessage
    from langgraph.types import Command

    agent = _make_agent(client_options)
    config = {"configurable": {"thread_id": "dinner", "user_id": "eve"}}
    question = HumanMessage("Please get us a table for two tonight, outside if the weather allows.")
    agent.invoke({"messages": [question]}, config)
    agent.invoke(Command(resume="Yes, please."), config)


def _make_agent(client_options: dict[str, Any]) -> Any:
    from langchain.agents import create_agent
    from langchain_core.tools import ToolException, tool
    from langchain_openai import ChatOpenAI
    from langgraph.checkpoint.memory import InMemorySaver
    from langgraph.types import interrupt

    @tool
    def get_weather(city: str) -> str:
        """The weather in a city."""
        raise ToolException(f"The weather service knows nothing of {city}.")

    get_weather.handle_tool_error = True

    @tool
    def find_table(people: int) -> str:
        """Find a free table."""
        return "A table for two is free at 20:00, inside or outside."

    @tool
    def book_table(time: str, outside: bool) -> str:
        """Book a table, if the user agrees."""
        interrupt({"question": f"Shall I book {'outside' if outside else 'inside'} for {time}?"})
        greenflash.record_outcome("table booked", influence="positive")
        return f"Booked for {time}, {'outside' if outside else 'inside'}."

    model = ChatOpenAI(model="gpt-4o-mini", **client_options)
    return create_agent(model, [get_weather, find_table, book_table], checkpointer=InMemorySaver())
