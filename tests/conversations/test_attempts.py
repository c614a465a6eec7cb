"""Which run of a tool is the result of its call, and on which step a step hangs."""

from __future__ import annotations

from dataclasses import replace

from greenflash_otel.conversations.attempts import Attempts
from greenflash_otel.conversations.changes import Deferral, DeferralKey, DeferralKind
from greenflash_otel.conversations.enclosing import EnclosingSteps
from greenflash_otel.conversations.items import step_id_of
from greenflash_otel.message_ids.chain import result_id_of
from greenflash_otel.model.operation import CHAIN, EXECUTE_TOOL, RETRIEVAL, Operation, ToolExecution
from greenflash_otel.model.telemetry import SpanRecord
from tests.strategies import span_of

CALL = "gf_call"
RESULT = result_id_of("T", CALL)
FIRST, SECOND, THIRD = (span_of(number=number, trace=1) for number in (1, 2, 3))


def test_in_a_turn_a_failed_run_is_never_the_result() -> None:
    """What the model was given is known: each failure has an id of its own, whatever comes later."""
    attempts = Attempts("T", set())
    ids = [attempts.choose_result_id(span, CALL, failed=True, in_turn=True) for span in (FIRST, SECOND)]
    assert RESULT not in ids
    assert len(set(ids)) == 2
    assert attempts.choose_result_id(THIRD, CALL, failed=False, in_turn=True) == RESULT


def test_elsewhere_the_first_run_is_the_result() -> None:
    """A second run that ended well is the same result, told twice."""
    attempts = Attempts("T", set())
    ids = [attempts.choose_result_id(span, CALL, failed=False, in_turn=False) for span in (FIRST, SECOND)]
    assert ids == [RESULT, RESULT]


def test_elsewhere_a_failed_run_may_be_followed_by_another() -> None:
    """Also if the failure was emitted before a restart: its mark was stored."""
    before = Attempts("T", set())
    assert before.choose_result_id(FIRST, CALL, failed=True, in_turn=False) == RESULT
    after = Attempts("T", {RESULT, *before.marks})
    second = after.choose_result_id(SECOND, CALL, failed=False, in_turn=False)
    assert second != RESULT
    assert second == after.choose_result_id(SECOND, CALL, failed=False, in_turn=False)


def waiting(span: SpanRecord, operation: Operation) -> Deferral:
    """A step that waits for its question."""
    return Deferral(DeferralKey(DeferralKind.QUESTION, "T"), span, operation)


def test_a_step_hangs_on_the_chain_around_it() -> None:
    """Whatever model calls are between."""
    inner = replace(SECOND, parent_span_id=FIRST.span_id)
    innermost = replace(THIRD, parent_span_id=SECOND.span_id)
    chain, model = Operation(CHAIN), Operation("chat")
    steps = EnclosingSteps("T", [waiting(FIRST, chain), waiting(inner, model)])
    assert steps.find_parent_id(innermost, Operation("embeddings")) == step_id_of("T", FIRST, chain)


def test_a_retrieval_hangs_on_a_retrieval_only() -> None:
    """It is a part of it; an embedding in it is a step of its own."""
    inner, outer = replace(SECOND, parent_span_id=FIRST.span_id), Operation(RETRIEVAL)
    steps = EnclosingSteps("T", [waiting(FIRST, outer)])
    assert steps.find_parent_id(inner, Operation(RETRIEVAL)) == step_id_of("T", FIRST, outer)
    assert steps.find_parent_id(inner, Operation("embeddings")) is None


def test_a_step_in_a_tool_hangs_on_nothing_around_the_tool() -> None:
    """Its call is its parent."""
    tool = Operation(EXECUTE_TOOL, tool=ToolExecution("look_up", "call_1"))
    inner = replace(SECOND, parent_span_id=FIRST.span_id)
    innermost = replace(THIRD, parent_span_id=SECOND.span_id)
    steps = EnclosingSteps("T", [waiting(FIRST, Operation(CHAIN)), waiting(inner, tool)])
    assert steps.find_parent_id(innermost, Operation("embeddings")) is None
