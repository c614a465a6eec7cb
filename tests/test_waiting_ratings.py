"""A thumb that comes before the answer it is about waits for it."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import greenflash_otel as greenflash
from greenflash_otel import internal_errors
from greenflash_otel.ingest.ingest import Ingest
from greenflash_otel.model.operation import ConversationContext, Message, Operation, Text
from greenflash_otel.model.telemetry import SpanRecord
from greenflash_otel.outcomes.rating_span import attributes_of as attributes_of_rating
from greenflash_otel.outcomes.ratings import Rating
from greenflash_otel.pipeline import Pipeline
from greenflash_otel.semconv.genai import attributes_of
from greenflash_otel.settings import Settings
from greenflash_otel.testing import Emulator
from tests.api.wire import ADDRESS
from tests.conftest import PRODUCT
from tests.strategies import span_of
from tests.test_intake import FakeStore
from tests.test_rate_an_answer import ask
from tests.test_runtime import start

MINUTE_NS = 60 * 10**9
NOWHERE = ConversationContext()


class OtherProcess:
    """What another process of the folder noted."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[str, str]] = {}
        self.reads = 0

    def note(self, responses: Sequence[tuple[str, str, str]], latest: Sequence[tuple[str, str, int]]) -> None:
        """Note nothing: only what the other process noted is asked for here."""

    def find_response(self, response_id: str) -> tuple[str, str] | None:
        """Return the conversation and the message of an answer."""
        self.reads += 1
        return self.answers.get(response_id)

    def find_latest(self, user_id: str) -> None:
        """Return nothing."""


class Clock:
    """The time, as a test has it."""

    now_ns = 1_700_000_100_000_000_000

    def __call__(self) -> int:
        return self.now_ns


def rate(id: str, conversation_id: str | None = None) -> Rating:
    return Rating(1.0, 0.0, 1.0, 1, conversation_id, id)


def answer(id: str, number: int = 1) -> SpanRecord:
    said = Message("user", (Text("Hi"),)), Message("assistant", (Text("Hello."),))
    operation = Operation(
        "chat", ConversationContext("chat-1"), input=said[:1], output=said[1:], response_id=id
    )
    return span_of(attributes_of(operation), number=number, trace=number)


def hide_secret(text: str, path: str) -> str:
    return text.replace("secret", "[hidden]")


def open_ingest() -> tuple[Ingest, FakeStore, Clock, OtherProcess]:
    internal_errors.reset_for_tests()
    store, clock, other = FakeStore(), Clock(), OtherProcess()
    return Ingest(store, ADDRESS, now_ns=clock, shared_notes=other), store, clock, other


def ratings_in(store: FakeStore) -> list[dict[str, Any]]:
    return [json.loads(request.body) for put in store.puts for request in put if request.kind == "rating"]


def names_of(bodies: list[dict[str, Any]]) -> list[tuple[str | None, str | None]]:
    return [(body.get("externalConversationId"), body.get("externalMessageId")) for body in bodies]


@pytest.mark.parametrize("as_span", [False, True])
def test_it_rates_the_answer_that_comes_after_it(as_span: bool) -> None:
    """Recorded here, or by another service."""
    ingest, store, _, _ = open_ingest()
    rating = rate("chatcmpl-1")
    if as_span:
        ingest.take([span_of(attributes_of_rating(rating), number=9, trace=9)])
    else:
        assert ingest.take_rating(rating, NOWHERE, None) == rating
    assert ratings_in(store) == []
    ingest.take([answer("chatcmpl-2", 2)])
    assert ratings_in(store) == []
    ingest.take([answer("chatcmpl-1")])
    [(conversation_id, message_id)] = names_of(ratings_in(store))
    messages = [
        m for put in store.puts for r in put if r.kind == "messages" for m in json.loads(r.body)["messages"]
    ]
    assert conversation_id == "chat-1"
    assert message_id in {
        message["externalMessageId"] for message in messages if message.get("content") == "Hello."
    }
    assert internal_errors.get_counts().unlinked == 0


def test_it_rates_the_answer_that_another_process_notes_later() -> None:
    """The notes are read every two seconds while something waits, and not otherwise."""
    ingest, store, clock, other = open_ingest()
    assert ingest.find_due_s() == float("inf")
    ingest.take_rating(rate("resp_1"), NOWHERE, None)
    other.reads = 0
    assert ingest.find_due_s() == 2
    ingest.emit_overdue()
    assert other.reads == 0
    clock.now_ns += 2 * 10**9
    ingest.emit_overdue()
    assert (other.reads, ratings_in(store)) == (1, [])
    other.answers["resp_1"] = ("chat-7", "gf_7")
    clock.now_ns += 2 * 10**9
    ingest.emit_overdue()
    assert names_of(ratings_in(store)) == [("chat-7", "gf_7")]
    assert other.reads == 2
    assert ingest.find_due_s() == float("inf")


