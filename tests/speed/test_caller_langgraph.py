"""A run of an agent costs the application's thread less where only our pipeline reads the spans."""

from __future__ import annotations

from typing import Any

from langchain_core.messages import HumanMessage

import greenflash_otel as greenflash
from greenflash_otel.testing import Emulator
from tests.conftest import PRODUCT
from tests.instrumentation.langchain.models import asks, create_agent, says, weather
from tests.speed.counting import count


def test_three_model_turns_with_tools(greenflash_emulator: Emulator) -> None:
    """The turn is put together later, from what the agent returned and not from what became of it."""
    greenflash.instrument(
        api_key="gf_test", product_id=PRODUCT, base_url=greenflash_emulator.base_url, outbox=":memory:"
    )
    first, second = asks(("weather", {"city": "Oslo"}, "1")), asks(("weather", {"city": "Rome"}, "2"))
    agent: Any = create_agent(says(first, second, "Sunny in both."), [weather])
    states: list[Any] = []
    question = {"messages": [HumanMessage("Oslo or Rome?")]}
    with greenflash.conversation("agent"):
        counts = count(lambda: states.append(agent.invoke(question)))
    state = states[0]
    state["messages"][-1].content = "changed"
    state["messages"].append(HumanMessage("later"))
    assert greenflash.flush(20)
    assert 400 < counts.total <= 1_700
    said = [message.content for message in greenflash_emulator.conversation("agent").messages]
    assert "Sunny in both." in said
    assert not {"changed", "later"} & set(said)
