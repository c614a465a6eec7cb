"""Prompts that the application names: one prompt, however it is filled, in every way in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from greenflash.types.message_create_params import MessageCreateParams
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

import greenflash_otel as greenflash
from greenflash_otel.langchain import GreenflashCallbackHandler
from greenflash_otel.testing import Emulator
from tests.api.wire import fields_of, validator
from tests.chat import client_saying
from tests.conftest import PRODUCT
from tests.test_runtime import start
from tests.ways_in import send_to_a_collector

PROMPT = "3c90c3cc-0d44-4b50-8888-8dd25736052a"
TEMPLATE = "You help {{name}}."
SENT = {
    "externalPromptId": "support",
    "components": [{"content": TEMPLATE, "isDynamic": False}],
    "variables": {"name": "Ada"},
}


def ask(system: str | None = "You help Ada.", question: str = "Hi") -> None:
    """One call, as an application makes it."""
    said = [{"role": "system", "content": system}] if system else []
    messages: Any = [*said, {"role": "user", "content": question}]
    client_saying(["Hello."]).chat.completions.create(model="m", messages=messages)


def prompts_of(emulator: Emulator) -> list[Any]:
    """The prompt of each request with messages; each as the contract has it."""
    bodies = [request.body for request in emulator.requests() if request.path == "/messages"]
    for body in bodies:
        assert set(body) <= fields_of(MessageCreateParams)
        validator("MessagesRequest").validate(dict(body))
    return [body.get("systemPrompt") for body in bodies]


def test_openai(greenflash_emulator: Emulator) -> None:
    """Around the block and in it; the block of another prompt and calls after it have their own."""
    start(greenflash_emulator, outbox=":memory:")
    with greenflash.prompt("support", TEMPLATE, {"name": "Ada"}), greenflash.conversation("one"):
        ask()
    with greenflash.conversation("two"):
        with greenflash.prompt("support", TEMPLATE):  # the value is read from the text
            ask()
        ask(question="And now?")
    assert greenflash.flush(10)
    assert prompts_of(greenflash_emulator) == [SENT, SENT, "You help Ada."]


@greenflash.prompt("support", TEMPLATE, {"name": "Ada"})
async def ask_as_decorated() -> None:
    ask()


async def test_a_decorator(greenflash_emulator: Emulator) -> None:
    """Of a coroutine function."""
    start(greenflash_emulator, outbox=":memory:")
    await ask_as_decorated()
    assert await greenflash.aflush(10)
    assert prompts_of(greenflash_emulator) == [SENT]


def test_parts(greenflash_emulator: Emulator) -> None:
    """Every field that the API has, as values or as dicts."""
    start(greenflash_emulator, outbox=":memory:")
    parts: list[Any] = [
        greenflash.PromptComponent(
            "You help {{ name }}.", type="system", source="customer", name="role", id="role-1"
        ),
        {
            "content": "Rules.",
            "type": "guardrail",
            "source": "agent",
            "is_dynamic": True,
            "greenflash_id": PROMPT,
        },
        "More.",
    ]
    with (
        greenflash.conversation("one"),
        greenflash.prompt("mine", parts, {"name": 7}, greenflash_prompt_id=PROMPT),
    ):
        ask(None)
    assert greenflash.flush(10)
    assert prompts_of(greenflash_emulator) == [
        {
            "promptId": PROMPT,
            "components": [
                {
                    "content": TEMPLATE,
                    "type": "system",
                    "source": "customer",
                    "name": "role",
                    "isDynamic": False,
                    "externalComponentId": "role-1",
                },
                {
                    "content": "Rules.",
                    "type": "guardrail",
                    "source": "agent",
                    "isDynamic": True,
                    "componentId": PROMPT,
                },
                {"content": "More.", "isDynamic": False},
            ],
            "variables": {"name": "7"},
        }
    ]


def test_a_prompt_by_its_name_alone(greenflash_emulator: Emulator) -> None:
    """Greenflash has its text; the answer has the text that was used."""
    start(greenflash_emulator, outbox=":memory:")
    with greenflash.conversation("one"), greenflash.prompt("support", version="7"):
        ask()
    assert greenflash.flush(10)
    assert prompts_of(greenflash_emulator) == [{"externalPromptId": "support"}]
    answer = greenflash_emulator.conversation("one").messages[-1]
    assert (answer.properties or {})["prompt"] == {"id": "support", "version": "7", "text": "You help Ada."}


def test_a_name_for_the_template_of_langchain(greenflash_emulator: Emulator) -> None:
    """LangChain says the text, the application the name."""
    start(greenflash_emulator, outbox=":memory:")
    template = ChatPromptTemplate.from_messages([("system", "You help {name}."), ("user", "{input}")])
    with greenflash.conversation("one"), greenflash.prompt("support"):
        (template | model()).invoke({"name": "Ada", "input": "Hi"})
    assert greenflash.flush(10)
    assert prompts_of(greenflash_emulator) == [SENT]


def model() -> GenericFakeChatModel:
    return GenericFakeChatModel(messages=iter([AIMessage("Hello.")]))


@pytest.mark.parametrize("place", ["around the chain", "in the chain"])
@pytest.mark.parametrize("has_handler", [False, True])
def test_langchain(greenflash_emulator: Emulator, place: str, has_handler: bool) -> None:
    """Around an agent, and around a call in it."""
    start(greenflash_emulator, outbox=":memory:", **({"frameworks": ()} if has_handler else {}))
    named = greenflash.prompt("support", TEMPLATE, {"name": "Ada"})

    def answer(said: Mapping[str, str], config: Any) -> Any:
        messages = [SystemMessage("You help Ada."), HumanMessage(said["input"])]
        if place == "around the chain":
            return model().invoke(messages, config)
        with named:
            return model().invoke(messages, config)

    config: Any = {"callbacks": [GreenflashCallbackHandler()]} if has_handler else {}
    chain = RunnableLambda(answer)
    with greenflash.conversation("one"):
        if place == "around the chain":
            with named:
                chain.invoke({"input": "Hi"}, config)
        else:
            chain.invoke({"input": "Hi"}, config)
    assert greenflash.flush(10)
    assert prompts_of(greenflash_emulator) == [SENT]


def test_spans_of_others(greenflash_emulator: Emulator) -> None:
    """A span that another instrumentation made inside the block, exported by our exporter."""
    exporter = greenflash.GreenflashSpanExporter(
        api_key="gf_test", product_id=PRODUCT, base_url=greenflash_emulator.base_url, outbox=":memory:"
    )
    provider = TracerProvider()
    provider.add_span_processor(greenflash.ConversationSpanProcessor())
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with greenflash.conversation("one"), greenflash.prompt("support", TEMPLATE, {"name": "Ada"}):
        span = provider.get_tracer("other").start_span("chat m")
        span.set_attributes(
            {
                "gen_ai.operation.name": "chat",
                "gen_ai.input.messages": '[{"role": "user", "parts": [{"type": "text", "content": "Hi"}]}]',
                "gen_ai.output.messages": '[{"role": "assistant", "parts": [{"type": "text", "content": "Yes"}]}]',
            }
        )
        span.end()
    assert greenflash.flush(10)
    exporter.shutdown()
    assert prompts_of(greenflash_emulator) == [SENT]


def test_a_collector(greenflash_emulator: Emulator) -> None:
    """The gateway reads the prompt from the span."""

    def act() -> None:
        with greenflash.conversation("one"), greenflash.prompt("support", TEMPLATE):
            ask()

    send_to_a_collector(greenflash_emulator, act)
    assert prompts_of(greenflash_emulator) == [SENT]


def test_what_must_not_be_recorded(greenflash_emulator: Emulator) -> None:
    """Without content the name stays; a redaction function sees every text."""
    start(greenflash_emulator, outbox=":memory:", redact=lambda text, path: text.replace("Ada", "…"))
    with (
        greenflash.conversation("one"),
        greenflash.prompt("support", ["You help Ada and {{name}}."], {"name": "Ada"}),
    ):
        ask()
    assert greenflash.flush(10)
    greenflash.shutdown()
    start(greenflash_emulator, outbox=":memory:", capture_content=False)
    with greenflash.conversation("two"), greenflash.prompt("support", TEMPLATE, {"name": "Ada"}):
        ask()
    assert greenflash.flush(10)
    first = prompts_of(greenflash_emulator)[0]
    assert (first["components"][0]["content"], first["variables"]) == (
        "You help … and {{name}}.",
        {"name": "…"},
    )
    assert "Ada" not in str([request.body for request in greenflash_emulator.requests()])


def test_arguments_that_are_bad(greenflash_emulator: Emulator) -> None:
    """They are repaired, and the calls are captured; strict raises."""
    start(greenflash_emulator, outbox=":memory:")
    bad: Any = [{"content": "Rules.", "type": "law"}, {"text": "none"}]
    with pytest.raises(greenflash.InvalidPromptError, match="type"):
        greenflash.prompt("support", bad, strict=True)
    with pytest.raises(greenflash.InvalidPromptError, match="id was missing"):
        greenflash.prompt(strict=True)
    with greenflash.conversation("one"), greenflash.prompt("support", bad), greenflash.prompt():
        ask()
    assert greenflash.flush(10)
    assert prompts_of(greenflash_emulator) == [
        {"externalPromptId": "support", "components": [{"content": "Rules.", "isDynamic": False}]}
    ]
