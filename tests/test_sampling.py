"""Whole conversations are kept or not, by their ids; what matters is kept in any case, from its beginning."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenflash_otel.greenflash_api.request import ApiRequest
from greenflash_otel.ingest.ingest import Ingest
from greenflash_otel.ingest.sampling import Sampler, keeps
from greenflash_otel.model.operation import ConversationContext, Failure, Message, Operation, Text
from greenflash_otel.model.telemetry import SpanRecord
from greenflash_otel.outcomes.outcome import Outcome
from greenflash_otel.outcomes.ratings import Rating
from greenflash_otel.outcomes.span import attributes_of as attributes_of_outcome
from greenflash_otel.semconv.genai import attributes_of
from greenflash_otel.state_record import StateRecord
from tests.api.wire import ADDRESS
from tests.strategies import span_of

OUTCOME = Outcome("upgrade", "149.00", 1, "insert-1")


class Kept:
    """A store that shows what it was given."""

    def __init__(self) -> None:
        self.requests: list[ApiRequest] = []

    def put(
        self, requests: Iterable[ApiRequest], notes: Sequence[StateRecord] = (), *, converted_id: int = 0
    ) -> Sequence[ApiRequest]:
        """Keep them all."""
        self.requests += requests
        return ()

    def said(self) -> list[str]:
        """Every content, and the path of what has none."""
        return [
            text
            for request in self.requests
            for text in (
                [message["content"] for message in json.loads(request.body)["messages"]]
                if request.kind == "messages"
                else [request.path]
            )
        ]


def turn(number: int, text: str, conversation_id: str = "chat", failure: Failure | None = None) -> SpanRecord:
    """A span in which the user says something, and nobody answers."""
    operation = Operation(
        "chat",
        ConversationContext(conversation_id),
        input=(Message("user", (Text(text),)),),
        output=(Message("assistant", (Text(f"re {text}"),)),),
        failure=failure,
    )
    return span_of(attributes_of(operation), number=number, trace=number)


def request(conversation_id: str, size_bytes: int) -> ApiRequest:
    """A request of that size."""
    return ApiRequest("messages", "/messages", b"x" * size_bytes, conversation_id)


def nothing_kept(keep_on: Sequence[str] = ("outcome", "error")) -> tuple[Ingest, Kept]:
    """An intake that keeps nothing by itself."""
    store = Kept()
    return Ingest(store, ADDRESS, sampler=Sampler(0.0), keep_on=keep_on), store


@given(st.text(), st.floats(0, 1), st.floats(0, 1))
def test_a_higher_rate_keeps_what_a_lower_one_keeps(id: str, one: float, other: float) -> None:
    """So processes that are being set up anew agree as far as they can; 1 keeps all, 0 nothing."""
    low, high = sorted((one, other))
    assert keeps(id, high) or not keeps(id, low)
    assert keeps(id, 1.0)
    assert not keeps(id, 0.0)


def test_the_share_is_the_rate() -> None:
    """Of many ids, about that share is kept; which ones is fixed for all versions and machines."""
    kept = [number for number in range(10_000) if keeps(f"chat-{number}", 0.25)]
    assert abs(len(kept) - 2_500) < 150
    assert kept[:5] == [4, 9, 11, 12, 14]


def test_a_conversation_is_kept_whole_or_not_at_all() -> None:
    """Every turn of one has the same fate."""
    store = Kept()
    intake = Ingest(store, ADDRESS, sampler=Sampler(0.5))
    ids = [f"chat-{number}" for number in range(40)]
    intake.take([turn(n, f"{n}", id) for n, id in enumerate([*ids, *ids], 1)])
    assert {request.conversation_id for request in store.requests} == {id for id in ids if keeps(id, 0.5)}
    assert len(store.requests) == 2 * len({request.conversation_id for request in store.requests})


@pytest.mark.parametrize("what", ["outcome", "outcome span", "rating", "error"])
def test_what_matters_is_kept_from_its_beginning(what: str) -> None:
    """What was held comes first, then what made it worth keeping; from then on everything is kept."""
    intake, store = nothing_kept()
    intake.take([turn(1, "a"), turn(2, "x", "another")])
    assert store.requests == []
    if what == "outcome":
        intake.take_outcome(replace(OUTCOME, conversation_id="chat"), ConversationContext(), None)
        intake.take_outcome(OUTCOME, ConversationContext(), None)  # of no conversation
        expected = ["a", "re a", "/events", "/events"]
    elif what == "outcome span":
        intake.take([span_of(attributes_of_outcome(replace(OUTCOME, conversation_id="chat")))])
        expected = ["a", "re a", "/events"]
    elif what == "rating":
        intake.take_feedback(Rating(1.0, 0.0, 1.0, 1, "chat"))
        expected = ["a", "re a", "/ratings"]
    else:
        intake.take([turn(3, "b", failure=Failure("Timeout"))])
        expected = ["a", "re a", "b", "re b"]
    intake.take([turn(4, "c")])
    assert store.said() == [*expected, "c", "re c"]


def test_nothing_forces_what_is_not_named() -> None:
    """The outcome itself is always kept."""
    intake, store = nothing_kept(keep_on=())
    intake.take([turn(1, "a", failure=Failure("Timeout"))])
    intake.take_outcome(replace(OUTCOME, conversation_id="chat"), ConversationContext(), None)
    assert store.said() == ["/events"]


def test_what_is_held_is_bounded() -> None:
    """Of the conversation that was quiet longest nothing is held any more."""
    sampler = Sampler(0.0, buffered_bytes=10)
    sampler.sift("a", [request("a", 4)])
    sampler.sift("b", [request("b", 4)])
    sampler.sift("a", [request("a", 2)])
    assert sampler.sift("c", [request("c", 1)]) == ()
    assert sampler.keep("b") == []
    assert [len(request.body) for request in sampler.keep("a")] == [4, 2]
    assert [len(request.body) for request in sampler.keep("c")] == [1]
    assert sampler.sift("d", [request("d", 10)]) == ()
    assert len(sampler.keep("d")) == 1
