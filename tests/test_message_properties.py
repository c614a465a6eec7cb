"""Properties of single messages: on those of the enclosed calls, and on no other."""

from __future__ import annotations

from typing import Any

import pytest

import greenflash_otel as greenflash
from greenflash_otel.testing import Emulator
from tests.chat import client_saying
from tests.test_runtime import start
from tests.ways_in import WAYS, Way


def properties_of(emulator: Emulator, id: str, *names: str) -> dict[str, dict[str, Any]]:
    """What each message of a conversation has of some properties, by its text."""
    return {
        message.content or message.type: {
            name: value for name, value in (message.properties or {}).items() if name in names
        }
        for message in emulator.conversation(id).messages
    }


@WAYS
def test_they_are_on_the_messages_of_the_enclosed_calls(greenflash_emulator: Emulator, way: Way) -> None:
    """The question and the answer have them; a message before and after, in the same conversation, has none."""

    def act() -> None:
        with greenflash.conversation("c"):
            greenflash.record_message("user", "Before?")
            with greenflash.message_properties({"first-try": True}, feature="search"):
                greenflash.record_message("assistant", "Within.")
                with (
                    greenflash.message_properties(feature="inner"),
                    greenflash.step("task", name="t") as step,
                ):
                    step.output({"done": True})
            greenflash.record_message("user", "After?")

    way(greenflash_emulator, act)
    assert properties_of(greenflash_emulator, "c", "feature", "first-try") == {
        "Before?": {},
        "Within.": {"feature": "search", "first-try": True},
        "task": {"feature": "inner", "first-try": True},
        "After?": {},
    }
    assert not greenflash_emulator.conversation("c").properties


def test_a_resent_history_stays_as_it_is(greenflash_emulator: Emulator) -> None:
    """Also where only the second call shows it."""
    pipeline = start(greenflash_emulator)
    client = client_saying(["Two.", "Three."])
    history: list[Any] = [
        {"role": "user", "content": "One?"},
        {"role": "assistant", "content": "One."},
        {"role": "user", "content": "Two?"},
    ]
    with greenflash.conversation("c", message_properties={"feature": "chat"}):
        client.chat.completions.create(model="m", messages=history)
    history += [{"role": "assistant", "content": "Two."}, {"role": "user", "content": "Three?"}]
    with greenflash.conversation("c"):
        client.chat.completions.create(model="m", messages=history)
    assert pipeline.flush(10)
    assert properties_of(greenflash_emulator, "c", "feature") == {
        "One?": {},
        "One.": {},
        "Two?": {"feature": "chat"},
        "Two.": {"feature": "chat"},
        "Three?": {},
        "Three.": {},
    }


def test_they_may_stand_around_a_conversation(greenflash_emulator: Emulator) -> None:
    """Another conversation in the block has them, too: they say what the code does."""
    pipeline = start(greenflash_emulator)
    with greenflash.message_properties(feature="batch"):
        for id in ("a", "b"):
            with greenflash.conversation(id):
                client_saying(["Hello."]).chat.completions.create(
                    model="m", messages=[{"role": "user", "content": "Hi"}]
                )
    assert pipeline.flush(10)
    for id in ("a", "b"):
        said = properties_of(greenflash_emulator, id, "feature")
        assert said == {"Hi": {"feature": "batch"}, "Hello.": {"feature": "batch"}}


def test_they_are_redacted(greenflash_emulator: Emulator) -> None:
    """As every text that is sent, with the path of a message's properties."""
    paths: list[str] = []

    def redact(text: str, path: str) -> str:
        paths.append(path)
        return text.replace("secret", "***")

    pipeline = start(greenflash_emulator, redact=redact)
    with greenflash.conversation("c"), greenflash.message_properties(note="a secret"):
        greenflash.record_message("user", "Hi")
    assert pipeline.flush(10)
    assert properties_of(greenflash_emulator, "c", "note") == {"Hi": {"note": "a ***"}}
    assert "messages.properties.note" in paths


def test_a_bad_value_costs_only_itself(greenflash_emulator: Emulator) -> None:
    """The others are delivered; with ``strict`` it raises."""
    pipeline = start(greenflash_emulator)
    bad = greenflash.conversation("c", message_properties="no dict")  # type: ignore[call-overload]
    with bad, greenflash.message_properties(feature="x"):
        greenflash.record_message("user", "Hi")
    assert pipeline.flush(10)
    assert properties_of(greenflash_emulator, "c", "feature") == {"Hi": {"feature": "x"}}
    greenflash.shutdown()
    start(greenflash_emulator, strict=True)
    with pytest.raises(greenflash.InvalidConversationError, match="message_properties"):
        greenflash.conversation("c", message_properties="no dict")  # type: ignore[call-overload]


def test_langchain_handler_and_blocks(greenflash_emulator: Emulator) -> None:
    """A handler puts its own on what it records, and the block around a call adds to them."""
    pytest.importorskip("langchain_core")
    from langchain_core.language_models import FakeListChatModel

    from greenflash_otel.langchain import GreenflashCallbackHandler

    pipeline = start(greenflash_emulator, frameworks=())
    handler = GreenflashCallbackHandler(conversation_id="c", message_properties={"feature": "lc"})
    model = FakeListChatModel(responses=["Hello.", "Again."])
    with greenflash.message_properties(attempt=1):
        model.invoke("Hi", config={"callbacks": [handler]})
    model.invoke("And?", config={"callbacks": [GreenflashCallbackHandler(conversation_id="c")]})
    assert pipeline.flush(10)
    assert properties_of(greenflash_emulator, "c", "feature", "attempt") == {
        "Hi": {"feature": "lc", "attempt": 1},
        "Hello.": {"feature": "lc", "attempt": 1},
        "And?": {},
        "Again.": {},
    }
