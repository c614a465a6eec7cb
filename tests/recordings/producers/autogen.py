"""AutoGen's AgentChat: an assistant that calls tools and answers on what they gave."""

from __future__ import annotations

import asyncio

from autogen_agentchat.agents import AssistantAgent
from autogen_ext.models.openai import OpenAIChatCompletionClient

from tests.recordings import talk

INSTRUMENTATIONS = {
    "openinference": (
        "openinference-instrumentation-autogen-agentchat",
        "openinference.instrumentation.autogen_agentchat",
        "AutogenAgentChatInstrumentor",
    ),
}
SYSTEM, THINKS = None, False


async def get_weather(city: str) -> str:
    """The temperature in a city."""
    return talk.get_weather(city)


async def ask(address: str) -> None:
    """Question, tools, thanks."""
    info = {"vision": False, "function_calling": True, "json_output": False, "structured_output": False}
    model = OpenAIChatCompletionClient(
        model="gpt-5", base_url=f"{address}/v1", api_key="k", model_info={**info, "family": "unknown"}
    )
    agent = AssistantAgent(
        "assistant", model, tools=[get_weather], system_message=talk.SYSTEM, reflect_on_tool_use=True
    )
    for question in (talk.QUESTION, talk.THANKS):
        await agent.run(task=question)


def play(address: str) -> None:
    """Question, tools, thanks."""
    asyncio.run(ask(address))
