"""`record_message` and `message_id`: messages that no model call has, and the names of those that one has."""

from __future__ import annotations

from typing import Any

import openai
import pytest
from langchain_core.messages import AIMessage, HumanMessage

import greenflash_otel as greenflash
from greenflash_otel.testing import Emulator
from tests.chat import client_saying, completion
from tests.test_runtime import start

Messages = list[Any]


def texts_of(emulator: Emulator, id: str = "c") -> list[tuple[str, str | None]]:
    assert greenflash.flush(10)
    return [(message.type, message.content) for message in emulator.conversation(id).messages]


def parents_of(emulator: Emulator, id: str = "c") -> list[str | None]:
    """The contents of the parents, in the order of the messages."""
    messages = emulator.conversation(id).messages
    contents = {message.external_id: message.content for message in messages}
    return [contents.get(message.parent_external_id or "") for message in messages]


@pytest.mark.parametrize("history", ["new", "full"])
@pytest.mark.parametrize("id", ["c", None])
def test_a_person_takes_over(greenflash_emulator: Emulator, history: Any, id: str | None) -> None:
    """What is recorded follows the answer, and a call that resends it adds nothing."""
    start(greenflash_emulator, history=history)
    client = client_saying(["Hello.", "Bye."])
    said: Messages = [{"role": "user", "content": "Hi, may I talk to a person?"}]
    with greenflash.conversation(id, user_id="ada") as chat:
        client.chat.completions.create(model="m", messages=said)
        greenflash.record_message("assistant", "Hi, this is Bea from support.", properties={"author": "Bea"})
        greenflash.record_message("user", "Thank you, Bea")
        said += [
            {"role": "assistant", "content": "Hello."},
            {"role": "assistant", "content": "Hi, this is Bea from support."},
            {"role": "user", "content": "Thank you, Bea"},
        ]
        client.chat.completions.create(model="m", messages=said)
        found = chat.conversation_id
    assert texts_of(greenflash_emulator, found) == [
        ("user_message", "Hi, may I talk to a person?"),
        ("assistant_message", "Hello."),
        ("assistant_message", "Hi, this is Bea from support."),
        ("user_message", "Thank you, Bea"),
        ("assistant_message", "Bye."),
    ]
    assert parents_of(greenflash_emulator, found) == [
        None,
        "Hi, may I talk to a person?",
        "Hi, may I talk to a person?",
        "Hi, this is Bea from support.",
        "Thank you, Bea",
    ]
    bea = greenflash_emulator.conversation(found).messages[2]
    assert bea.properties == {"author": "Bea"}


def test_a_greeting_before_the_first_question(greenflash_emulator: Emulator) -> None:
    """The call resends it, as chat pages do."""
    start(greenflash_emulator)
    with greenflash.conversation("c"):
        greenflash.record_message("assistant", "How may I help?")
        client_saying(["Yes."]).chat.completions.create(
            model="m",
            messages=[
                {"role": "assistant", "content": "How may I help?"},
                {"role": "user", "content": "May I return it?"},
            ],
        )
    assert [text for _, text in texts_of(greenflash_emulator)] == [
        "How may I help?",
        "May I return it?",
        "Yes.",
    ]
    assert parents_of(greenflash_emulator) == [None, "How may I help?", "May I return it?"]


def test_a_chat_without_an_instrumented_model(greenflash_emulator: Emulator) -> None:
    """The same words twice are two messages, and two chats that begin alike are two conversations."""
    start(greenflash_emulator)
    ids = []
    for _ in range(2):
        with greenflash.conversation(user_id="ada") as chat:
            for _ in range(2):
                greenflash.record_message("user", "yes")
                greenflash.record_message("assistant", "ok")
            ids.append(chat.conversation_id)
    assert len(set(ids)) == 2
    for id in ids:
        assert [text for _, text in texts_of(greenflash_emulator, id)] == ["yes", "ok", "yes", "ok"]
        assert parents_of(greenflash_emulator, id) == [None, "yes", "ok", "yes"]


def test_what_the_user_sees_of_a_tool_is_a_message(greenflash_emulator: Emulator) -> None:
    """Also within `internal()` and a step."""
    start(greenflash_emulator)
    with (
        greenflash.conversation("c"),
        greenflash.internal(),
        greenflash.step("tool_call", name="t", call_id="x"),
    ):
        greenflash.record_message("assistant", "One moment, please.")
    assert ("assistant_message", "One moment, please.") in texts_of(greenflash_emulator)


def test_bad_messages(greenflash_emulator: Emulator, caplog: pytest.LogCaptureFixture) -> None:
    """One that can be repaired has its original in the properties; one that means nothing is counted."""
    pipeline = start(greenflash_emulator)
    bad: Any = 7
    with greenflash.conversation("c"):
        greenflash.record_message("assistant", bad)
        greenflash.record_message(bad, "x")
        greenflash.record_message("user", "")
    assert texts_of(greenflash_emulator) == [("assistant_message", "7")]
    [message] = greenflash_emulator.conversation("c").messages
    assert message.properties == {"greenflash_original": {"text": 7}}
    assert pipeline.stats().lost == {"unusable_arguments": 2}
    assert len(caplog.records) == 3
    with pytest.raises(greenflash.InvalidStepError, match="role"):
        greenflash.record_message(bad, "x", strict=True)


def test_content_that_must_not_be_recorded(greenflash_emulator: Emulator) -> None:
    """Redaction applies, and `capture_content`."""
    start(greenflash_emulator, redact=lambda text, path: text.replace("secret", "…"))
    with greenflash.conversation("c"):
        greenflash.record_message("user", "my secret", properties={"note": "secret"})
    assert texts_of(greenflash_emulator) == [("user_message", "my …")]
    greenflash.shutdown()
    start(greenflash_emulator, capture_content=False)
    with greenflash.conversation("d"):
        greenflash.record_message("user", "my secret", properties={"note": "secret"})
    assert greenflash.flush(10)
    assert "secret" not in str([request.body for request in greenflash_emulator.requests()])


COMPLETION = {**completion("Hello.", "m"), "id": "chatcmpl-1"}  # its own id differs from process to process


@pytest.mark.parametrize(
    "response",
    [
        COMPLETION,
        openai.types.chat.ChatCompletion.model_validate(COMPLETION),
        COMPLETION["id"],
        AIMessage("Hello.", id="run-1", response_metadata={"id": COMPLETION["id"]}),
        AIMessage("Hello.", id=COMPLETION["id"]),
        {"messages": [HumanMessage("Hi", id="h"), AIMessage("Hello.", id=COMPLETION["id"])]},
        {"type": "response.completed", "response": {"id": COMPLETION["id"]}},
    ],
)
def test_the_id_of_an_answer(response: object) -> None:
    """In any form that an application has it in."""
    assert greenflash.message_id(response) == COMPLETION["id"]


@pytest.mark.parametrize(
    "response", [None, "", 7, object(), {}, {"output": "Hello."}, AIMessage("x", id="run-1")]
)
def test_what_has_no_id(response: object) -> None:
    """None, and nothing is raised."""
    assert greenflash.message_id(response) is None
