"""Runs that record all that can be recorded: in one line, with LangChain's handler, and through OTLP."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool

import greenflash_otel as greenflash
from greenflash_otel import runtime
from greenflash_otel.gateway.receiver import OtlpReceiver, Tenant
from greenflash_otel.gateway.server import Gateway
from greenflash_otel.instrumentation.openai.call import OpenAIConfig
from greenflash_otel.instrumentation.openai.websocket.live import LiveSidebandSession
from greenflash_otel.instrumentation.openai.websocket.realtime import RealtimeSession
from greenflash_otel.langchain import GreenflashCallbackHandler
from greenflash_otel.model.operation import (
    ConversationContext,
    Message,
    Operation,
    Reasoning,
    Text,
    Voice,
    VoiceCall,
)
from greenflash_otel.pipeline import Pipeline
from greenflash_otel.record_steps import StepType
from greenflash_otel.semconv.genai import attributes_of
from greenflash_otel.settings import Settings
from greenflash_otel.testing import Emulator
from tests.chat import completion
from tests.conftest import PRODUCT
from tests.instrumentation.openai.websocket.test_live import CLOSED, model, person
from tests.instrumentation.openai.websocket.test_realtime import (
    BEGAN_MS,
    Clock,
    begun,
    done,
    hear,
    session,
    sound,
    spoken,
    words,
)
from tests.test_record_steps import client_answering
from tests.test_runtime import start

MADE = "3c90c3cc-0d44-4b50-8888-8dd25736052a"
"""An id that Greenflash made."""
CALL = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Bern"}'}}
STEPS: tuple[StepType, ...] = (
    "memory_read",
    "memory_write",
    "embedding",
    "task",
    "workflow",
    "chain",
    "callback",
    "thought",
    "llm",
)
PARTS: list[Any] = [
    {"content": "You help {{name}}.", "type": "system", "source": "customer", "name": "role", "id": "role-1"},
    {"content": "Rules.", "is_dynamic": True, "greenflash_id": MADE},
]
SAMPLED: dict[str, Any] = {"sample_rate": 1.0, "force_sample": True}


def call_models() -> None:
    """Call OpenAI: an answer in an agent's turn, and one to a prompt with a name."""
    asks = completion("", "gpt-4o-mini")
    asks["choices"][0]["message"] = {"role": "assistant", "content": None, "tool_calls": [CALL]}
    answers = [completion(text, "gpt-4o-mini") for text in ("It is warm.", "Hi.", "B.")]
    client = client_answering(asks, *answers)
    history: list[Any] = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Is it warm?"},
    ]
    client.chat.completions.create(model="gpt-4o-mini", messages=history)
    history += [
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "call_1", "content": "20"},
    ]
    client.chat.completions.create(model="gpt-4o-mini", messages=history)
    with greenflash.conversation("named"), greenflash.prompt("support", PARTS, {"name": "Ada"}):
        client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "Hello?"}])
    told: list[Any] = [
        {"role": "user", "content": "A?"},
        {"role": "assistant", "content": "A."},
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "B?"},
    ]
    with greenflash.conversation("told"):
        client.chat.completions.create(model="gpt-4o", messages=told)


@tool
def weather(city: str) -> str:
    """Look it up."""
    return "20"


def call_langchain() -> None:
    """The same in LangChain, with the handler."""
    asks = AIMessage("", tool_calls=[{"id": "call_1", "name": "weather", "args": {"city": "Bern"}}])

    def use_tool(question: str, config: Any) -> Any:
        messages: list[Any] = [SystemMessage("Be brief."), HumanMessage(question)]
        fake = GenericFakeChatModel(messages=iter([asks, _say("It is warm.")]))
        asked = fake.invoke(messages, config)
        return fake.invoke([*messages, asked, weather.invoke(asked.tool_calls[0], config)], config)

    def use_prompt(question: str, config: Any) -> Any:
        with greenflash.prompt("support", PARTS, {"name": "Ada"}):
            messages = [SystemMessage("You help Ada."), HumanMessage(question)]
            return GenericFakeChatModel(messages=iter([_say("Hi.")])).invoke(messages, config)

    config: Any = {"callbacks": [GreenflashCallbackHandler()]}
    RunnableLambda(use_tool).invoke("Is it warm?", config)
    with greenflash.conversation("named"):
        RunnableLambda(use_prompt).invoke("Hello?", config)
    with greenflash.conversation("told"):
        with greenflash.step("retrieval", query="b") as found:
            found.output(["B."])
        messages = [HumanMessage("A?"), AIMessage("A."), SystemMessage("Be kind."), HumanMessage("B?")]
        GenericFakeChatModel(messages=iter([_say("B.")])).invoke(messages, config)


def _say(text: str) -> AIMessage:
    return AIMessage(text, response_metadata={"model_name": "gpt-4o"})


