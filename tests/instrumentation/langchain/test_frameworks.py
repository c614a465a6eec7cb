"""Frameworks on LangChain, as they are released: what the user asked, and what the user saw.

They are installed for `make test-newest`; elsewhere these tests are skipped.
"""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import HumanMessage

from tests.instrumentation.langchain.models import asks, create_agent, says, thread, told, weather
from tests.instrumentation.openai.spans import Spans

QUESTION: Any = {"messages": [HumanMessage("How is the weather in Oslo?")]}


def shown(spans: Spans) -> list[Any]:
    """What was said and seen in the conversation."""
    kinds = ("user_message", "assistant_message", "final_response")
    return [text for type, text in told(spans, "T") if type in kinds]


def load(module: str, package: str) -> Any:
    """The module of a framework; skip the test if it is not installed."""
    return pytest.importorskip(module, reason=f"{package} is not installed; make test-newest has it")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # it still builds on what LangGraph has moved
def test_a_supervisor_speaks_for_its_workers(spans: Spans) -> None:
    """langgraph-supervisor: what it hands over and what comes back is not what the user saw last."""
    supervisor = load("langgraph_supervisor", "langgraph-supervisor")
    worker = create_agent(
        says(asks(("weather", {"city": "Oslo"}, "2")), "Sunny, says the worker."), [weather], name="worker"
    )
    boss = says(asks(("transfer_to_worker", {}, "1")), "It is sunny.")
    supervisor.create_supervisor([worker], model=boss).compile().invoke(QUESTION, thread("T"))
    assert shown(spans)[0] == "How is the weather in Oslo?"
    assert shown(spans)[-1] == "It is sunny."
    assert shown(spans).count("How is the weather in Oslo?") == 1


def test_a_swarm_hands_over(spans: Spans) -> None:
    """langgraph-swarm: the agent that takes over answers."""
    swarm = load("langgraph_swarm", "langgraph-swarm")
    to_bob = swarm.create_handoff_tool(agent_name="bob")
    ada = create_agent(says(asks(("transfer_to_bob", {}, "1"))), [to_bob], name="ada")
    bob = create_agent(says("It is sunny."), [], name="bob")
    swarm.create_swarm([ada, bob], default_active_agent="ada").compile().invoke(QUESTION, thread("T"))
    assert shown(spans) == ["How is the weather in Oslo?", "It is sunny."]


def test_a_deep_agent_and_its_sub_agent(spans: Spans) -> None:
    """deepagents: what a sub-agent is asked, and says, belongs to the call of the tool."""
    deepagents = load("deepagents", "deepagents")
    task = {"description": "Look up the weather in Oslo.", "subagent_type": "looker"}
    looker = {
        "name": "looker",
        "description": "Looks up the weather.",
        "system_prompt": "Look up.",
        "model": says("Sunny, says the looker."),
        "tools": [],
    }
    agent = deepagents.create_deep_agent(
        model=says(asks(("task", task, "1")), "It is sunny."), subagents=[looker]
    )
    agent.invoke(QUESTION, thread("T"))
    assert shown(spans) == ["How is the weather in Oslo?", "It is sunny."]


def test_the_executor_of_classic_agents(spans: Spans) -> None:
    """langchain-classic: the agent's steps are tools, its output is the answer."""
    agents = load("langchain_classic.agents", "langchain-classic")
    from langchain_core.prompts import ChatPromptTemplate

    prompt = ChatPromptTemplate.from_messages([("user", "{input}"), ("placeholder", "{agent_scratchpad}")])
    model = says(asks(("weather", {"city": "Oslo"}, "1")), "It is sunny.")
    agent = agents.create_tool_calling_agent(model, [weather], prompt)
    agents.AgentExecutor(agent=agent, tools=[weather]).invoke(
        {"input": "How is the weather in Oslo?"}, {"metadata": {"thread_id": "T"}}
    )
    assert shown(spans) == ["How is the weather in Oslo?", "It is sunny."]
