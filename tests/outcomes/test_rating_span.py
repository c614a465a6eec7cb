"""A rating travels as a span unchanged, and waits for its conversation like an outcome."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenflash_otel import internal_errors
from greenflash_otel.model.operation import ConversationContext
from greenflash_otel.model.telemetry import Attributes, SpanRecord
from greenflash_otel.outcomes.rating_span import attributes_of, is_rating, read
from greenflash_otel.outcomes.ratings import Rating
from greenflash_otel.semconv import registry
from greenflash_otel.semconv.genai import SCOPE_ID
from tests.strategies import ids, maybe, span_of, texts
from tests.test_intake import _chat, _converter

GOOD = Rating(4.0, 1.0, 5.0, 1_700_000_000_000_000_000)
ratings = st.builds(
    lambda value, **fields: Rating(value, 0.0, 10.0, **fields),
    st.floats(0, 10),
    rated_at_ns=st.integers(0, 2**63 - 1),
    conversation_id=maybe(ids),
    message_id=maybe(ids),
    feedback=maybe(texts.filter(bool)),
)


@pytest.fixture(autouse=True)
def nothing_counted() -> None:
    """Each test counts for itself."""
    internal_errors.reset_for_tests()


def _span(rating: Rating = GOOD, more: Attributes | None = None, *, trace: int = 1) -> SpanRecord:
    attributes = {**attributes_of(rating), **(more or {})}
    return replace(span_of(attributes), trace_id=f"{trace:032x}", span_id=f"{99:016x}")


@given(ratings)
def test_what_is_written_is_read(rating: Rating) -> None:
    """A span carries all of a rating, and is recognised by it."""
    span = span_of(attributes_of(rating))
    assert is_rating(span)
    assert registry.recognises(span.attributes)
    found, repairs = read(span)
    assert (found, repairs.problems) == (rating, [])


@pytest.mark.parametrize("order", ["before", "behind"])
def test_it_joins_the_conversation_of_its_trace(order: str) -> None:
    """Also where it comes first."""
    intake, store = _converter()
    spans = [_chat(1, ConversationContext("chat-1")), _span()]
    for span in spans if order == "behind" else spans[::-1]:
        intake.take([span])
    assert [body["externalConversationId"] for body in store.bodies()] == ["chat-1", "chat-1"]
    assert store.bodies()[-1]["rating"] == 4.0


def test_it_joins_the_conversation_of_its_scope() -> None:
    """As our own pipeline writes it, where the spans before it take long to convert."""
    intake, store = _converter()
    intake.take([_chat(1, ConversationContext(scope_id="s"))])
    intake.take([_span(GOOD, {SCOPE_ID: "s"}, trace=7)])
    assert store.bodies()[-1]["externalConversationId"] == "scope-s"


def test_one_of_nothing_is_counted() -> None:
    """Greenflash would refuse it."""
    intake, store = _converter()
    intake.take([_span()])
    intake.emit_all_waiting()
    assert store.bodies() == []
    assert internal_errors.get_counts().unlinked == 1
    assert internal_errors.get_counts().lost == {"rating_of_nothing": 1}


def test_one_that_is_no_number_is_counted() -> None:
    """There is nothing to deliver."""
    intake, store = _converter()
    intake.take([_span(GOOD, {"greenflash.rating.rating": "good", "gen_ai.conversation.id": "c"})])
    assert store.bodies() == []
    assert internal_errors.get_counts().lost == {"unusable_arguments": 1}


def test_its_feedback_is_redacted_while_it_waits() -> None:
    """What rests on disk is written as it will be sent, and still knows where it belongs."""
    intake, store = _converter(lambda text, path: text.replace("secret", "[gone]"))
    intake.take([_span(replace(GOOD, feedback="a secret"), {SCOPE_ID: "s"})])
    waiting = intake._redaction.redact_waiting(_span(replace(GOOD, feedback="a secret"), {SCOPE_ID: "s"}))
    assert isinstance(waiting, SpanRecord)
    assert waiting.attributes["greenflash.rating.feedback"] == "a [gone]"
    assert waiting.attributes[SCOPE_ID] == "s"
    intake.emit_all_waiting()
    assert store.bodies()[-1]["feedback"] == "a [gone]"
