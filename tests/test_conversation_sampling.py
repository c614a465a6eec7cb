"""A conversation may have a sample rate of its own, or be forced: all of its requests say the same."""

from __future__ import annotations

from typing import Any

import pytest

import greenflash_otel as greenflash
from greenflash_otel.testing import Emulator
from tests.test_runtime import chat, start
from tests.ways_in import WAYS, Way


def said_of(emulator: Emulator) -> dict[str, list[tuple[Any, Any]]]:
    """The rate and the force of each request, by conversation."""
    said: dict[str, list[tuple[Any, Any]]] = {}
    for one in emulator.requests():
        if one.path == "/messages":
            id = one.body["externalConversationId"]
            said.setdefault(id, []).append((one.body.get("sampleRate"), one.body.get("forceSample")))
    return said


@WAYS
def test_a_rate_and_a_force_reach_every_request_of_the_conversation(
    greenflash_emulator: Emulator, way: Way
) -> None:
    """Also those of later blocks, which say nothing; other conversations say nothing."""

    def act() -> None:
        with greenflash.conversation("kept", sample_rate=0.999_999):
            greenflash.record_message("user", "Hi")
        greenflash.flush(10)
        with greenflash.conversation("kept"):
            greenflash.record_message("user", "Again")
        with greenflash.conversation("never", sample_rate=0):
            greenflash.record_message("user", "Hi")
        with greenflash.conversation("forced", sample_rate=0, force_sample=True):
            greenflash.record_message("user", "Hi")
            with greenflash.conversation("other"):
                greenflash.record_message("user", "Hi")

    way(greenflash_emulator, act)
    said = said_of(greenflash_emulator)
    assert set(said) == {"kept", "forced", "other"}
    assert set(said["kept"]) == {(0.999_999, True)}
    assert [one.content for one in greenflash_emulator.conversation("kept").messages] == ["Hi", "Again"]
    assert set(said["forced"]) == {(0, True)}
    assert set(said["other"]) == {(None, None)}


def test_its_own_rate_counts_before_the_settings(greenflash_emulator: Emulator) -> None:
    """As that of an outcome does; ``force_sample=False`` gives the setting ``sample_rate`` its say."""
    pipeline = start(greenflash_emulator, sample_rate=0, force_sample=True)
    for id, said in {"a": {}, "b": {"sample_rate": 0}, "c": {"force_sample": False}}.items():
        with greenflash.conversation(id, **said):  # type: ignore[arg-type]
            chat(["Hello."], ["Hi"])
    assert pipeline.flush(10)
    assert said_of(greenflash_emulator) == {"a": [(0, True)]}


def test_an_outcome_keeps_it_from_its_beginning(greenflash_emulator: Emulator) -> None:
    """Also where the outcome comes before the first call."""
    pipeline = start(greenflash_emulator)
    with greenflash.conversation("early", sample_rate=0):
        greenflash.record_outcome("upgrade")
        chat(["Hello."], ["Hi"])
    with greenflash.conversation("late", sample_rate=0):
        chat(["Hello."], ["Hi"])
        greenflash.record_outcome("upgrade")
    assert pipeline.flush(10)
    for id in ("early", "late"):
        assert [one.content for one in greenflash_emulator.conversation(id).messages] == ["Hi", "Hello."]


def test_a_force_that_comes_later_brings_what_was_left_out(greenflash_emulator: Emulator) -> None:
    """As long as it is remembered."""
    pipeline = start(greenflash_emulator)
    with greenflash.conversation("c", sample_rate=0):
        chat(["Hello."], ["Hi"])
    with greenflash.conversation("c", force_sample=True):
        greenflash.record_message("user", "It fails!")
    assert pipeline.flush(10)
    assert [one.content for one in greenflash_emulator.conversation("c").messages] == [
        "Hi",
        "Hello.",
        "It fails!",
    ]


def test_a_bad_rate_is_repaired(greenflash_emulator: Emulator) -> None:
    """It becomes the nearest one; with ``strict`` it raises."""
    pipeline = start(greenflash_emulator)
    with greenflash.conversation("c", sample_rate=7):
        chat(["Hello."], ["Hi"])
    assert pipeline.flush(10)
    assert said_of(greenflash_emulator) == {"c": [(1, None)]}
    greenflash.shutdown()
    start(greenflash_emulator, strict=True)
    with pytest.raises(greenflash.InvalidConversationError, match="sample_rate"):
        greenflash.conversation("c", sample_rate=7)


def test_a_handler_says_it_too(greenflash_emulator: Emulator) -> None:
    """Of what it records."""
    pytest.importorskip("langchain_core")
    from langchain_core.language_models import FakeListChatModel

    from greenflash_otel.langchain import GreenflashCallbackHandler

    pipeline = start(greenflash_emulator, frameworks=())
    for id, rate in (("kept", 1.0), ("never", 0.0)):
        handler = GreenflashCallbackHandler(conversation_id=id, sample_rate=rate)
        FakeListChatModel(responses=["Hello."]).invoke("Hi", config={"callbacks": [handler]})
    assert pipeline.flush(10)
    assert said_of(greenflash_emulator) == {"kept": [(1, None)]}
