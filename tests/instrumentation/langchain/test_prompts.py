"""Prompts that LangChain fills in, and what is known of the model calls of a turn."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda

from greenflash_otel.instrumentation.langchain.model_calls import add_usages
from greenflash_otel.model.operation import Usage
from tests.instrumentation.langchain.models import says, thread
from tests.instrumentation.openai.spans import Spans

QUESTION = {"question": "Who are you?", "name": "Ada", "place": "Oslo"}


def prompts_of(spans: Spans) -> list[tuple[str | None, Any, Any]]:
    """The system prompt of each update that has one, its template, and the values in it."""
    return [
        (
            update.system_prompt,
            update.prompt and update.prompt.template,
            update.prompt and dict(update.prompt.variables),
        )
        for update in spans.updates()
        if update.system_prompt
    ]


@pytest.mark.parametrize(
    ("system", "options"),
    [
        ("You are {name} of {place}.", {}),
        ("You are {{name}} of {{place}}.", {"template_format": "mustache"}),
    ],
    ids=["f-string", "mustache"],
)
def test_a_prompt_is_one_however_it_is_filled(spans: Spans, system: str, options: Any) -> None:
    """It is sent as its template and its values."""
    user = system.replace("You are", "To").replace("name", "question")
    prompt = ChatPromptTemplate.from_messages([("system", system), ("user", user)], **options)
    chain = prompt | says("I am.", "I am.")
    for number, name in enumerate(("Ada", "Bob")):
        chain.invoke({**QUESTION, "name": name}, thread(f"T{number}"))
    template = "You are {{name}} of {{place}}."
    assert prompts_of(spans) == [
        (f"You are {name} of Oslo.", template, {"name": name, "place": "Oslo"}) for name in ("Ada", "Bob")
    ]


def test_a_value_that_was_filled_in_before(spans: Spans) -> None:
    """`partial` is a value like any other."""
    prompt = ChatPromptTemplate.from_messages([("system", "You are {name}."), ("user", "{question}")])
    (prompt.partial(name="Ada") | says("I am.")).invoke({"question": "Who are you?"}, thread("T"))
    assert prompts_of(spans) == [("You are Ada.", "You are {{name}}.", {"name": "Ada"})]


def test_a_prompt_that_a_node_changes_is_no_template(spans: Spans) -> None:
    """What the model was given did not come of the template."""
    prompt = ChatPromptTemplate.from_messages([("system", "You are {name}."), ("user", "{question}")])

    def change(filled: Any) -> Any:
        system, user = filled.to_messages()
        return [system.model_copy(update={"content": f"{system.content} Be brief."}), user]

    chain = prompt | RunnableLambda(change) | says("I am.")
    chain.invoke({"question": "Who are you?", "name": "Ada"}, thread("T"))
    assert prompts_of(spans) == [("You are Ada. Be brief.", None, None)]


def test_the_prompt_of_the_call_that_the_user_saw(spans: Spans) -> None:
    """A call before it has a prompt of its own."""
    router = ChatPromptTemplate.from_messages([("system", "Sort for {place}."), ("user", "{question}")])
    answer = ChatPromptTemplate.from_messages([("system", "You are {name}."), ("user", "{question}")])

    def run(inputs: Any) -> Any:
        (router | says("greeting")).invoke(inputs)
        return (answer | says("I am.")).invoke(inputs)

    RunnableLambda(run).invoke(QUESTION, thread("T"))
    assert prompts_of(spans) == [("You are Ada.", "You are {{name}}.", {"name": "Ada"})]


def test_the_usage_of_several_calls_is_their_sum() -> None:
    """A count that nobody reports stays unknown, and one that some report is theirs."""
    calls = [Usage(3, 2), None, Usage(4, None, 1)]
    assert add_usages(calls) == Usage(7, 2, 1, None)
    assert add_usages([None]) is None
