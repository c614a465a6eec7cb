"""What a block is given: the id of its conversation, and properties that come at any time."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

import greenflash_otel as greenflash
from greenflash_otel.context import get_current_conversation_context
from greenflash_otel.testing import Emulator
from tests.chat import client_saying
from tests.conftest import PRODUCT
from tests.test_runtime import chat, start


def test_an_id_that_is_read_before_the_first_call_is_the_id_of_the_conversation(
    greenflash_emulator: Emulator,
) -> None:
    """It is a text, it stays the same, and an outcome finds its conversation by it on another day."""
    pipeline = start(greenflash_emulator)
    with greenflash.conversation(user_id="ada") as chat_block:
        id = chat_block.conversation_id
        assert isinstance(id, str) and id
        chat(["Hello."], ["Hi"])
        assert greenflash.current_conversation() == id
    assert chat_block.conversation_id == id
    greenflash.record_outcome("upgrade", conversation_id=id)
    assert pipeline.flush(10)
    stored = greenflash_emulator.conversation(id)
    assert [message.content for message in stored.messages] == ["Hi", "Hello."]
    assert [outcome.event_type for outcome in stored.outcomes] == ["upgrade"]


def test_an_id_that_is_read_after_a_call_is_that_of_the_conversation_it_continues(
    greenflash_emulator: Emulator,
) -> None:
    """The second block resends the history of the first one, so both have one id."""
    pipeline = start(greenflash_emulator)
    client = client_saying(["Hello.", "Of course."])
    history: list[Any] = [{"role": "user", "content": "Hi, I have a question"}]
    with greenflash.conversation(user_id="ada") as first:
        client.chat.completions.create(model="m", messages=history)
        id = first.conversation_id
    history += [
        {"role": "assistant", "content": "Hello."},
        {"role": "user", "content": "May I invite my team?"},
    ]
    with greenflash.conversation(user_id="ada") as second:
        client.chat.completions.create(model="m", messages=history)
        assert second.conversation_id == greenflash.current_conversation() == id
    assert pipeline.flush(10)
    assert len(greenflash_emulator.conversation(id).messages) == 4


def test_threads_that_read_at_once_read_the_same(greenflash_emulator: Emulator) -> None:
    """Whichever is first."""
    start(greenflash_emulator)
    with greenflash.conversation() as chat_block:
        seen: list[str] = []
        readers = [threading.Thread(target=lambda: seen.append(chat_block.conversation_id)) for _ in range(8)]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join()
    assert len(seen) == 8
    assert len(set(seen)) == 1


def test_blocks_in_a_block_have_its_id() -> None:
    """Those without an id of their own; a named one has its own."""
    with greenflash.conversation() as outer:
        with greenflash.conversation(user_id="ada") as inner:
            id = inner.conversation_id
            assert get_current_conversation_context().conversation_id == id
        with greenflash.internal():
            assert greenflash.current_conversation() == id
        with greenflash.conversation("other") as other:
            assert (other.conversation_id, greenflash.current_conversation()) == ("other", "other")
        assert outer.conversation_id == id
    assert greenflash.current_conversation() is None


def test_properties_reach_the_next_call(greenflash_emulator: Emulator) -> None:
    """They add up with those of the block; of one name the later value counts."""
    pipeline = start(greenflash_emulator)
    with greenflash.conversation("c", properties={"plan": "free", "channel": "mail"}) as chat_block:
        chat_block.set_properties(channel="web")
        chat(["Hello."], ["Hi"])
        chat_block.set_properties({"first-contact": True}, plan="team")
    assert chat_block.properties == {"plan": "team", "channel": "web", "first-contact": True}
    assert pipeline.flush(10)
    assert greenflash_emulator.conversation("c").properties == chat_block.properties


@pytest.mark.parametrize("id", ["c", None])
def test_properties_after_the_last_call_are_sent_when_the_block_ends(
    greenflash_emulator: Emulator, id: str | None
) -> None:
    """A known message is repeated with them, so no message is there twice and the user stays."""
    pipeline = start(greenflash_emulator)
    with greenflash.conversation(id, user_id="ada") as chat_block:
        chat(["Hello."], ["Hi"])
        chat_block.set_properties(solved=True)
    assert pipeline.flush(10)
    stored = greenflash_emulator.conversation(chat_block.conversation_id)
    assert stored.properties == {"solved": True}
    assert [message.content for message in stored.messages] == ["Hi", "Hello."]
    assert stored.external_user_id == "ada"
    first, again = [request.body for request in greenflash_emulator.requests() if request.path == "/messages"]
    assert again["messages"] == first["messages"][-1:]


def test_what_a_call_carried_is_not_sent_again(greenflash_emulator: Emulator) -> None:
    """One request."""
    pipeline = start(greenflash_emulator)
    with greenflash.conversation("c") as chat_block:
        chat_block.set_properties(channel="web")
        chat(["Hello."], ["Hi"])
    assert pipeline.flush(10)
    assert [request.path for request in greenflash_emulator.requests()] == ["/messages"]


def test_properties_of_a_conversation_whose_messages_nobody_remembers(greenflash_emulator: Emulator) -> None:
    """The next request of the conversation has them."""
    pipeline = start(greenflash_emulator)
    with greenflash.conversation("c") as chat_block:
        chat_block.set_properties(channel="web")
    with greenflash.conversation("c"):
        chat(["Hello."], ["Hi"])
    assert pipeline.flush(10)
    assert greenflash_emulator.conversation("c").properties == {"channel": "web"}


def test_properties_of_an_inner_block_are_those_of_the_conversation(greenflash_emulator: Emulator) -> None:
    """What an inner block says itself counts more than what was added before it."""
    pipeline = start(greenflash_emulator)
    with greenflash.conversation("c") as outer:
        outer.set_properties(channel="web", plan="free")
        with greenflash.conversation(properties={"channel": "phone"}) as inner:
            chat(["Hello."], ["Hi"])
            inner.set_properties(solved=True)
    assert outer.properties["solved"] is True
    assert pipeline.flush(10)
    stored = greenflash_emulator.conversation("c").properties or {}
    assert (stored["plan"], stored["solved"]) == ("free", True)
    with greenflash.conversation("other") as other:
        assert other.properties == {}


def test_properties_are_redacted_before_they_are_stored(greenflash_emulator: Emulator) -> None:
    """As all that people write."""
    pipeline = start(greenflash_emulator, redact=lambda text, path: text.replace("secret", "…"))
    with greenflash.conversation("c") as chat_block:
        chat(["Hello."], ["Hi"])
        chat_block.set_properties(note="a secret")
    assert pipeline.flush(10)
    assert greenflash_emulator.conversation("c").properties == {"note": "a …"}


def test_bad_properties_are_repaired_or_an_error(
    greenflash_emulator: Emulator, caplog: pytest.LogCaptureFixture
) -> None:
    """The original is retained, the warning is shown once; the setting ``strict`` raises."""
    pipeline = start(greenflash_emulator)
    not_properties: Any = 7
    with greenflash.conversation("c") as chat_block:
        chat(["Hello."], ["Hi"])
        chat_block.set_properties(not_properties, channel="web")
        chat_block.set_properties(not_properties)
    assert pipeline.flush(10)
    assert greenflash_emulator.conversation("c").properties == {
        "channel": "web",
        "greenflash_original": {"properties": 7},
    }
    assert [record.message.startswith("set_properties()") for record in caplog.records] == [True]
    greenflash.shutdown()
    start(greenflash_emulator, strict=True)
    with (
        pytest.raises(greenflash.InvalidConversationError, match="properties"),
        greenflash.conversation("c") as chat_block,
    ):
        chat_block.set_properties(not_properties)


async def test_a_block_of_async_code_gives_the_same(greenflash_emulator: Emulator) -> None:
    """`async with`."""
    pipeline = start(greenflash_emulator)
    async with greenflash.conversation() as chat_block:
        id = chat_block.conversation_id
        chat(["Hello."], ["Hi"])
        chat_block.set_properties(channel="web")
    assert pipeline.flush(10)
    assert greenflash_emulator.conversation(id).properties == {"channel": "web"}


def test_an_exporter_of_your_own_set_up(greenflash_emulator: Emulator) -> None:
    """The id and the properties reach the spans of another instrumentation."""
    exporter = greenflash.GreenflashSpanExporter(
        api_key="gf_test", product_id=PRODUCT, base_url=greenflash_emulator.base_url
    )
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("opentelemetry.instrumentation.openai")
    with greenflash.conversation(user_id="ada") as chat_block:
        id = chat_block.conversation_id
        chat_block.set_properties(channel="web")
        span = tracer.start_span("chat")
        span.set_attributes(
            {
                "gen_ai.operation.name": "chat",
                "gen_ai.input.messages": '[{"role":"user","parts":[{"type":"text","content":"Hi"}]}]',
                "gen_ai.output.messages": '[{"role":"assistant","parts":[{"type":"text","content":"Hello."}]}]',
            }
        )
        span.end()
    assert exporter.force_flush(10_000)
    provider.shutdown()
    stored = greenflash_emulator.conversation(id)
    assert (stored.properties, [message.content for message in stored.messages]) == (
        {"channel": "web"},
        ["Hi", "Hello."],
    )
