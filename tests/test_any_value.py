"""Whatever an application passes, wherever: it goes on unharmed, and a bad value costs nothing but itself."""

from __future__ import annotations

import asyncio
import json
import logging
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, HumanMessage
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext

import greenflash_otel as greenflash
from greenflash_otel import internal_errors
from greenflash_otel.langchain import GreenflashCallbackHandler
from greenflash_otel.model.operation import ORIGINAL, Message, Text
from greenflash_otel.semconv import genai
from greenflash_otel.semconv.formats.otel_messages import write_messages
from greenflash_otel.testing import Emulator
from tests.api.wire import validator
from tests.test_runtime import chat, start
from tests.wild import MAKERS, Recipe, is_hashable, make, recipes

VALIDATORS = {
    "/messages": validator("MessagesRequest"),
    "/events": validator("EventRequest"),
    "/ratings": validator("RatingRequest"),
    "/users": validator("UserRequest"),
    "/organizations": validator("OrganizationRequest"),
}
pytestmark = pytest.mark.filterwarnings("ignore:Do not use the `random` module")
"""Our threads draw random numbers while examples are drawn; nothing here depends on them."""
many = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture(autouse=True)
def nothing_counted() -> None:
    """Each test counts for itself."""
    internal_errors.reset_for_tests()


@dataclass
class World:
    """A process that records, and the Greenflash it records for: what is sent is valid."""

    emulator: Emulator
    pipeline: greenflash.Pipeline

    def deliver(self, *, lost: int = 0) -> None:
        """Deliver what was recorded; all of it is accepted, and nothing of ours failed."""
        assert self.pipeline.flush(60)
        for request in self.emulator.requests():
            VALIDATORS[request.path].validate(json.loads(json.dumps(request.body)))
        stats = self.pipeline.stats()
        assert (stats.rejected, stats.pending, sum(stats.lost.values())) == (0, 0, lost)
        assert internal_errors.get_internal_errors() == {}


@pytest.fixture
def world(greenflash_emulator: Emulator) -> World:
    """A pipeline with whole histories."""
    return World(greenflash_emulator, start(greenflash_emulator, outbox=":memory:", history="full"))


def properties_of(emulator: Emulator, conversation_id: str) -> dict[str, Any]:
    return dict(emulator.conversation(conversation_id).properties or {})


def said(emulator: Emulator, conversation_id: str) -> list[str | None]:
    found = {conversation.external_id: conversation for conversation in emulator.conversations()}
    return (
        [message.content for message in found[conversation_id].messages] if conversation_id in found else []
    )


def test_any_value_in_a_conversation(world: World) -> None:
    """The messages arrive, and so do the other properties; as a block and as a decorator of each kind."""
    passed: dict[str, object] = {}

    @many
    @given(recipes, recipes, recipes)
    def pass_them(value: Recipe, user_id: Recipe, key: Recipe) -> None:
        name = uuid.uuid4().hex
        passed[name] = (value, user_id, key)
        properties = {"bad": make(value), "plan": "free"}
        if is_hashable(made := make(key)):
            properties[made] = 1
        with greenflash.conversation(
            name, user_id=make(user_id), organization_id=make(user_id), properties=properties
        ) as conversation_context:
            chat([f"to {name}"], [f"of {name}"])
            assert conversation_context.conversation_id == name

    pass_them()
    world.deliver()
    for name, values in passed.items():
        assert said(world.emulator, name) == [f"of {name}", f"to {name}"], values
        assert properties_of(world.emulator, name).get("plan") == "free", values


@many
@given(recipes, recipes)
def test_any_value_as_the_arguments_of_a_conversation(id: Recipe, properties: Recipe) -> None:
    """Every way of entering it works, and what is decorated runs as it would."""
    value = None if id in ("function", "class") else make(id)  # a decorator without parentheses
    scope = greenflash.conversation(value, user_id=value, properties=make(properties))

    @scope
    def plain(value: int) -> int:
        return value

    @scope
    def generator() -> Iterator[int]:
        yield 1

    @scope
    async def coroutine() -> int:
        return 2

    @scope
    async def agen() -> AsyncIterator[int]:
        yield 3

    async def run() -> list[int]:
        async with scope, greenflash.conversation(properties={"more": value}):
            return [await coroutine(), *[item async for item in agen()]]

    with scope, greenflash.internal():
        assert [plain(0), *generator()] == [0, 1]
    assert asyncio.run(run()) == [2, 3]


def test_the_decorator_without_parentheses() -> None:
    """It is a block without a name."""

    @greenflash.conversation
    def plain(value: int) -> int:
        return value

    assert plain(7) == 7


