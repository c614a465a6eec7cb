"""From an OpenAI call to a conversation with its outcome, through everything that lies between."""

from __future__ import annotations

import asyncio
import logging
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from openai.types.chat import ChatCompletionMessageParam
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import greenflash_otel as greenflash
from greenflash_otel.delivery.destination import Destination
from greenflash_otel.langchain import GreenflashCallbackHandler
from greenflash_otel.testing import Emulator, FaultReply, StoredConversation
from tests.chat import client_saying
from tests.conftest import PRODUCT
from tests.delivery.fakes import messages
from tests.delivery.making import leave


def start(emulator: Emulator, **settings: Any) -> greenflash.Pipeline:
    given = {"api_key": "gf_test", "product_id": PRODUCT, "base_url": emulator.base_url, **settings}
    return greenflash.instrument(**given)


def chat(answers: list[str], questions: list[str]) -> None:
    """A chat client that resends the whole history, as they do."""
    client = client_saying(answers)
    history: list[ChatCompletionMessageParam] = []
    for question in questions:
        history.append({"role": "user", "content": question})
        answer = client.chat.completions.create(model="gpt-4o-mini", messages=history)
        history.append({"role": "assistant", "content": answer.choices[0].message.content})


def said(conversation: StoredConversation) -> list[tuple[str, str | None]]:
    return [(message.type, message.content) for message in conversation.messages]


@pytest.mark.parametrize("history", ["new", "full"])
def test_a_chat_arrives_once_in_order_linked_and_with_its_outcome(
    greenflash_emulator: Emulator, history: Any
) -> None:
    """Three turns with resent history are six messages, each after the one before it."""
    pipeline = start(greenflash_emulator, history=history)
    with greenflash.conversation(
        "chat-42", user_id="ada", organization_id="acme", properties={"plan": "free"}
    ):
        chat(["one", "yes", "three"], ["yes", "yes", "bye"])
        outcome = greenflash.record_outcome("upgrade", "149.00", value_type="currency", influence="positive")
    assert pipeline.flush(10)
    stored = greenflash_emulator.conversation("chat-42")
    assert said(stored) == [
        ("user_message", "yes"),
        ("assistant_message", "one"),
        ("user_message", "yes"),
        ("assistant_message", "yes"),
        ("user_message", "bye"),
        ("assistant_message", "three"),
    ]
    ids = [message.external_id for message in stored.messages]
    assert [message.parent_external_id for message in stored.messages] == [None, *ids[:-1]]
    assert (stored.external_user_id, stored.properties) == ("ada", {"plan": "free"})
    [kept] = stored.outcomes
    assert (kept.event_type, kept.value, kept.value_type, kept.insert_id) == (
        "upgrade",
        "149.00",
        "currency",
        outcome.insert_id,
    )
    stats = greenflash.stats()
    assert (stats.accepted, stats.delivered, stats.pending, dict(stats.lost)) == (7, 7, 0, {})


def test_a_conversation_without_an_id_is_found_out(greenflash_emulator: Emulator) -> None:
    """The turns of a chat and its outcome come together although nobody named the conversation."""
    pipeline = start(greenflash_emulator)
    with greenflash.conversation(user_id="ada"):
        chat(["one", "two"], ["hello", "again"])
        outcome = greenflash.record_outcome("signed_up")
    assert pipeline.flush(10)
    [stored] = greenflash_emulator.conversations()
    assert [content for _, content in said(stored)] == ["hello", "one", "again", "two"]
    assert stored.external_id == outcome.conversation_id
    assert [kept.value for kept in stored.outcomes] == ["true"]


