"""What a request says, whatever the application hands in, and that it stays the application's own."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import openai
import pydantic
import pytest
from openai.types.responses import ResponseOutputMessage
from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from greenflash_otel.context import conversation
from greenflash_otel.instrumentation.openai import instrument
from greenflash_otel.instrumentation.openai.stream_tee import TeeStream
from greenflash_otel.model.operation import Message, Text
from tests.instrumentation.openai.played_sync import CHAT, said
from tests.instrumentation.openai.replies import COMPLETED, TEXT, chunks, completion, message_item
from tests.instrumentation.openai.server import Server, document, events
from tests.instrumentation.openai.spans import Spans, text_of

pytestmark = pytest.mark.usefixtures("no_faults")

HI = {"role": "user", "content": "Hi"}


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(*[document({**completion(), **COMPLETED["response"], "object": "x"})] * 40) as running:  # type: ignore[dict-item]
        yield running


@pytest.fixture
def client(server: Server) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(api_key="k", base_url=server.url, max_retries=0) as made:
        yield made


class Tool(pydantic.BaseModel):
    """A tool given as a model and not as JSON."""

    type: str = "function"
    function: dict[str, Any] = {"name": "add"}


def test_generators(spans: Spans, client: openai.OpenAI, server: Server) -> None:
    """Messages and tools given as generators reach the server whole, and are captured."""
    client.chat.completions.create(
        model="m",
        messages=(entry for entry in [HI, {"role": "assistant", "content": "Yes?"}]),  # type: ignore[misc]
        tools=(tool for tool in [{"type": "function", "function": {"name": "add"}}]),  # type: ignore[misc]
    )
    assert server.bodies[0]["messages"] == [HI, {"role": "assistant", "content": "Yes?"}]
    assert len(server.bodies[0]["tools"]) == 1
    assert [text_of(message) for message in spans.only().input] == ["Hi", "Yes?"]


def test_content_as_an_iterator(spans: Spans, client: openai.OpenAI, server: Server) -> None:
    """What the server gets of a content that can be read once is what we get."""
    content: Any = (part for part in [{"type": "text", "text": "Hi"}])
    client.chat.completions.create(model="m", messages=[{"role": "user", "content": content}])
    sent = server.bodies[0]["messages"][0]["content"]
    assert sent == [{"type": "text", "text": "Hi"}]
    assert spans.only().input == (Message("user", (Text("Hi"),)),)


def test_extra_body_wins(spans: Spans, client: openai.OpenAI, server: Server) -> None:
    """``extra_body`` is merged over the arguments, in our reading as in the request."""
    extra = {"model": "other", "n": 2, "messages": [{"role": "user", "content": "Yes?"}]}
    client.chat.completions.create(model="m", messages=[], extra_body=extra)
    assert server.bodies[0]["model"] == "other"
    operation = spans.only()
    assert (operation.request_model, operation.choice_count) == ("other", 2)
    assert [text_of(message) for message in operation.input] == ["Yes?"]


def test_nothing_of_the_application_is_changed(spans: Spans, client: openai.OpenAI) -> None:
    """Messages, tools, headers and extra body are the same objects with the same content afterwards."""
    given: dict[str, Any] = {
        "messages": [HI],
        "tools": [{"type": "function", "function": {"name": "add"}}],
        "extra_headers": {"x-mine": "1"},
        "extra_body": {"safety_identifier": "ada"},
        "metadata": {"a": "b"},
    }
    before = copy.deepcopy(given)
    client.chat.completions.create(model="m", **given)
    assert given == before


def test_the_input_is_that_of_the_call(spans: Spans, client: openai.OpenAI) -> None:
    """An application that goes on to use its list of messages does not change what was recorded."""
    messages: list[Any] = [{"role": "user", "content": "Hi"}]
    stream = client.chat.completions.with_streaming_response.create(model="m", messages=messages)
    with stream as answer:
        messages[0]["content"] = "Changed"
        messages.append({"role": "assistant", "content": "Added"})
        answer.read()
    assert spans.only().input == (Message("user", (Text("Hi"),)),)


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param({"tools": [Tool()]}, id="a tool as a model"),
        pytest.param({"extra_headers": None, "extra_query": None, "extra_body": None}, id="no extras"),
        pytest.param({"extra_body": {"reasoning": None, "messages": None}}, id="nulls"),
        pytest.param({"user": openai.NOT_GIVEN}, id="a value that is not given"),
    ],
)
def test_odd_arguments(arguments: dict[str, Any], spans: Spans, client: openai.OpenAI) -> None:
    """Whatever the SDK accepts gives a span, and the answer."""
    assert client.chat.completions.create(**{**CHAT, **arguments}).choices[0].message.content == TEXT
    assert text_of(*spans.only().output) == TEXT


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [({"user": "ada"}, "ada"), ({"extra_body": {"safety_identifier": "bob"}}, "bob"), ({}, None)],
)
def test_who_it_is_for(
    arguments: dict[str, Any], expected: str | None, spans: Spans, client: openai.OpenAI
) -> None:
    """The request names the user where the active scope does not."""
    client.chat.completions.create(**CHAT, **arguments)
    with conversation("chat-42", user_id="eve", organization_id="acme"):
        client.chat.completions.create(**CHAT, **arguments)
    first, second = (operation.conversation_context for operation in spans.operations())
    assert (first.user_id, first.conversation_id) == (expected, None)
    assert (second.user_id, second.conversation_id, second.organization_id) == ("eve", "chat-42", "acme")


def test_a_responses_request(spans: Spans, client: openai.OpenAI, server: Server) -> None:
    """Input, instructions and where it continues are on the span; so is the answer."""
    client.responses.create(
        model="m",
        input=[{"role": "user", "content": "Hi"}, ResponseOutputMessage.model_validate(message_item("Yes?"))],  # type: ignore[list-item]
        instructions="Be kind",
        previous_response_id="resp_0",
    )
    operation = spans.only()
    assert [text_of(message) for message in operation.input] == ["Hi", "Yes?"]
    assert operation.system_instructions == (Text("Be kind"),)
    assert (operation.previous_response_id, operation.response_id) == ("resp_0", "resp_1")
    assert text_of(*operation.output) == TEXT


def test_other_surfaces_are_left_alone(spans: Spans, client: openai.OpenAI) -> None:
    """What is no conversation, or only lists one, gives no span."""
    client.responses.input_items.list("resp_1")
    client.models.list()
    client.post("/responses/resp_1/input_tokens", cast_to=object)
    assert not spans.all()


def test_what_else_is_kept() -> None:
    """Retries and the id of the request, which support asks for."""
    spans = Spans()
    instrument(spans.tracer)
    slow_down = document({"error": {}}, 429, {"retry-after-ms": "1"})
    answer = document(completion(), headers={"x-request-id": "req_1"})
    with (
        Server(slow_down, answer, slow_down, slow_down) as server,
        openai.OpenAI(api_key="k", base_url=server.url, max_retries=1) as client,
    ):
        client.chat.completions.create(**CHAT)
        with pytest.raises(openai.RateLimitError):
            client.chat.completions.create(**CHAT)
    went_well, failed = spans.operations()
    assert went_well.properties == {"retries": 1, "request_id": "req_1"}
    assert failed.properties == {"retries": 1, "http_status": 429}


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        {"choices": None, "output": None, "usage": None, "error": None},
        {"choices": [{"index": 0, "message": None, "finish_reason": None}], "output": [{"type": None}]},
        {"choices": [{"index": 0, "message": {"content": None, "tool_calls": None}}], "status": 7},
    ],
)
def test_odd_answers(body: Any, spans: Spans) -> None:
    """Whatever the SDK makes an object of gives a span; the application gets the object."""
    reply = document(body)
    with Server(reply, reply) as server, openai.OpenAI(api_key="k", base_url=server.url) as client:
        client.chat.completions.create(**CHAT)
        client.responses.create(model="m", input="Hi")
    assert [text_of(*operation.input) for operation in spans.operations()] == ["Hi", "Hi"]


def test_suppressed(spans: Spans, client: openai.OpenAI) -> None:
    """OpenTelemetry's own switch for code that must not be traced."""
    token = otel_context.attach(otel_context.set_value(otel_context._SUPPRESS_INSTRUMENTATION_KEY, True))
    client.chat.completions.create(**CHAT)
    otel_context.detach(token)
    assert not spans.all()