RECORDS: dict[str, tuple[Callable[..., Any], tuple[str, ...]]] = {
    "record_outcome": (
        greenflash.record_outcome,
        (
            "event_type",
            "value",
            "value_type",
            "influence",
            "quality_impact_score",
            "conversation_id",
            "user_id",
            "organization_id",
            "event_at",
            "properties",
            "insert_id",
            "sample_rate",
            "force_sample",
        ),
    ),
    "record_rating": (
        greenflash.record_rating,
        ("rating", "rating_min", "rating_max", "conversation_id", "message_id", "feedback", "rated_at"),
    ),
    "identify_user": (
        greenflash.identify_user,
        ("user_id", "name", "email", "phone", "anonymized", "organization_id", "properties"),
    ),
    "identify_organization": (
        greenflash.identify_organization,
        ("organization_id", "name", "properties"),
    ),
}
GOOD: dict[str, dict[str, Any]] = {
    "record_outcome": {"event_type": "upgrade", "conversation_id": "c", "properties": {"plan": "free"}},
    "record_rating": {"rating": 4, "conversation_id": "c"},
    "identify_user": {"user_id": "ada", "properties": {"plan": "free"}},
    "identify_organization": {"organization_id": "acme", "properties": {"plan": "free"}},
}


@pytest.mark.parametrize("function", RECORDS)
def test_any_value_as_an_argument(function: str, world: World) -> None:
    """Each argument is repaired for itself, the thing arrives, and what was wrong with it is counted."""
    call, names = RECORDS[function]
    recorded = []

    @many
    @given(st.sampled_from(names), recipes, recipes)
    def pass_them(name: str, value: Recipe, other: Recipe) -> None:
        arguments = {**GOOD[function], name: make(value)}
        if name == "properties":
            arguments[name] = {"plan": "free", "bad": make(value), "worse": [make(other)]}
        done = call(**arguments)
        recorded.append(done)
        if done is None:  # what says nothing at all: no rating, no id
            assert name in ("rating", "conversation_id", "user_id", "organization_id")
        elif name == "properties":
            assert done.properties["plan"] == "free"

    pass_them()
    lost = recorded.count(None)
    world.deliver(lost=lost)
    assert len(world.emulator.requests()) == len(recorded) - lost
    assert internal_errors.get_counts().repaired > 0
    assert lost == 0 or function != "record_outcome"  # an outcome is made of anything


@pytest.mark.parametrize("kind", sorted(MAKERS))
def test_a_kind_of_value_in_properties(kind: str, world: World) -> None:
    """It is JSON afterwards, alone; what JSON does not know is counted, once for the thing it is in."""
    outcome = greenflash.record_outcome("upgrade", properties={"plan": "free", "bad": MAKERS[kind]()})
    assert outcome.properties["plan"] == "free"
    assert set(outcome.properties) <= {"plan", "bad", ORIGINAL}
    is_json = kind in {
        "NUL",
        "None",
        "OrderedDict",
        "UserDict",
        "mappingproxy",
        "True",
        "a megabyte",
        "control characters",
        "empty",
        "minus",
        "text of one's own",
        "thirty digits",
        "tuple",
        "white space",
        "zero",
    }
    assert internal_errors.get_counts().repaired == (0 if is_json else 1)


def test_a_handler_with_any_value(world: World) -> None:
    """Its arguments are repaired as those of `conversation()` are, and what it hears of arrives."""
    passed: dict[str, object] = {}

    @many
    @given(recipes, recipes)
    def pass_them(recipe: Recipe, other: Recipe) -> None:
        name, value = uuid.uuid4().hex, make(recipe)
        passed[name] = (recipe, other)
        properties = {"p": value, "plan": "free"}
        handler = GreenflashCallbackHandler(
            conversation_id=name, user_id=make(other), organization_id=value, properties=properties
        )
        model = GenericFakeChatModel(messages=iter([AIMessage(f"to {name}")]))
        model.invoke([HumanMessage(f"of {name}")], {"callbacks": [handler], "metadata": {"odd": value}})

    pass_them()
    world.deliver()
    for name, values in passed.items():
        assert said(world.emulator, name) == [f"of {name}", f"to {name}"], values
        assert properties_of(world.emulator, name).get("plan") == "free", values


@pytest.mark.parametrize("kind", ["UUID", "Path", "Enum", "IntEnum", "text Enum", "Decimal", "bytes", "date"])
def test_an_id_is_the_same_text_everywhere(kind: str, world: World) -> None:
    """In a block, a handler, LangChain's metadata, outcomes, ratings and users."""
    id = MAKERS[kind]()
    with greenflash.conversation(id, user_id=id, organization_id=id):
        chat(["one"], ["hello"])
    greenflash.record_outcome("upgrade", conversation_id=id, user_id=id, organization_id=id, insert_id=id)
    greenflash.record_rating(5, conversation_id=id)
    greenflash.identify_user(id, organization_id=id)
    greenflash.identify_organization(id)
    for arguments, metadata in (
        ({"conversation_id": id, "user_id": id}, {}),
        ({}, {"conversation_id": id, "user_id": id}),
    ):
        handler = GreenflashCallbackHandler(**arguments)
        model = GenericFakeChatModel(messages=iter([AIMessage("two")]))
        model.invoke([HumanMessage("hi")], {"callbacks": [handler], "metadata": metadata})
    world.deliver()
    named = [
        value
        for request in world.emulator.requests()
        for name, value in request.body.items()
        if name in ("externalConversationId", "externalUserId", "externalOrganizationId", "insertId")
    ]
    assert len(set(named)) == 1
    assert "<" not in named[0]
    assert "(" not in named[0]


