"""One prompt is one prompt, however it is filled in."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenflash_otel.conversations.update import ConversationUpdate, MessageItem
from greenflash_otel.greenflash_api.messages import Address, requests_of
from greenflash_otel.model.operation import PromptTemplate
from greenflash_otel.model.prompt_templates import fill, find_values, join_templates, write_template
from greenflash_otel.model.telemetry import SpanRecord
from greenflash_otel.semconv import registry

names = st.sampled_from(["name", "company", "day"])
fixed = st.text(st.characters(exclude_characters="{}"), max_size=12)


@given(st.lists(st.tuples(fixed, names), min_size=1, max_size=4), fixed, st.dictionaries(names, st.text()))
def test_a_filled_template_is_found_again(
    parts: list[tuple[str, str]], end: str, values: dict[str, str]
) -> None:
    values = {name: values.get(name, "") for _, name in parts}
    template = "".join(f"{text}{{{name}}}" for text, name in parts) + end
    written = write_template(template, "f-string")
    assert written is not None
    assert find_values(written, values, template.format(**values)) == values


@pytest.mark.parametrize(
    ("template", "language", "written"),
    [
        ("You help {name}.", "f-string", "You help {{name}}."),
        ('Answer as {{"a": {name}}}', "f-string", 'Answer as {"a": {{name}}}'),
        ("A lonely { brace", "f-string", None),
        ("You help {{ name }} of {{{company}}}.", "mustache", "You help {{name}} of {{company}}."),
        ("You help {{#vip}}{{name}}{{/vip}}.", "mustache", None),
        ("You help {% if a %}{{ name }}{% endif %}.", "jinja2", None),
        ("You help {{ name | upper }}.", "jinja2", None),
        ("You help {name}.", None, "You help {{name}}."),
        ("You help {{name}}.", None, "You help {{name}}."),
    ],
)
def test_templates_in_greenflashs_form(template: str, language: str | None, written: str | None) -> None:
    assert write_template(template, language) == written


def test_values_that_nobody_said_are_read_from_the_text() -> None:
    assert find_values("Hi {{a}}, today is {{b}}.", {"a": "Ada"}, "Hi Ada, today is Monday.") == {
        "a": "Ada",
        "b": "Monday",
    }
    assert find_values("Hi {{a}}.", {"a": "Ada"}, "Hello Ada.") is None


def test_a_prompt_of_several_parts() -> None:
    one = PromptTemplate(variables={"a": "Ada"}, template="Hi {{a}}.")
    other = PromptTemplate(variables={"a": "Bob"}, template="Bye {{a}}.")
    joined = join_templates(["Hi Ada.", "Be kind.", "Bye Bob."], [one, None, other])
    assert joined == PromptTemplate(variables={"a": "Ada"}, template="Hi {{a}}.\n\nBe kind.\n\nBye Bob.")
    assert join_templates(["Be kind."], [None]) is None


def _sent(text: str | None, prompt: PromptTemplate | None) -> Any:
    items = (MessageItem("gf_1", "user_message", 1, content="hi"),)
    update = ConversationUpdate("chat", items, system_prompt=text, prompt=prompt)
    (request,) = requests_of(update, Address("p", "anonymous"))
    return json.loads(request.body).get("systemPrompt")


def test_what_is_sent() -> None:
    """A template with its variables; a name alone where only the filled text is known; else the text."""
    template = PromptTemplate("p", "1", {"a": 3, "b": {"type": "input_text", "text": "x"}}, "Hi {{a}} {{b}}")
    assert _sent("Hi 3 x", template) == {
        "externalPromptId": "p",
        "components": [{"content": "Hi {{a}} {{b}}", "isDynamic": False}],
        "variables": {"a": "3", "b": "x"},
    }
    assert _sent("Hi Ada", PromptTemplate("p", variables={"a": "Ada"})) == {
        "externalPromptId": "p",
        "variables": {"a": "Ada"},
    }
    assert _sent("Hi Ada", None) == "Hi Ada"
    assert _sent("Hi Ada", PromptTemplate()) == "Hi Ada"


def _span(attributes: dict[str, Any]) -> SpanRecord:
    return SpanRecord("1" * 32, "1" * 16, "llm", 1, 2, attributes=attributes)


def _openinference(
    system: str, question: str, template: str, variables: dict[str, str]
) -> PromptTemplate | None:
    messages = {
        "llm.input_messages.0.message.role": "system",
        "llm.input_messages.0.message.content": system,
        "llm.input_messages.1.message.role": "user",
        "llm.input_messages.1.message.content": question,
    }
    named = {
        "llm.prompt_template.template": template,
        "llm.prompt_template.variables": json.dumps(variables),
        "llm.prompt_template.version": "v1",
    }
    operation = registry.read(_span({"openinference.span.kind": "LLM", **messages, **named}))
    assert operation is not None
    return operation.prompt


def test_a_template_of_openinference() -> None:
    made = _openinference("You help Ada.", "hi", "You help {name}.", {"name": "Ada"})
    assert made == PromptTemplate(None, "v1", {"name": "Ada"}, "You help {{name}}.")


def test_a_template_of_the_users_message_is_no_system_prompt() -> None:
    assert _openinference("Be kind.", "Tell me of cats", "Tell me of {topic}", {"topic": "cats"}) is None


@pytest.mark.parametrize(
    "named",
    [
        {"gen_ai.prompt.name": "helper", "gen_ai.prompt.version": "2", "gen_ai.prompt.variable.name": "Ada"},
        {
            "traceloop.prompt.key": "helper",
            "traceloop.prompt.version": "2",
            "traceloop.prompt.template_variables.name": "Ada",
        },
    ],
)
def test_a_named_prompt_of_others(named: dict[str, str]) -> None:
    messages = {"gen_ai.operation.name": "chat", "gen_ai.system_instructions": "You help Ada."}
    operation = registry.read(_span({**messages, **named}))
    assert operation is not None
    assert operation.prompt == PromptTemplate("helper", "2", {"name": "Ada"})


@given(fixed, names)
def test_filling_in_what_is_not_known_changes_nothing(text: str, name: str) -> None:
    assert fill(f"{text}{{{{{name}}}}}", {}) == f"{text}{{{{{name}}}}}"
