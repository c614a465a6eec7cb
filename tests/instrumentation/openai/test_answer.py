"""How an operation ended, from what arrived and what went wrong."""

from __future__ import annotations

import asyncio

import pytest

from greenflash_otel.instrumentation.openai.answer import (
    MAX_MESSAGE_CHARS,
    ModelAnswer,
    Verdict,
    complete_operation,
    judge,
    judge_error,
    read_failure,
)
from greenflash_otel.model.operation import Failure, Message, Operation, Text

SERVER_ERROR = Failure("server_error", "m")


@pytest.mark.parametrize(
    ("answer", "complete", "error", "expected"),
    [
        pytest.param(ModelAnswer(), True, None, Verdict("completed"), id="all came"),
        pytest.param(
            ModelAnswer(), True, ConnectionError(), Verdict("completed"), id="all came before it broke"
        ),
        pytest.param(
            ModelAnswer(),
            True,
            asyncio.CancelledError(),
            Verdict("completed"),
            id="all came before it was cancelled",
        ),
        pytest.param(
            ModelAnswer(cancelled=True),
            True,
            None,
            Verdict("cancelled"),
            id="the provider says that it was cancelled",
        ),
        pytest.param(
            ModelAnswer(failure=SERVER_ERROR),
            True,
            None,
            Verdict("failed", SERVER_ERROR),
            id="the provider says that it failed",
        ),
        pytest.param(
            ModelAnswer(failure=SERVER_ERROR),
            False,
            ValueError(),
            Verdict("failed", SERVER_ERROR),
            id="and the SDK raises on it",
        ),
        pytest.param(ModelAnswer(), False, None, Verdict("abandoned"), id="left early"),
        pytest.param(
            ModelAnswer(), False, ValueError("no"), Verdict("failed", Failure("ValueError", "no")), id="broke"
        ),
        pytest.param(ModelAnswer(), False, asyncio.CancelledError(), Verdict("cancelled"), id="cancelled"),
        pytest.param(ModelAnswer(), False, KeyboardInterrupt(), Verdict("cancelled"), id="interrupted"),
    ],
)
def test_judge(answer: ModelAnswer, complete: bool, error: BaseException | None, expected: Verdict) -> None:
    """What arrived decides; only what did not arrive has to be explained."""
    assert judge(answer, complete=complete, error=error) == expected


def test_a_long_message_is_cut() -> None:
    """A validation error quotes all it was given; the beginning is enough."""
    failure = judge_error(ValueError("x" * 9_999)).failure
    assert failure is not None
    assert failure.message == "x" * MAX_MESSAGE_CHARS


def test_an_error_without_words() -> None:
    """No message is None, not empty text."""
    assert judge_error(ValueError()).failure == Failure("ValueError")


def test_concluded() -> None:
    """The answer completes the operation; what the request said itself stays."""
    asked = Operation("chat", request_model="m", properties={"background": True})
    answer = ModelAnswer(
        output=(Message("assistant", (Text("a"),)), Message("assistant", (Text("b"),))),
        system_instructions=(Text("As stored"),),
        properties={"service_tier": "flex"},
    )
    operation = complete_operation(
        asked, answer, Verdict("completed"), first_chunk_s=0.1, properties={"retries": 1}
    )
    assert operation.choice_count == 2
    assert operation.system_instructions == (Text("As stored"),)
    assert operation.time_to_first_chunk_s is None
    assert operation.properties == {"background": True, "service_tier": "flex", "retries": 1}
    instructed = Operation("chat", system_instructions=(Text("As asked"),), streamed=True)
    operation = complete_operation(instructed, answer, Verdict("completed"), first_chunk_s=0.1, properties={})
    assert operation.system_instructions == (Text("As asked"),)
    assert operation.time_to_first_chunk_s == 0.1


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (None, None),
        ({"code": "rate_limit", "type": "t", "message": "m"}, Failure("rate_limit", "m")),
        ({"code": None, "type": "t"}, Failure("t")),
        ({"code": 429}, Failure("429")),
        ("slow down", Failure("error", "slow down")),
    ],
)
def test_read_failure(error: object, expected: Failure | None) -> None:
    """Providers write their errors in several ways."""
    assert read_failure(error) == expected
