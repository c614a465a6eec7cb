"""A LangGraph agent with tools, a question back to the user, and an outcome recorded where it happens.

With OPENAI_API_KEY, GREENFLASH_API_KEY and GREENFLASH_PRODUCT_ID set it uses the real services. Without them
it uses written answers and a local Greenflash: ``python examples/langgraph_agent.py`` works anywhere.
"""

import os
from contextlib import ExitStack

from langchain.agents import create_agent
from langchain_core.messages import HumanMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command, interrupt

import greenflash_otel as greenflash
from greenflash_otel.demo.local import local_services


@tool
def get_weather(city: str) -> str:
    """The weather in a city."""
    return f"No news from {city}."


@tool
def find_table(people: int) -> str:
    """Find a free table."""
    return "A table for two is free at 20:00, inside or outside."


@tool
def book_table(time: str, outside: bool) -> str:
    """Book a table, if the user agrees."""
    interrupt(f"Shall I book for {time}?")
    greenflash.record_outcome("table booked", influence="positive")  # to the conversation that is active
    return f"Booked for {time}, {'outside' if outside else 'inside'}."


with ExitStack() as stack:
    if not (os.environ.get("OPENAI_API_KEY") and os.environ.get("GREENFLASH_API_KEY")):
        stack.enter_context(local_services())  # sets OPENAI_* and GREENFLASH_* to local stand-ins

    greenflash.instrument()
    tools = [get_weather, find_table, book_table]
    agent = create_agent(ChatOpenAI(model="gpt-4o-mini"), tools, checkpointer=InMemorySaver())

    # The thread is the conversation. Nothing else has to be said.
    config: RunnableConfig = {"configurable": {"thread_id": "dinner", "user_id": "eve"}}
    question = "Please get us a table for two tonight, outside if the weather allows."
    agent.invoke({"messages": [HumanMessage(question)]}, config)
    agent.invoke(Command(resume="Yes, please."), config)  # may as well run in another process

    print("delivered:", greenflash.flush(30), "-", greenflash.stats())
    greenflash.shutdown()
