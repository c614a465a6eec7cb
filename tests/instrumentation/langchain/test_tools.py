"""Tools: two at once, the seven ways in which one fails, and what runs inside."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from langchain_core.messages import HumanMessage
from langchain_core.tools import ToolException, tool
from langgraph.checkpoint.memory import MemorySaver
from langgraph.types import Command, interrupt

from tests.instrumentation.langchain.models import (
    asks,
    create_agent,
    lines,
    middleware,
    parents,
    says,
    thread,
    told,
    weather,
)
from tests.instrumentation.openai.spans import Spans

QUESTION: Any = {"messages": [HumanMessage("Oslo?")]}


def test_two_tools_at_once(spans: Spans) -> None:
    """Both hang on the question, each result on its call, the answer on the question."""
    calls = asks(("weather", {"city": "Oslo"}, "1"), ("weather", {"city": "Rome"}, "2"))
    create_agent(says(calls, "Sunny."), [weather]).invoke(QUESTION, thread("T"))
    items = spans.conversations()["T"]
    assert parents(items) == {
        "Oslo?": None,
        "('weather', 'Oslo')": "Oslo?",
        "('weather', 'Rome')": "Oslo?",
        "Sunny in Oslo.": "('weather', 'Oslo')",
        "Sunny in Rome.": "('weather', 'Rome')",
        "Sunny.": "Oslo?",
    }
    assert items[-1].type == "final_response"


def raising() -> tuple[Any, str]:
    """It raises, and so the whole turn fails."""
    return create_agent(
        says(asks(("weather", {"city": "Atlantis"}, "1")), "Sorry."), [weather]
    ), "no such city"


def wrongly_called() -> tuple[Any, str]:
    """Its arguments are not those it takes."""
    return create_agent(says(asks(("weather", {"town": "Oslo"}, "1")), "Sorry."), [weather]), "city"


def handled() -> tuple[Any, str]:
    """The middleware makes an answer of the exception."""

    class Handles(middleware().AgentMiddleware):  # type: ignore[misc]  # of newer versions only
        def wrap_tool_call(self, request: Any, handler: Callable[[Any], Any]) -> Any:
            from langchain_core.messages import ToolMessage

            try:
                return handler(request)
            except ValueError as error:
                return ToolMessage(f"Failed: {error}", tool_call_id=request.tool_call["id"], status="error")

    model = says(asks(("weather", {"city": "Atlantis"}, "1")), "Sorry.")
    return create_agent(model, [weather], middleware=[Handles()]), "no such city"


def handling_itself() -> tuple[Any, str]:
    """It says itself what an exception becomes."""

    @tool
    def fails() -> str:
        """Fail."""
        raise ToolException("not today")

    fails.handle_tool_error = True
    return create_agent(says(asks(("fails", {}, "1")), "Sorry."), [fails]), "not today"


def unknown() -> tuple[Any, str]:
    """There is no such tool."""
    return create_agent(says(asks(("whether", {}, "1")), "Sorry."), [weather]), "whether is not a valid tool"


def rejected() -> tuple[Any, str]:
    """A person did not want it to run."""
    model = says(asks(("weather", {"city": "Oslo"}, "1")), "Sorry.")
    asking = middleware().HumanInTheLoopMiddleware(interrupt_on={"weather": True})
    agent = create_agent(model, [weather], middleware=[asking], checkpointer=MemorySaver())
    agent.invoke(QUESTION, thread("T"))
    return agent, "rejected"


@pytest.mark.parametrize("fails", [raising, wrongly_called, handled, handling_itself, unknown, rejected])
def test_a_tool_that_fails(fails: Callable[[], tuple[Any, str]], spans: Spans) -> None:
    """However it is told, it is one call with one error."""
    agent, said = fails()
    given: Any = QUESTION
    if fails is rejected:
        given = Command(resume={"decisions": [{"type": "reject"}]})
    if fails is raising:
        with suppress(ValueError):  # which agents of older versions told the model
            agent.invoke(given, thread("T"))
    else:
        agent.invoke(given, thread("T"))
    items = spans.conversations()["T"]
    [call] = [item for item in items if item.type == "tool_call"]
    [error] = [item for item in items if item.type == "tool_error"]
    assert error.parent_id == call.id
    assert said in lines([error])[0][1]
    assert "observation" not in {item.type for item in items}


def test_a_tool_that_asks_has_not_failed(spans: Spans) -> None:
    """The seventh way is none: an interrupt."""

    @tool
    def send() -> str:
        """Send it, if somebody agrees."""
        return str(interrupt("Shall I?"))

    agent = create_agent(says(asks(("send", {}, "1"))), [send], checkpointer=MemorySaver())
    agent.invoke(QUESTION, thread("T"))
    assert told(spans, "T") == [
        ("user_message", "Oslo?"),
        ("tool_call", ("send",)),
        ("assistant_message", "Shall I?"),
    ]


def test_a_tool_on_its_own(spans: Spans) -> None:
    """Without an agent it is a call with a result, of a conversation that has nothing else."""
    assert weather.invoke({"city": "Oslo"}, {"metadata": {"thread_id": "T"}}) == "Sunny in Oslo."
    assert told(spans, "T") == [("tool_call", ("weather", "Oslo")), ("observation", "Sunny in Oslo.")]