def test_without_a_key_everything_waits_and_goes_out_later(
    greenflash_itself: Emulator, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What was captured without an API key is delivered by the process that has one."""
    outbox = tmp_path / "outbox"
    with caplog.at_level(logging.WARNING, "greenflash_otel"):
        pipeline = greenflash.instrument(product_id=PRODUCT, outbox=outbox)
    assert str(outbox) in caplog.text
    with greenflash.conversation("c"):
        chat(["one"], ["hello"])
    assert pipeline.flush(5) is False
    assert greenflash.stats().pending == 2
    greenflash.shutdown(0)
    assert start(greenflash_itself, outbox=outbox).flush(10)
    stored = greenflash_itself.conversation("c")
    assert [content for _, content in said(stored)] == ["hello", "one"]


def test_what_lies_in_a_second_folder_of_the_destination_is_found_too(
    greenflash_emulator: Emulator, tmp_path: Path
) -> None:
    """A root that could not be used for a while leaves two folders of one destination."""
    destination = Destination(greenflash_emulator.base_url, PRODUCT)
    leave(tmp_path / "root", greenflash_emulator.base_url, PRODUCT, messages("a", "1"))
    leave(tmp_path / "other", greenflash_emulator.base_url, PRODUCT, messages("b", "2"))
    (tmp_path / "other").rename(tmp_path / "root" / destination.folder_name)
    assert start(greenflash_emulator, outbox=tmp_path / "root").stats().accepted == 2


def test_a_refused_key_holds_everything(
    greenflash_emulator: Emulator, caplog: pytest.LogCaptureFixture
) -> None:
    """401 loses nothing, is told once, and stats() says so."""
    for _ in range(5):
        greenflash_emulator.faults.next(FaultReply(status=401), path="/messages")
    with caplog.at_level(logging.WARNING, "greenflash_otel"):
        pipeline = start(greenflash_emulator)
        with greenflash.conversation("c"):
            chat(["one"], ["hello"])
        assert pipeline.flush(10) is False
    assert str(greenflash.stats().paused).startswith("HTTP 401")
    assert greenflash.stats().pending == 2
    assert [record for record in caplog.records if "401" in record.getMessage()]
    assert "gf_test" not in caplog.text


def test_a_second_instrument_changes_nothing(greenflash_emulator: Emulator) -> None:
    """It returns the same pipeline, and a call is still recorded once."""
    pipeline = start(greenflash_emulator)
    assert start(greenflash_emulator) is pipeline
    with greenflash.conversation("c"):
        chat(["one"], ["hello"])
    assert pipeline.flush(10)
    assert [conversation.external_id for conversation in greenflash_emulator.conversations()] == ["c"]


def test_no_product_id_is_one_clear_sentence() -> None:
    """instrument() says what is missing and what to write."""
    with pytest.raises(greenflash.ConfigurationError, match="GREENFLASH_PRODUCT_ID"):
        greenflash.instrument(api_key="gf_test")


def test_a_bad_outcome_is_repaired_told_once_and_delivered(
    greenflash_emulator: Emulator, caplog: pytest.LogCaptureFixture
) -> None:
    """Bad arguments never raise; strict ones do."""
    pipeline = start(greenflash_emulator)
    bad: Any = "great"
    with caplog.at_level(logging.WARNING, "greenflash_otel"), greenflash.conversation("c"):
        for _ in range(2):
            greenflash.record_outcome("x", Decimal("1E+2"), influence=bad)
    assert len([r for r in caplog.records if "influence (str) was left out" in r.getMessage()]) == 1
    with pytest.raises(greenflash.InvalidOutcomeError, match="influence"):
        greenflash.record_outcome("x", influence=bad, strict=True)
    assert pipeline.flush(10)
    outcomes = [request for request in greenflash_emulator.requests() if request.path.endswith("/events")]
    assert [(request.body["value"], request.body["properties"]) for request in outcomes] == [
        ("100", {"greenflash_original": {"influence": "great"}})
    ] * 2


def test_in_a_provider_of_ones_own_others_see_the_whole_input(greenflash_emulator: Emulator) -> None:
    """With tracer_provider= spans also go to the user's exporters, with full history and the outcome."""
    provider, seen = TracerProvider(shutdown_on_exit=False), InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(seen))
    pipeline = start(greenflash_emulator, tracer_provider=provider)
    with greenflash.conversation("c"), provider.get_tracer("app").start_as_current_span("handle") as span:
        chat(["one", "two"], ["hello", "again"])
        greenflash.record_outcome("upgrade")
        trace_id = span.get_span_context().trace_id
    assert pipeline.flush(10)
    spans = {span.name: span for span in seen.get_finished_spans()}
    assert set(spans) == {"chat gpt-4o-mini", "greenflash.outcome", "handle"}
    assert '"again"' in str((spans["chat gpt-4o-mini"].attributes or {})["gen_ai.input.messages"])
    assert '"hello"' in str((spans["chat gpt-4o-mini"].attributes or {})["gen_ai.input.messages"])
    assert {span.context.trace_id for span in spans.values() if span.context} == {trace_id}
    stored = greenflash_emulator.conversation("c")
    assert len(stored.messages) == 4
    assert len(stored.outcomes) == 1


