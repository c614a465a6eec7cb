"""An outcome in one service, of a conversation in another: carried as W3C baggage, where asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pytest
from opentelemetry import context as otel_context
from opentelemetry.baggage.propagation import W3CBaggagePropagator

import greenflash_otel as greenflash
from tests.conftest import PRODUCT

STRANGE = "chat 42; ö, 日本 = 100 %"


def start(baggage: bool | None = None) -> None:
    """Without a key: nothing is sent."""
    greenflash.instrument(product_id=PRODUCT, frameworks=(), outbox=":memory:", baggage=baggage)


def sent() -> dict[str, str]:
    """The headers of a request that an instrumented client makes here."""
    headers: dict[str, str] = {}
    W3CBaggagePropagator().inject(headers)
    return headers


@contextmanager
def served(headers: Mapping[str, str]) -> Iterator[None]:
    """What an instrumented server runs for a request, in whatever context it happens to be."""
    token = otel_context.attach(W3CBaggagePropagator().extract(headers, otel_context.Context()))
    try:
        yield
    finally:
        otel_context.detach(token)


@pytest.mark.parametrize("id", ["chat-42", STRANGE])
def test_across_services(id: str) -> None:
    """Outcome and rating join the conversation of the service that called."""
    start(baggage=True)
    with greenflash.conversation(id):
        headers = sent()
    assert sent() == {}
    with served(headers):
        assert greenflash.record_outcome("upgrade").conversation_id == id
        rating = greenflash.record_rating(True)
    assert rating is not None
    assert rating.conversation_id == id


def test_only_where_it_was_asked_for() -> None:
    """Neither is anything sent along nor is what comes believed, and no longer after the shutdown."""
    start(baggage=True)
    with greenflash.conversation("chat-42"):
        headers = sent()
    greenflash.shutdown(0)
    start()
    with greenflash.conversation("chat-43"):
        assert sent() == {}
    with served(headers):
        assert greenflash.record_outcome("upgrade").conversation_id is None


def test_a_conversation_of_ones_own_comes_first() -> None:
    """One that is named, and one that is still to be found out; it is the inner one that is sent along."""
    start(baggage=True)
    with greenflash.conversation("outer"):
        headers = sent()
        with greenflash.conversation("inner"):
            assert sent() == {"baggage": "greenflash.conversation=inner"}
    with served(headers):
        with greenflash.conversation("mine"):
            assert greenflash.record_outcome("upgrade").conversation_id == "mine"
        with greenflash.conversation(user_id="ada"):
            assert "scope-" in str(greenflash.record_outcome("upgrade").conversation_id)
        assert greenflash.record_outcome("upgrade", conversation_id="given").conversation_id == "given"
