"""A run of an agent costs the application's thread less where only our pipeline reads the spans."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import HumanMessage

import greenflash_otel as greenflash
from greenflash_otel.testing import Emulator
from tests.conftest import PRODUCT
from tests.instrumentation.langchain.models import asks, create_agent, says, weather
from tests.speed.counting import count


def run_agent(states: list[Any], counted: list[int], conversation_id: str | None) -> None:
    """Run an agent of three model turns and two tools; note what it returned, and count our calls."""
    first, second = asks(("weather", {"city": "Oslo"}, "1")), asks(("weather", {"city": "Rome"}, "2"))
    agent: Any = create_agent(says(first, second, "Sunny in both."), [weather])
    question = {"messages": [HumanMessage("Oslo or Rome?")]}
    with greenflash.conversation(conversation_id):
        counted.append(count(lambda: states.append(agent.invoke(question))).total)


@pytest.mark.parametrize("conversation_id", ["agent", None])
def test_three_model_turns_with_tools(greenflash_emulator: Emulator, conversation_id: str | None) -> None:
    """The turn is put together later, from what the agent returned and not from what became of it."""
    greenflash.instrument(
        api_key="gf_test", product_id=PRODUCT, base_url=greenflash_emulator.base_url, outbox=":memory:"
    )
    states, counted = list[Any](), list[int]()
    run_agent(states, counted, "first")  # which imports what it needs
    run_agent(states, counted, conversation_id)
    for state in states:
        state["messages"][-1].content = "changed"
        state["messages"].append(HumanMessage("later"))
    assert greenflash.flush(20)
    assert 400 < counted[-1] <= 800
    told = [known.id for known in greenflash_emulator.conversations() if known.external_id != "first"]
    assert len(told) == 1
    said = [message.content for message in greenflash_emulator.conversation(told[0]).messages]
    assert "Sunny in both." in said
    assert not {"changed", "later"} & set(said)