def test_sampled_out(spans: Spans, client: openai.OpenAI) -> None:
    """A call whose span nobody keeps goes the SDK's own way: nothing looks on."""
    instrument(TracerProvider(sampler=ALWAYS_OFF, shutdown_on_exit=False).get_tracer("test"))
    with client.chat.completions.with_streaming_response.create(**CHAT) as answer:
        assert not isinstance(answer.http_response.stream, TeeStream)
        assert answer.parse().choices[0].message.content == TEXT


def test_between_two_chunks_the_application_has_its_own_span(spans: Spans) -> None:
    """Spans that the application starts while it reads are not children of ours."""
    with (
        Server(events(chunks())) as server,
        openai.OpenAI(api_key="k", base_url=server.url) as client,
        spans.tracer.start_as_current_span("application") as parent,
    ):
        for _ in client.chat.completions.create(**CHAT, stream=True):
            assert trace.get_current_span() is parent


def test_the_first_chunk_is_timed(spans: Spans) -> None:
    """How long the user waited for something to read; only of streams."""
    with (
        Server(events(chunks()), document(completion())) as server,
        openai.OpenAI(api_key="k", base_url=server.url) as client,
    ):
        list(map(said, client.chat.completions.create(**CHAT, stream=True)))
        client.chat.completions.create(**CHAT)
    streamed, whole = spans.operations()
    assert streamed.streamed
    assert streamed.time_to_first_chunk_s is not None
    assert 0 < streamed.time_to_first_chunk_s < 60
    assert whole.time_to_first_chunk_s is None


def test_many_threads(spans: Spans, client: openai.OpenAI) -> None:
    """Calls at the same time do not mix."""

    def ask(number: int) -> None:
        client.chat.completions.create(model="m", messages=[{"role": "user", "content": str(number)}])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(ask, range(40)))
    assert sorted(int(text_of(*operation.input)) for operation in spans.operations()) == list(range(40))
