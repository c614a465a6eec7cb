"""Agno: an agent with a session of its own, which remembers the first question."""

from __future__ import annotations

from agno.agent import Agent
from agno.db.in_memory import InMemoryDb
from agno.models.openai import OpenAIChat

from tests.recordings import talk

INSTRUMENTATIONS = {
    "openinference": (
        "openinference-instrumentation-agno",
        "openinference.instrumentation.agno",
        "AgnoInstrumentor",
    ),
}
SYSTEM, THINKS = None, False
ENVIRONMENT = {"AGNO_TELEMETRY": "false"}
CONVERSATION, USER = "session-1", "ada"


def play(address: str) -> None:
    """Question, tools, thanks."""
    agent = Agent(
        model=OpenAIChat(id="gpt-5", base_url=f"{address}/v1", api_key="k"),
        tools=[talk.get_weather],
        db=InMemoryDb(),
        add_history_to_context=True,
        telemetry=False,
    )
    for question in (talk.QUESTION, talk.THANKS):
        agent.run(question, session_id=CONVERSATION, user_id=USER)
