"""smolagents: an agent that calls tools, ends with one, and remembers its steps."""

from __future__ import annotations

from smolagents import OpenAIServerModel, ToolCallingAgent, tool

from tests.recordings import talk

INSTRUMENTATIONS = {
    "openinference": (
        "openinference-instrumentation-smolagents",
        "openinference.instrumentation.smolagents",
        "SmolagentsInstrumentor",
    ),
}
SYSTEM, THINKS = None, False
ENDS_WITH_TOOL = True
RETURNS = (
    talk.FOUND,
    "Error:\nError executing tool 'get_weather' with arguments {'city': 'Oslo'}: RuntimeError: station offline\n"
    "Please try again or use another tool\nNow let's retry: take care not to repeat previous errors! If you have "
    "retried several times, try a completely different approach.\n",
)


@tool
def get_weather(city: str) -> str:
    """The temperature in a city.

    Args:
        city: Its name.
    """
    return talk.get_weather(city)


def play(address: str) -> None:
    """Question, tools, thanks."""
    model = OpenAIServerModel("gpt-5", api_base=f"{address}/v1", api_key="k")
    agent = ToolCallingAgent(tools=[get_weather], model=model, max_steps=4)
    agent.run(talk.QUESTION)
    agent.run(talk.THANKS, reset=False)