NAMES = [value for value in vars(genai).values() if isinstance(value, str)]
SPAN_ATTRIBUTES = sorted({name for name in NAMES if name.startswith(("gen_ai.", "greenflash.", "user."))})
"""Those of the convention; those of another would make it a span of that."""
UNTOUCHED = {
    genai.OPERATION_NAME,
    genai.INPUT_MESSAGES,
    genai.OUTPUT_MESSAGES,
    genai.CONVERSATION_ID,
    genai.PROVIDER_CONVERSATION_ID,
}
"""Attributes without which a span says nothing of a conversation, or nothing of this one."""
MAKES_IT_ANOTHER = {name for name in SPAN_ATTRIBUTES if name.startswith("greenflash.outcome.")} | {
    genai.IS_TURN,
    genai.INTERNAL,
    genai.WITHIN_TOOL_CALL_ID,
    genai.TURN_ID,
    genai.TOLD_BY_TURN,
    genai.OUTPUT_TYPE,
    genai.CHOICE_COUNT,
    genai.ENDING,
    genai.INPUT_PARENT_ID,
}
"""Attributes that rightly change what a call is."""


def test_spans_with_any_attribute(world: World) -> None:
    """A bad attribute costs nothing but itself, whichever it is; a bad message, no other span."""
    exporter = greenflash.GreenflashSpanExporter(pipeline=world.pipeline)
    passed: dict[str, object] = {}

    @many
    @given(st.sampled_from(SPAN_ATTRIBUTES), recipes, st.integers(1, 2**63))
    def export(attribute: str, value: Recipe, number: int) -> None:
        name = uuid.uuid4().hex
        attributes = {
            genai.OPERATION_NAME: "chat",
            genai.CONVERSATION_ID: name,
            genai.INPUT_MESSAGES: write_messages([Message("user", (Text("hi"),))]),
            genai.OUTPUT_MESSAGES: write_messages([Message("assistant", (Text(f"to {name}"),))]),
        }
        if attribute not in UNTOUCHED | MAKES_IT_ANOTHER:
            passed[name] = (attribute, value)
        spans = [
            ReadableSpan(
                name="chat",
                context=SpanContext(uuid.uuid4().int, number, False),
                attributes={**attributes, attribute: make(value)},
                start_time=number,
                end_time=number,
            )
        ]
        exporter.export(spans)

    export()
    world.deliver()
    for name, values in passed.items():
        assert said(world.emulator, name) == ["hi", f"to {name}"], values


@pytest.mark.parametrize("function", RECORDS)
def test_strict_names_the_argument_and_quotes_nothing(function: str, greenflash_emulator: Emulator) -> None:
    """By the setting; nothing is recorded then."""
    pipeline = start(greenflash_emulator, strict=True)
    call, _ = RECORDS[function]
    secret = "of ada@example.com"
    with pytest.raises(greenflash.GreenflashOtelError, match=r"properties|rated_at") as raised:
        wrong = {"rated_at": secret} if function == "record_rating" else {"properties": [secret]}
        call(**{**GOOD[function], **wrong})
    assert secret not in str(raised.value)
    with pytest.raises(greenflash.InvalidConversationError, match="user_id") as raised:
        greenflash.conversation("c", user_id=[object(), secret])  # type: ignore[call-overload]
    assert secret not in str(raised.value)
    assert pipeline.stats().accepted == 0


def test_no_warning_quotes_a_value(caplog: pytest.LogCaptureFixture) -> None:
    """Nor does a line of any other level."""
    secret = "ada@example.com is angry"

    @many
    @given(st.sampled_from(sorted(RECORDS)), st.data())
    def pass_it(function: str, data: st.DataObject) -> None:
        call, names = RECORDS[function]
        name = data.draw(st.sampled_from(names))
        wrong: Any = data.draw(
            st.sampled_from([secret, [secret], {secret: secret}, {1: {(secret,): [secret]}}])
        )
        call(**{**GOOD[function], name: wrong})

    with caplog.at_level(logging.DEBUG, "greenflash_otel"):
        pass_it()
        greenflash.conversation(secret, properties={secret: object()}, user_id=[secret])  # type: ignore[call-overload]
    assert secret not in caplog.text
    assert "conversation() repaired its arguments" in caplog.text