def record_the_rest(call: Callable[[], None], emulator: Emulator, deliver: Callable[[], bool]) -> None:
    """Record everything that the application's own code can record."""
    with greenflash.conversation("first"):
        greenflash.record_message("user", "Anybody?")
    assert deliver()
    begun_id = emulator.conversation("first").id
    with greenflash.conversation("talk", user_id="ada", organization_id="acme", properties={"a": 1}) as chat:
        greenflash.record_message("user", "Before?", properties={"b": 2})
        with greenflash.step("retrieval", query="warm") as found:
            found.output(["It is."])
        call()
        for type in STEPS:
            with greenflash.step(type, name="look", input={"q": 1}) as step:
                step.output({"r": 2})
        with pytest.raises(KeyError), greenflash.step("tool_call", name="look", input={"q": 1}):
            raise KeyError("k")
        greenflash.record_message("assistant", "After.")
        greenflash.record_outcome(
            "upgrade",
            "149.00",
            value_type="currency",
            influence="positive",
            quality_impact_score=0.5,
            event_at="2026-05-01T10:00:00Z",
            properties={"c": 3},
            insert_id="order-1",
            **SAMPLED,
        )
        greenflash.record_outcome(
            "renewal",
            greenflash_conversation_id=begun_id,
            greenflash_user_id=MADE,
            greenflash_organization_id=MADE,
        )
        greenflash.record_rating(
            4, rating_min=1, rating_max=5, feedback="good", rated_at="2026-05-01T10:00:00Z"
        )
        greenflash.record_rating(True, message_id="message-1")
        greenflash.record_rating(True, greenflash_conversation_id=begun_id)
        greenflash.record_rating(True, greenflash_message_id=MADE)
        greenflash.identify_user(name="Ada", email="a@b.c", phone="1", anonymized=False, properties={"d": 4})
        greenflash.identify_user("bob", greenflash_organization_id=MADE)
        greenflash.identify_organization(name="Acme", properties={"e": 5})
        assert chat.conversation_id == "talk"
    with greenflash.conversation(greenflash_conversation_id=begun_id):
        greenflash.record_message("user", "Again?")
    with greenflash.conversation("by-name"), greenflash.prompt(greenflash_prompt_id=MADE):
        call()


def speak() -> None:
    """Run a Realtime session in which the user interrupts, and a Live session that the user ends."""
    clock = Clock()
    with greenflash.conversation("call"):
        live = RealtimeSession(
            OpenAIConfig(runtime.find_recording_tracer), "openai", joined_id="rtc_1", clock_ns=clock
        )
        hear(
            live, session(), begun("r1"), *words("r1", "Shall I?"), sound("r1", 1_000), done("r1", "Shall I?")
        )
        clock.now_ms += 500
        hear(
            live, *spoken("u1"), begun("r2"), *words("r2", "Booked."), sound("r2", 500), done("r2", "Booked.")
        )
        clock.now_ms += 900
        hear(live, *spoken("u2"), begun("r3"), done("r3", "Bye."))
        live.handle_close(None)
    with greenflash.conversation("live"):
        config = OpenAIConfig(runtime.find_recording_tracer)
        phone = LiveSidebandSession(config, "openai", joined_id="live_1", clock_ns=lambda: BEGAN_MS * 10**6)
        for event in (person("Hello", 0, 400), model("Good day", 600, 900), CLOSED):
            phone.receive(event)


def record_in_one_line(emulator: Emulator) -> None:
    """`instrument()`, and OpenAI."""
    start(emulator, outbox=":memory:", **SAMPLED)
    record_the_rest(call_models, emulator, lambda: greenflash.flush(30))
    speak()
    assert greenflash.flush(30)


def record_with_the_handler(emulator: Emulator) -> None:
    """LangChain's handler, and nothing instrumented."""
    start(emulator, outbox=":memory:", frameworks=(), **SAMPLED)
    record_the_rest(call_langchain, emulator, lambda: greenflash.flush(30))
    assert greenflash.flush(30)


def record_through_otlp(emulator: Emulator) -> None:
    """A process that exports to a gateway, with spans that others could have made."""
    settings = Settings(PRODUCT, api_key="gf_test", base_url=emulator.base_url, outbox=":memory:", **SAMPLED)
    pipeline = Pipeline(settings)
    with _listen(pipeline):
        record_the_rest(call_models, emulator, lambda: greenflash.flush(30) and pipeline.flush(30))
        _write_spans(emulator.conversation("first").id)
        greenflash.shutdown()
        assert pipeline.flush(30)
    pipeline.shutdown(5)


@contextmanager
def _listen(pipeline: Pipeline) -> Iterator[None]:
    with (
        Gateway(OtlpReceiver([Tenant(PRODUCT, pipeline)]), port=0, grpc_port=0) as gateway,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", gateway.url)
        greenflash.instrument(export="otlp", product_id=PRODUCT)
        yield


def _write_spans(begun_id: str) -> None:
    """Write spans of a phone call with a thought, and of a rating."""
    voice = Voice(1_000, 2_000, 300, barge_in=True, was_interrupted=True, speaker="agent")
    phone = VoiceCall("livekit", "call-1", duration_ms=9, interruption_count=1, ended_reason="hangup")
    operation = Operation(
        "chat",
        ConversationContext("call"),
        input=(Message("user", (Text("Hello?"),), voice=voice),),
        output=(Message("assistant", (Reasoning("Polite."), Text("Hi."))),),
        voice_call=phone,
    )
    rated = {
        "greenflash.rating.rating": 4,
        "greenflash.rating.rating_min": 1,
        "greenflash.rating.rating_max": 5,
        "greenflash.rating.feedback": "good",
        "greenflash.rating.message_id": "message-1",
        "gen_ai.conversation.id": "talk",
    }
    by_ids = [
        {"greenflash.rating.rating": 4, "greenflash.rating.message_id": f"greenflash:{MADE}"},
        {"greenflash.rating.rating": 4, "gen_ai.conversation.id": f"greenflash:{begun_id}"},
    ]
    spans: list[Mapping[str, Any]] = [attributes_of(operation), rated, *by_ids]
    tracer = runtime.find_recording_tracer()
    for attributes in spans:
        span = tracer.start_span("call")
        span.set_attributes(dict(attributes))
        span.end()


RUNS: dict[str, Callable[[Emulator], None]] = {
    "one_line": record_in_one_line,
    "handler": record_with_the_handler,
    "otlp": record_through_otlp,
}
"""By the columns of the page."""
