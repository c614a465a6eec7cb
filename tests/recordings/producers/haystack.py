"""Haystack: its agent, which is sent the whole chat again."""

from __future__ import annotations

from haystack.components.agents import Agent
from haystack.components.generators.chat import OpenAIChatGenerator
from haystack.dataclasses import ChatMessage
from haystack.tools import Tool
from haystack.utils import Secret

from tests.recordings import talk

INSTRUMENTATIONS = {
    "openinference": (
        "openinference-instrumentation-haystack",
        "openinference.instrumentation.haystack",
        "HaystackInstrumentor",
    ),
}
SYSTEM, THINKS = None, False
ENVIRONMENT = {"HAYSTACK_TELEMETRY_ENABLED": "False"}


def play(address: str) -> None:
    """Question, tools, thanks."""
    model = OpenAIChatGenerator(model="gpt-5", api_key=Secret.from_token("k"), api_base_url=f"{address}/v1")
    tool = Tool(talk.TOOL, talk.DESCRIPTION, talk.SCHEMA, talk.get_weather)
    agent = Agent(chat_generator=model, tools=[tool])
    found = agent.run(messages=[ChatMessage.from_user(talk.QUESTION)])
    agent.run(messages=[*found["messages"], ChatMessage.from_user(talk.THANKS)])
