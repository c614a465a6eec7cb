"""A conversation that the store refused is not the newest of its user."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import pytest

from greenflash_otel.greenflash_api.request import ApiRequest
from greenflash_otel.ingest.ingest import Ingest
from greenflash_otel.model.operation import ConversationContext, Message, Operation, Text
from greenflash_otel.model.telemetry import SpanRecord
from greenflash_otel.outcomes.outcome import Outcome
from greenflash_otel.semconv.genai import attributes_of
from greenflash_otel.state_record import StateRecord
from tests.api.wire import ADDRESS
from tests.strategies import span_of


@dataclass
class _FullStore:
    """A store that can be full, or broken."""

    is_full: bool = False
    error: Exception | None = None
    requests: list[ApiRequest] = field(default_factory=list)

    def put(
        self, requests: Iterable[ApiRequest], notes: Sequence[StateRecord] = (), *, converted_id: int = 0
    ) -> Sequence[ApiRequest]:
        if self.error is not None:
            raise self.error
        if self.is_full:
            return tuple(requests)
        self.requests += requests
        return ()


def _call(conversation_id: str, number: int) -> SpanRecord:
    chat = Operation(
        "chat",
        ConversationContext(conversation_id, "ada"),
        input=(Message("user", (Text("I need an umbrella."),)),),
        output=(Message("assistant", (Text("Here you are, an umbrella."),)),),
    )
    return span_of(attributes_of(chat), number=number)


def _find_linked(intake: Ingest, store: _FullStore) -> object:
    """Report an outcome of the user's newest conversation; return that conversation, as it is sent."""
    intake.take_outcome(
        Outcome("upgrade", "yes", 1, "i", user_id="ada", link="latest"), ConversationContext(), None
    )
    return json.loads(store.requests[-1].body).get("externalConversationId")


@pytest.mark.parametrize("error", [None, OSError("no disk")], ids=["refused", "raised"])
@pytest.mark.parametrize("before", ["stored", None])
def test_an_outcome_of_the_newest_conversation(before: str | None, error: Exception | None) -> None:
    """It belongs to the one that was stored before, if there is one; when the refused one is stored, to that."""
    store = _FullStore()
    intake = Ingest(store, ADDRESS)
    if before is not None:
        assert intake.take([_call(before, 1)])
    store.is_full, store.error = True, error
    with suppress(OSError):
        assert not intake.take([_call("refused", 2)])
    store.is_full, store.error = False, None
    assert _find_linked(intake, store) == before
    assert intake.take([_call("refused", 2)])
    assert _find_linked(intake, store) == "refused"