def test_it_waits_ten_minutes(caplog: pytest.LogCaptureFixture) -> None:
    """Then it goes as it is, is counted, and the warning says what to do."""
    ingest, store, clock, _ = open_ingest()
    ingest.take_rating(rate("chatcmpl-1"), NOWHERE, None)
    clock.now_ns += 10 * MINUTE_NS - 1
    ingest.emit_overdue()
    assert ratings_in(store) == []
    clock.now_ns += 1
    with caplog.at_level(logging.WARNING, "greenflash_otel"):
        ingest.emit_overdue()
    assert names_of(ratings_in(store)) == [(None, "chatcmpl-1")]
    assert internal_errors.get_counts().unlinked == 1
    assert "one outbox folder" in caplog.text


@pytest.mark.parametrize(
    ("id", "conversation_id"), [("gf_1", None), ("my-message-17", "chat-1"), ("gf_1", "chat-1")]
)
def test_what_needs_no_answer_goes_at_once(
    id: str, conversation_id: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    """Ids of messages that we made, and those of the application in a conversation that it names."""
    ingest, store, _, _ = open_ingest()
    with caplog.at_level(logging.WARNING, "greenflash_otel"):
        ingest.take_rating(rate(id, conversation_id), NOWHERE, None)
    assert names_of(ratings_in(store)) == [(conversation_id, id)]
    assert internal_errors.get_counts().unlinked == 0
    assert caplog.text == ""


@pytest.mark.parametrize("as_span", [False, True])
@pytest.mark.parametrize(("id", "reads"), [("resp_1", 1), ("gf_1", 0), ("greenflash:1", 0)])
def test_the_answer_is_looked_for_once(id: str, reads: int, as_span: bool) -> None:
    """Each look may read the files of other processes; an id that we or Greenflash made needs none."""
    ingest, store, _, other = open_ingest()
    other.answers["resp_1"] = ("chat-7", "gf_7")
    if as_span:
        ingest.take([span_of(attributes_of_rating(rate(id)), number=9, trace=9)])
    else:
        ingest.take_rating(rate(id), NOWHERE, None)
    assert len(ratings_in(store)) == 1
    assert other.reads == reads


@pytest.mark.parametrize("as_span", [False, True])
def test_what_waits_on_disk_is_redacted(as_span: bool, tmp_path: Path) -> None:
    """A rating that waits for its answer is not sent yet, but a file has it."""
    settings = Settings(
        PRODUCT, api_key="gf_test", base_url="http://127.0.0.1:9", outbox=str(tmp_path), redact=hide_secret
    )
    rating = Rating(1.0, 0.0, 1.0, 1, None, "chatcmpl-1", "my secret")
    pipeline = Pipeline(settings)
    try:
        if as_span:
            assert pipeline.take([span_of(attributes_of_rating(rating), number=9, trace=9)])
        else:
            pipeline.take_rating(rating, NOWHERE, None)
    finally:
        pipeline.shutdown(5, settle=False)
    stored = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
    assert b"chatcmpl-1" in stored
    assert b"[hidden]" in stored
    assert b"secret" not in stored


def test_an_answer_of_a_provider_is_awaited_in_a_named_conversation() -> None:
    """Its id is no id of a message."""
    ingest, store, _, _ = open_ingest()
    ingest.take_rating(rate("chatcmpl-1", "chat-1"), NOWHERE, None)
    assert ratings_in(store) == []
    ingest.take([answer("chatcmpl-1")])
    assert len(ratings_in(store)) == 1


def test_two_processes_of_a_folder(greenflash_emulator: Emulator, tmp_path: Path) -> None:
    """The one with the browser's thumb is asked first; a flush looks once more for the answer."""
    settings = Settings(
        PRODUCT, api_key="gf_test", base_url=greenflash_emulator.base_url, outbox=str(tmp_path)
    )
    web = Pipeline(settings)
    try:
        start(greenflash_emulator, outbox=tmp_path)
        with greenflash.conversation("c"):
            response = ask("one")
        web.take_rating(rate(response.id), NOWHERE, None)
        assert greenflash.flush(10)
        assert web.flush(10)
    finally:
        web.shutdown(5)
    stored = greenflash_emulator.conversation("c")
    assert [rating.message for rating in stored.ratings] == [stored.messages[-1].external_id]


def test_it_waits_on_in_the_next_process(greenflash_emulator: Emulator, tmp_path: Path) -> None:
    """A gateway that is restarted keeps it."""
    settings = Settings(
        PRODUCT, api_key="gf_test", base_url=greenflash_emulator.base_url, outbox=str(tmp_path)
    )
    start(greenflash_emulator, outbox=tmp_path)
    with greenflash.conversation("c"):
        response = ask("one")
    first = Pipeline(settings)
    first.take_rating(rate(response.id), NOWHERE, None)
    first.shutdown(5, settle=False)
    assert [request.path for request in greenflash_emulator.requests() if request.path == "/ratings"] == []
    assert greenflash.flush(10)
    second = Pipeline(settings)
    try:
        second.resume()
        assert second.flush(10)
    finally:
        second.shutdown(5)
    stored = greenflash_emulator.conversation("c")
    assert [rating.message for rating in stored.ratings] == [stored.messages[-1].external_id]