def test_the_exporter_works_in_anybodys_processor(greenflash_emulator: Emulator) -> None:
    """Spans of another tracer, through SimpleSpanProcessor, become a conversation."""
    exporter = greenflash.GreenflashSpanExporter(
        api_key="gf_test", product_id=PRODUCT, base_url=greenflash_emulator.base_url, outbox=":memory:"
    )
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.conversation.id": "foreign",
        "gen_ai.input.messages": '[{"role":"user","parts":[{"type":"text","content":"hi"}]}]',
        "gen_ai.output.messages": '[{"role":"assistant","parts":[{"type":"text","content":"ho"}]}]',
    }
    provider.get_tracer("theirs").start_span("chat", attributes=attributes).end()
    assert exporter.force_flush()
    stored = greenflash_emulator.conversation("foreign")
    assert [content for _, content in said(stored)] == ["hi", "ho"]
    provider.shutdown()


def test_concurrent_conversations_do_not_mix(greenflash_emulator: Emulator) -> None:
    """Fifty tasks, each with its own conversation and client, keep their messages apart."""
    pipeline = start(greenflash_emulator)

    async def one(name: str) -> None:
        async with greenflash.conversation(name, user_id=name):
            await asyncio.to_thread(chat, [f"answer {name}"], [f"question {name}"])

    async def all_of_them() -> None:
        await asyncio.gather(*(one(f"c{number}") for number in range(50)))

    asyncio.run(all_of_them())
    assert pipeline.flush(20)
    stored = {
        str(conversation.external_id): conversation for conversation in greenflash_emulator.conversations()
    }
    assert set(stored) == {f"c{number}" for number in range(50)}
    for name, conversation in stored.items():
        assert [content for _, content in said(conversation)] == [f"question {name}", f"answer {name}"]


def test_what_is_said_of_a_conversation_adds_up(greenflash_emulator: Emulator, tmp_path: Path) -> None:
    """In later blocks, through a handler, and after a restart; of one name the later value counts."""
    folder = tmp_path / "outbox"

    def say(text: str, **properties: Any) -> dict[str, Any]:
        with greenflash.conversation("chat", properties=properties):
            chat([f"to {text}"], [text])
        assert greenflash.flush(10)
        return dict(greenflash_emulator.conversation("chat").properties or {})

    start(greenflash_emulator, outbox=folder)
    assert say("one", plan="free", channel="web") == {"plan": "free", "channel": "web"}
    assert say("two", plan="pro") == {"plan": "pro", "channel": "web"}
    assert say("three") == {"plan": "pro", "channel": "web"}
    greenflash.shutdown(1)
    start(greenflash_emulator, outbox=folder)
    assert say("four", resolved=True) == {"plan": "pro", "channel": "web", "resolved": True}
    handler = GreenflashCallbackHandler(conversation_id="chat", properties={"beta": 1})
    GenericFakeChatModel(messages=iter([AIMessage("to five")])).invoke("five", {"callbacks": [handler]})
    assert say("six") == {"plan": "pro", "channel": "web", "resolved": True, "beta": 1}


def test_remembered_properties_are_redacted_and_bounded(
    greenflash_emulator: Emulator, tmp_path: Path
) -> None:
    """What is noted for the next process is written as it will be sent; what is large is sent, not noted."""
    folder = tmp_path / "outbox"
    start(greenflash_emulator, outbox=folder, redact=lambda text, path: text.replace("secret", "[gone]"))
    properties = {"note": "a secret", "large": "x" * 10_000}
    with greenflash.conversation("chat", properties=properties):
        chat(["one"], ["hello"])
    assert greenflash.flush(10)
    sent = {"note": "a [gone]", "large": "x" * 10_000}
    assert greenflash_emulator.conversation("chat").properties == sent
    greenflash.shutdown(1)
    on_disk = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    assert b"[gone]" in on_disk
    assert b"secret" not in on_disk
    assert b"x" * 10_000 not in on_disk
