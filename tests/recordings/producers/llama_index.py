"""LlamaIndex: its function agent, with a memory of the chat."""

from __future__ import annotations

import asyncio

from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.memory import Memory
from llama_index.llms.openai import OpenAI

from tests.recordings import talk

INSTRUMENTATIONS = {
    "openinference": (
        "openinference-instrumentation-llama-index",
        "openinference.instrumentation.llama_index",
        "LlamaIndexInstrumentor",
    ),
}
SYSTEM, THINKS = talk.SYSTEM, False


async def ask(address: str) -> None:
    """Question, tools, thanks."""
    model = OpenAI("gpt-4o", api_base=f"{address}/v1", api_key="k")
    agent = FunctionAgent(tools=[talk.get_weather], llm=model, system_prompt=talk.SYSTEM, streaming=False)
    memory = Memory.from_defaults()
    for question in (talk.QUESTION, talk.THANKS):
        await agent.run(question, memory=memory)


def play(address: str) -> None:
    """Question, tools, thanks."""
    asyncio.run(ask(address))
