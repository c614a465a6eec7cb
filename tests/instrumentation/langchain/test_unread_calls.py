"""What a model was given and answered is read later, and as it was: on both paths the spans say the same."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.runnables import RunnableLambda

from greenflash_otel.instrumentation import langchain
from tests.instrumentation.langchain.models import Says, asks, create_agent, says, weather
from tests.instrumentation.openai.spans import Spans

PICTURE = {"type": "image_url", "image_url": {"url": "https://example.org/a.png", "detail": "low"}}
TOKENS: Any = {
    "input_tokens": 5,
    "output_tokens": 7,
    "total_tokens": 12,
    "input_token_details": {"cache_read": 2},
}


class OwnSpans(Spans):
    """Those that only our pipeline reads."""

    are_own = True


class OtherSpans(Spans):
    """Those of a provider of the application's."""

    are_own = False


Act = Callable[[], object]


CHANGING = re.compile(r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}|(?<=_ms\":)\d+|\b1[0-9]{12}\b")
"""What differs from run to run: ids and times."""


def record(spans: Spans, act: Act, **settings: Any) -> list[tuple[str, dict[str, str]]]:
    """Return the names and attributes of what LangChain does, without what differs from run to run."""
    langchain.instrument(spans.tracer, **settings)
    try:
        act()
    finally:
        langchain.uninstrument()
    recorded = [
        (
            span.name,
            {
                name: CHANGING.sub("", str(value))
                for name, value in span.attributes.items()
                if not name.endswith("time_to_first_chunk")
            },
        )
        for span in spans.records()
    ]
    return sorted(recorded, key=str)  # tools run at once


def run_agent() -> None:
    """An agent with tools, asked with a picture; it answers in blocks at its end."""
    last = AIMessage([{"type": "text", "text": "Sunny."}, "Bye."], id="3", usage_metadata=TOKENS)
    calls = (("weather", {"city": "Oslo"}, "1"), ("weather", {"city": "Rome"}, "2"))
    agent = create_agent(says(asks(*calls, text="One moment."), last), [weather], system_prompt="Be brief.")
    agent.invoke({"messages": [HumanMessage(["Weather here?", PICTURE], id="1")]})


def run_failing() -> None:
    """A model that fails in a chain, after one that answered."""

    def answer(question: str) -> None:
        says("First.").invoke(question)
        Says(messages=iter(())).invoke([HumanMessage(question)])

    with pytest.raises((StopIteration, RuntimeError)):
        RunnableLambda(answer).invoke("Hi")


def stream() -> None:
    """A streamed model in a chain."""

    def ask(text: str) -> list[HumanMessage]:
        return [HumanMessage(text)]

    for _ in (RunnableLambda(ask) | says("One two three.")).stream("Count!"):
        pass


@pytest.mark.parametrize("act", [run_agent, run_failing, stream])
@pytest.mark.parametrize("settings", [{}, {"capture_content": False}, {"chains": True}])
def test_both_paths_say_the_same(act: Act, settings: dict[str, Any]) -> None:
    """Messages, calls, tokens, endings."""
    own, other = record(OwnSpans(), act, **settings), record(OtherSpans(), act, **settings)
    assert len(own) > 1
    assert own == other


def change_everything(messages: list[Any], answer: Any) -> None:
    """Change what a model had, and what it said, as deep as an application may."""
    human, call, result = messages
    human.content[0] = "changed"
    human.content[1]["image_url"]["url"] = "https://example.org/changed.png"
    call.tool_calls[0]["args"]["place"]["city"] = "changed"
    call.content = "changed"
    result.content = "changed"
    answer.content = "changed"
    answer.tool_calls[0]["args"]["city"] = "changed"
    answer.tool_calls.append({"name": "changed", "args": {}, "id": "9", "type": "tool_call"})
    answer.usage_metadata["input_tokens"] = 999
    answer.usage_metadata["input_token_details"]["cache_read"] = 999
    messages.append(HumanMessage("changed"))


@pytest.mark.parametrize("is_changed", [False, True])
@pytest.mark.parametrize("spans", [OwnSpans, OtherSpans])
def test_what_is_changed_in_the_turn(spans: type[Spans], is_changed: bool) -> None:
    """The code that called the model goes on with its messages before anything is read."""

    def ask(question: str) -> str:
        place = {"place": {"city": "Oslo"}}
        messages = [
            HumanMessage([question, {**PICTURE, "image_url": {**PICTURE["image_url"]}}]),  # type: ignore[dict-item]
            AIMessage("", tool_calls=[{"name": "find", "args": place, "id": "1", "type": "tool_call"}]),
            ToolMessage("Found.", tool_call_id="1"),
        ]
        tokens = {**TOKENS, "input_token_details": {"cache_read": 2}}
        said = asks(("weather", {"city": "Oslo"}, "2"), text="Let me see.")
        answer = says(said.model_copy(update={"usage_metadata": tokens})).invoke(messages)
        if is_changed:
            change_everything(messages, answer)
        return "Done."

    recorded = record(spans(), lambda: RunnableLambda(ask).invoke("Weather?"))
    [written] = [str(attributes) for name, attributes in recorded if name.startswith("chat")]
    assert "changed" not in written
    assert "999" not in written
    for text in ("Oslo", "Found.", "Let me see.", "'gen_ai.usage.cache_read.input_tokens': '2'"):
        assert text in written


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    """Nothing of ours is left behind."""
    yield
    langchain.uninstrument()
