"""The ids that Greenflash made: looked up later, and passed to a callback."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest

import greenflash_otel as greenflash
from greenflash_otel.delivery.answered_ids import combine, read_answered_ids
from greenflash_otel.delivery.callback_thread import CallbackThread
from greenflash_otel.greenflash_api.answer import Answer
from greenflash_otel.testing import Emulator
from tests.delivery.fakes import messages, outcome
from tests.test_runtime import chat, start

FOLDERS = pytest.mark.parametrize("outbox", [":memory:", None])


@FOLDERS
def test_what_greenflash_answered(greenflash_emulator: Emulator, outbox: str | None) -> None:
    """Its ids of the conversation, the messages, the prompt and the outcome, in memory and on disk."""
    start(greenflash_emulator, outbox=outbox)
    assert greenflash.lookup("chat-1") is None
    with greenflash.conversation("chat-1"):
        chat(["Hello.", "Bye."], ["Hi", "Bye"])
        made = greenflash.record_outcome("upgrade")
    assert greenflash.flush(10)
    stored, found = greenflash_emulator.conversation("chat-1"), greenflash.lookup("chat-1")
    assert found is not None
    assert (found.conversation_id, found.greenflash_conversation_id) == ("chat-1", stored.id)
    assert [
        (message.message_id, message.greenflash_message_id, message.status) for message in found.messages
    ] == [(message.external_id, message.id, "created") for message in stored.messages]
    assert found.outcomes == {made.insert_id: stored.outcomes[0].id}
    assert found.greenflash_prompt_id is not None
    assert greenflash.lookup("chat-2") is None


def test_another_process_and_another_day(greenflash_emulator: Emulator, tmp_path: Path) -> None:
    """What was delivered from the same folder is known; the id links an outcome."""
    start(greenflash_emulator, outbox=tmp_path)
    with greenflash.conversation("chat-1"):
        chat(["Hello."], ["Hi"])
    greenflash.shutdown()
    start(greenflash_emulator, outbox=tmp_path)
    found = greenflash.lookup("chat-1")
    assert found is not None
    assert len(found.messages) == 2
    greenflash.record_outcome("upgrade", greenflash_conversation_id=found.greenflash_conversation_id)
    assert greenflash.flush(10)
    assert greenflash_emulator.conversation("chat-1").outcomes[0].event_type == "upgrade"


def test_a_message_that_was_there(greenflash_emulator: Emulator, tmp_path: Path) -> None:
    """Two processes that know nothing of each other record the same: the second one learns that."""
    for folder in ("one", "two"):
        start(greenflash_emulator, outbox=tmp_path / folder)
        with greenflash.conversation("chat-1"):
            chat(["Hello."], ["Hi"])
        assert greenflash.flush(10)
        found = greenflash.lookup("chat-1")
        assert found is not None
        expected = "created" if folder == "one" else "deduplicated"
        assert {message.status for message in found.messages} == {expected}
        greenflash.shutdown()


def test_outside_of_instrument(caplog: pytest.LogCaptureFixture) -> None:
    """It says what to do."""
    assert greenflash.lookup("chat-1") is None
    assert "call instrument() first" in caplog.text


def test_a_callback(greenflash_emulator: Emulator) -> None:
    """It sees each answer; one that raises costs nothing."""
    seen: list[greenflash.DeliveredConversation] = []
    has_both = threading.Event()

    def note(delivered: greenflash.DeliveredConversation) -> None:
        seen.append(delivered)
        if delivered.outcomes:
            has_both.set()
        raise RuntimeError("of the application")

    start(greenflash_emulator, outbox=":memory:", on_delivered=note)
    with greenflash.conversation("chat-1"):
        chat(["Hello."], ["Hi"])
        greenflash.record_outcome("upgrade")
    assert greenflash.flush(10)
    assert has_both.wait(10)
    assert [len(update.messages) for update in seen] == [2, 0]
    assert {update.conversation_id for update in seen} == {"chat-1"}
    assert greenflash.stats().delivered == 3


def test_a_callback_that_hangs() -> None:
    """The calls behind it do not wait for it."""
    let_go, begun, passed = threading.Event(), threading.Event(), threading.Event()

    def act(value: int) -> None:
        if value == 1:
            begun.set()
            let_go.wait(30)
        else:
            passed.set()

    calls = CallbackThread(act, "on_delivered", limit_s=0.05)
    calls.submit(1)
    assert begun.wait(10)
    assert not calls.finish(30)
    assert calls.finish(30)  # another thread continues
    calls.submit(2)
    assert passed.wait(10)
    let_go.set()


def test_a_callback_that_is_too_slow(caplog: pytest.LogCaptureFixture) -> None:
    """Of too many calls the newest are left out, with one warning."""
    let_go = threading.Event()
    calls: CallbackThread[int] = CallbackThread(lambda value: let_go.wait(30), "on_delivered", most=2)
    for number in range(10):
        calls.submit(number)
    assert caplog.text.count("too slow") == 1
    let_go.set()


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{", b'{"messages": 7}', b'{"messages": [7, {"messageId": 3}]}', b'{"conversationId": 1}'],
)
def test_answers_in_other_shapes(body: bytes) -> None:
    """They say nothing, and raise nothing."""
    assert read_answered_ids(messages("c", "a"), Answer(201, body)) == []
    assert read_answered_ids(outcome("c", "i"), Answer(201, body)) == []


def test_messages_that_are_answered_without_their_ids() -> None:
    """They are answered in the order of the request."""
    answered: Any = {
        "conversationId": "g",
        "messages": [{"messageId": "1", "status": "created"}, {"messageId": "2"}],
    }
    found = combine(
        "c", read_answered_ids(messages("c", "a", "b"), Answer(201, json.dumps(answered).encode()))
    )
    assert [(message.message_id, message.greenflash_message_id) for message in found.messages] == [
        ("a", "1"),
        ("b", "2"),
    ]


async def test_the_twin(greenflash_emulator: Emulator) -> None:
    """Async code looks up, too."""
    start(greenflash_emulator, outbox=":memory:")
    with greenflash.conversation("chat-1"):
        chat(["Hello."], ["Hi"])
    assert await greenflash.aflush(10)
    found = await greenflash.alookup("chat-1")
    assert found is not None
    assert len(found.messages) == 2
