"""The OpenAI Agents SDK: an agent over Chat Completions, with a session that remembers the chat."""

from __future__ import annotations

from agents import Agent, OpenAIChatCompletionsModel, Runner, SQLiteSession, function_tool
from openai import AsyncOpenAI

from tests.recordings import talk

INSTRUMENTATIONS = {
    "openinference": (
        "openinference-instrumentation-openai-agents",
        "openinference.instrumentation.openai_agents",
        "OpenAIAgentsInstrumentor",
    ),
}
SYSTEM, THINKS = talk.SYSTEM, False
ENVIRONMENT = {"OPENAI_API_KEY": "k"}


def play(address: str) -> None:
    """Question, tools, thanks."""
    client = AsyncOpenAI(base_url=f"{address}/v1", api_key="k")
    agent = Agent(
        "assistant",
        instructions=talk.SYSTEM,
        model=OpenAIChatCompletionsModel("gpt-5", openai_client=client),
        tools=[function_tool(talk.get_weather, failure_error_function=lambda _context, error: str(error))],
    )
    session = SQLiteSession("session-1")
    for question in (talk.QUESTION, talk.THANKS):
        Runner.run_sync(agent, question, session=session)
