"""The application's thread does little where only our pipeline reads the spans, and as much as before elsewhere."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import openai
import pytest
from opentelemetry.sdk.trace import TracerProvider

import greenflash_otel as greenflash
from greenflash_otel.delivery import batcher
from greenflash_otel.testing import Emulator
from tests.chat import completion
from tests.conftest import PRODUCT
from tests.instrumentation.openai.http import http
from tests.speed.caller_calls import ChunkedStream, client_answering
from tests.speed.counting import count

CALLS_MOST = 100
"""Of functions of ours for a call; 70 where no run of LangChain is open, which another test may leave."""
MESSAGES: list[Any] = [
    {"role": "system", "content": "You sell shoes."},
    {"role": "user", "content": "Hi"},
    {"role": "assistant", "content": "Hello"},
    {"role": "user", "content": "Red ones?"},
]
RESPONSE = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1,
    "status": "completed",
    "model": "gpt-4o",
    "output": [
        {
            "type": "message",
            "id": "m1",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": "Hi", "annotations": []}],
        }
    ],
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "tools": [],
}


def chat(client: openai.OpenAI, messages: list[Any] = MESSAGES) -> None:
    client.chat.completions.create(model="gpt-4o-mini", messages=messages)


def answering_chat() -> openai.OpenAI:
    return client_answering(lambda _: http.Response(200, json=completion("Yes.", "gpt-4o-mini")))


def streaming(chunks: int) -> openai.OpenAI:
    """A client that is answered with so many chunks of text."""

    def event(delta: dict[str, str], reason: str | None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        head = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o-mini"}
        return b"data: " + json.dumps({**head, "choices": [choice]}).encode() + b"\n\n"

    def answer(_: Any) -> Any:
        body = [event({"role": "assistant", "content": "word "}, None)] * chunks
        body += [event({}, "stop"), b"data: [DONE]\n\n"]
        return http.Response(200, headers={"content-type": "text/event-stream"}, stream=ChunkedStream(body))

    return client_answering(answer)


def read_stream(client: openai.OpenAI) -> None:
    for _ in client.chat.completions.create(model="gpt-4o-mini", messages=MESSAGES, stream=True):
        pass


def count_calls(act: Callable[[], object]) -> int:
    """Count the calls of ours that the third run of ``act`` makes on this thread."""
    act()
    act()
    return count(act).total


@pytest.fixture
def own() -> Iterator[None]:
    """Only our pipeline reads the spans."""
    greenflash.instrument(product_id=PRODUCT, outbox=":memory:")
    yield
    greenflash.shutdown(0)


def test_a_chat_call(own: None) -> None:
    """The request and the answer are read on another thread."""
    client = answering_chat()
    assert 20 < count_calls(lambda: chat(client)) <= CALLS_MOST


def test_a_call_of_the_responses_api(own: None) -> None:
    """So are those of the Responses API."""
    client = client_answering(lambda _: http.Response(200, json=RESPONSE))
    assert 20 < count_calls(lambda: client.responses.create(model="gpt-4o", input="Hi")) <= CALLS_MOST


def test_a_chunk(own: None) -> None:
    """A chunk is passed on and kept."""
    few, many = streaming(10), streaming(110)
    calls = count_calls(lambda: read_stream(many)) - count_calls(lambda: read_stream(few))
    assert 0 < calls <= 2 * 100


def test_a_provider_of_the_applications() -> None:
    """Everything is on the span when it ends."""
    greenflash.instrument(
        product_id=PRODUCT, outbox=":memory:", tracer_provider=TracerProvider(shutdown_on_exit=False)
    )
    client = answering_chat()
    assert 100 < count_calls(lambda: chat(client)) <= 430


def told(emulator: Emulator, id: str) -> list[Any]:
    """Return what was said in a conversation."""
    assert greenflash.flush(20)
    return [message.content for message in emulator.conversation(id).messages]


def instrument(emulator: Emulator, **settings: Any) -> None:
    greenflash.instrument(
        api_key="gf_test", product_id=PRODUCT, base_url=emulator.base_url, outbox=":memory:", **settings
    )


def test_what_was_sent_counts(greenflash_emulator: Emulator) -> None:
    """The application goes on with its list, and with the messages in it, at once."""
    instrument(greenflash_emulator)
    client, messages = answering_chat(), [dict(message) for message in MESSAGES]
    with greenflash.conversation("sent"):
        chat(client, messages)
        messages[-1]["content"] = "changed"
        messages.append({"role": "user", "content": "later"})
    said = told(greenflash_emulator, "sent")
    assert "Red ones?" in said
    assert not {"changed", "later"} & set(said)


def test_nothing_is_lost_without_room(greenflash_emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no more bytes may wait, the caller reads them."""
    monkeypatch.setattr(batcher.Batcher, "has_room", lambda self, size_bytes: size_bytes < 9000)
    instrument(greenflash_emulator)
    client = answering_chat()
    with greenflash.conversation("long"):
        client.chat.completions.create(
            model="gpt-4o-mini", messages=MESSAGES, extra_body={"metadata": {"big": "z" * 9000}}
        )
    said = told(greenflash_emulator, "long")
    assert "Red ones?" in said
    assert greenflash.stats().lost == {}


def test_content_off_and_redaction(greenflash_emulator: Emulator) -> None:
    """What is read later is as bare, and as clean, as what is read at once."""
    instrument(greenflash_emulator, redact=lambda text, place: text.replace("Red", "***"))
    with greenflash.conversation("clean"):
        chat(answering_chat())
    assert "*** ones?" in told(greenflash_emulator, "clean")
    greenflash.shutdown()
    instrument(greenflash_emulator, capture_content=False)
    with greenflash.conversation("bare"):
        chat(answering_chat())
    assert greenflash.flush(20)
    sent = str(greenflash_emulator.requests())
    assert "*** ones?" in sent
    assert "Red ones?" not in sent


def test_a_long_stream_is_read_as_it_comes(
    greenflash_emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is kept of it is bounded; all of it is captured."""
    monkeypatch.setattr("greenflash_otel.instrumentation.openai.call.MAX_UNREAD_BYTES", 1000)
    instrument(greenflash_emulator)
    with greenflash.conversation("stream"):
        read_stream(streaming(100))
    assert "word " * 100 in told(greenflash_emulator, "stream")
