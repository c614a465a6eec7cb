"""A thumb under an answer: by the answer itself, or by its id on another day."""

from __future__ import annotations

from typing import Any

import pytest
from greenflash.types.rating_log_params import RatingLogParams

import greenflash_otel as greenflash
from greenflash_otel.testing import Emulator
from tests.api.wire import fields_of
from tests.chat import client_saying
from tests.test_runtime import start


def ask(text: str) -> Any:
    return client_saying([f"re {text}"]).chat.completions.create(
        model="m", messages=[{"role": "user", "content": text}]
    )


def test_the_answer_is_rated_and_no_other(greenflash_emulator: Emulator) -> None:
    """In the block, after it, and by the id that a browser kept."""
    start(greenflash_emulator)
    with greenflash.conversation("c"):
        first = ask("one")
        greenflash.record_rating(True, response=first)
    with greenflash.conversation("d"):
        second = ask("two")
    greenflash.record_rating(False, response=second, feedback="too short")
    greenflash.record_rating(4, message_id=greenflash.message_id(second))
    assert greenflash.flush(10)
    for id, wanted in (("c", [1.0]), ("d", [0.0, 4.0])):
        stored = greenflash_emulator.conversation(id)
        answer = stored.messages[-1]
        assert [(rating.rating, rating.message) for rating in stored.ratings] == [
            (rating, answer.external_id) for rating in wanted
        ]
    bodies = [request.body for request in greenflash_emulator.requests() if request.path == "/ratings"]
    assert all(set(body) <= fields_of(RatingLogParams) for body in bodies)


def test_a_response_without_an_id(greenflash_emulator: Emulator, caplog: pytest.LogCaptureFixture) -> None:
    """The conversation is rated, the warning says so; strict raises."""
    start(greenflash_emulator)
    with greenflash.conversation("c"):
        ask("one")
        greenflash.record_rating(True, response=object())
        with pytest.raises(greenflash.InvalidFeedbackError, match="response"):
            greenflash.record_rating(True, response=object(), strict=True)
    assert greenflash.flush(10)
    [rating] = greenflash_emulator.conversation("c").ratings
    assert rating.message is None
    assert [record.message.startswith("record_rating()") for record in caplog.records] == [True]
