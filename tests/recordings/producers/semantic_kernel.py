"""Semantic Kernel: a chat completion that calls functions automatically; the messages are in its log records."""

from __future__ import annotations

import asyncio

from openai import AsyncOpenAI
from semantic_kernel import Kernel
from semantic_kernel.connectors.ai.function_choice_behavior import FunctionChoiceBehavior
from semantic_kernel.connectors.ai.open_ai import OpenAIChatCompletion, OpenAIChatPromptExecutionSettings
from semantic_kernel.contents import ChatHistory
from semantic_kernel.functions import kernel_function

from tests.recordings import talk

INSTRUMENTATIONS = {"semantic-kernel": ("semantic-kernel", "", "")}
LOGGERS = ("semantic_kernel.utils.telemetry.model_diagnostics.decorators",)
SYSTEM, THINKS = talk.SYSTEM, False
TOOL = f"weather-{talk.TOOL}"
RETURNS = (talk.FOUND, f"An error occurred while invoking the function {TOOL}: {talk.FAILED}")
ENVIRONMENT = {
    "SEMANTICKERNEL_EXPERIMENTAL_GENAI_ENABLE_OTEL_DIAGNOSTICS": "true",
    "SEMANTICKERNEL_EXPERIMENTAL_GENAI_ENABLE_OTEL_DIAGNOSTICS_SENSITIVE": "true",
}


class Weather:
    """A plugin with one function."""

    @kernel_function(name=talk.TOOL, description=talk.DESCRIPTION)
    def get_weather(self, city: str) -> str:
        """Return the temperature in a city."""
        return talk.get_weather(city)


async def ask(address: str) -> None:
    """Question, tools, thanks."""
    kernel = Kernel()
    kernel.add_plugin(Weather(), "weather")
    service = OpenAIChatCompletion("gpt-5", async_client=AsyncOpenAI(base_url=f"{address}/v1", api_key="k"))
    settings = OpenAIChatPromptExecutionSettings(function_choice_behavior=FunctionChoiceBehavior.Auto())
    history = ChatHistory(system_message=talk.SYSTEM)
    for question in (talk.QUESTION, talk.THANKS):
        history.add_user_message(question)
        answer = await service.get_chat_message_content(history, settings, kernel=kernel)
        history.add_message(answer)


def play(address: str) -> None:
    """Question, tools, thanks."""
    asyncio.run(ask(address))
