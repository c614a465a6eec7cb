"""The way through: what a span or an outcome tells rests in the store, redacted, or is counted."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Sequence
from typing import Any

import pytest

from greenflash_otel import internal_errors
from greenflash_otel.greenflash_api.request import ApiRequest
from greenflash_otel.ingest.ingest import Ingest
from greenflash_otel.model.operation import (
    ConversationContext,
    Message,
    Operation,
    Text,
    ToolCall,
    ToolCallResponse,
)
from greenflash_otel.model.telemetry import SpanRecord
from greenflash_otel.outcomes.outcome import Outcome
from greenflash_otel.outcomes.span import attributes_of as attributes_of_outcome
from greenflash_otel.redaction.redact import FAILED, Redact
from greenflash_otel.semconv.genai import attributes_of
from greenflash_otel.state_record import StateRecord
from tests.api.wire import ADDRESS
from tests.strategies import span_of


class FakeStore:
    """Keeps what is put into it, in order."""

    def __init__(self) -> None:
        self.puts: list[list[ApiRequest]] = []

    def put(
        self, requests: Iterable[ApiRequest], notes: Sequence[StateRecord] = (), *, converted_id: int = 0
    ) -> Sequence[ApiRequest]:
        """Keep one batch."""
        self.puts.append(list(requests))
        return ()

    def bodies(self) -> list[Any]:
        """All bodies, decoded."""
        return [json.loads(request.body) for put in self.puts for request in put]


def _converter(redact: Redact | None = None) -> tuple[Ingest, FakeStore]:
    store = FakeStore()
    return Ingest(store, ADDRESS, redact), store


OUTCOME = Outcome("upgrade", "149.00", 1, "insert-1", properties={"plan": "pro"})


def _chat(number: int = 1, conversation_context: ConversationContext | None = None) -> SpanRecord:
    said = Message("user", (Text(f"secret {number}"),))
    operation = Operation("chat", conversation_context or ConversationContext("chat-1", "ada"), input=(said,))
    return span_of(attributes_of(operation), number=number, trace=number)


def _outcome_span(outcome: Outcome = OUTCOME) -> SpanRecord:
    return span_of(attributes_of_outcome(outcome))


def test_spans_become_requests_in_one_put() -> None:
    """What one call takes is kept at once: after it all is safe, before it nothing was."""
    intake, store = _converter()
    intake.take([_chat(1), span_of({"http.method": "GET"}), _outcome_span(), _chat(2)])
    (put,) = store.puts
    assert [request.kind for request in put] == ["messages", "outcome", "messages"]


def test_nothing_to_tell_is_no_put() -> None:
    """Spans of other things, and spans seen before, cost the store nothing."""
    intake, store = _converter()
    intake.take([span_of()])
    assert store.puts == []
    for _ in range(2):
        intake.take([_chat()])
    assert len(store.puts) == 1


def test_outcome_spans_that_were_taken_already() -> None:
    """In process an outcome is taken directly; its span then adds nothing."""
    intake, store = _converter()
    intake.take([_outcome_span(), _chat()], outcomes=False)
    assert [request.kind for request in store.puts[0]] == ["messages"]


class _Unreadable(dict[str, Any]):
    """Attributes that cannot be read."""

    def get(self, key: str, default: object = None) -> Any:
        """Fail."""
        raise RuntimeError(key)


def test_a_span_that_cannot_be_converted() -> None:
    """It is counted, and the others are kept."""
    intake, store = _converter()
    before = internal_errors.get_internal_errors().get("convert a span", 0)
    intake.take([_chat(1), span_of(_Unreadable(gen_ai=1)), _chat(2)])
    assert [request.kind for request in store.puts[0]] == ["messages", "messages"]
    assert internal_errors.get_internal_errors()["convert a span"] == before + 1


def test_a_number_that_json_does_not_have_costs_no_message() -> None:
    """A model that writes NaN into arguments is still heard."""
    intake, store = _converter()
    call = '[{"role":"assistant","parts":[{"type":"tool_call","name":"sum","arguments":{"a":NaN}}]}]'
    intake.take([span_of({"gen_ai.operation.name": "chat", "gen_ai.output.messages": call})])
    (body,) = store.bodies()
    assert body["messages"][0]["input"] == {"a": "NaN"}


def _everything(conversation_context: ConversationContext) -> Operation:
    return Operation(
        "chat",
        conversation_context,
        system_instructions=(Text("secret prompt"),),
        input=(
            Message("user", (Text("secret question"),)),
            Message("assistant", (ToolCall("find", {"q": "secret argument"}, "c1"),)),
            Message("tool", (ToolCallResponse("secret result", "c1"),)),
        ),
        output=(Message("assistant", (Text("secret answer"),)),),
        properties={"note": "secret fact"},
    )


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for item in value.values() for text in _texts(item)]
    if isinstance(value, list):
        return [text for item in value for text in _texts(item)]
    return [value] if isinstance(value, str) else []


def test_everything_is_redacted() -> None:
    """Each text of content goes through the user's function, with the path where it stands."""
    paths: set[str] = set()

    def hide(text: str, path: str) -> str:
        paths.add(path)
        return text.replace("secret", "***")

    intake, store = _converter(hide)
    whose = ConversationContext("chat-1", properties={"plan": "secret plan"})
    intake.take([span_of(attributes_of(_everything(whose)))])
    intake.take_outcome(
        Outcome("upgrade", "secret value", 1, "i", properties={"plan": "secret"}), whose, None
    )
    texts = _texts(store.bodies())
    assert not [text for text in texts if "secret" in text]
    assert sum("***" in text for text in texts) == 9
    assert paths == {
        "system_prompt",
        "properties.plan",
        "messages.content",
        "messages.input.*",
        "messages.input.q",
        "messages.output.result",
        "messages.properties.*",
        "messages.properties.note",
        "outcome.event_type",
        "outcome.value",
        "outcome.properties.*",
        "outcome.properties.plan",
        "properties.*",
    }


def test_a_redaction_that_fails_hides_the_text() -> None:
    """Nothing is let through, the message is still sent, and the failure is counted."""

    def broken(text: str, path: str) -> str:
        raise KeyError(text)

    intake, store = _converter(broken)
    before = internal_errors.get_internal_errors().get("redact a text", 0)
    intake.take([span_of(attributes_of(_everything(ConversationContext("chat-1"))))])
    (body,) = store.bodies()
    assert not [text for text in _texts(body) if "secret" in text]
    assert [message.get("content") for message in body["messages"]] == [FAILED, None, None, FAILED]
    assert internal_errors.get_internal_errors()["redact a text"] == before + 8


def test_redaction_does_not_change_ids() -> None:
    """Ids are made before, so that two texts that are redacted alike stay two messages."""
    plain, kept = _converter()
    hidden, changed = _converter(lambda text, path: "#")
    for intake in (plain, hidden):
        intake.take([_chat(1), _chat(2)])
    ids = [[m["externalMessageId"] for body in s.bodies() for m in body["messages"]] for s in (kept, changed)]
    assert ids[0] == ids[1]


@pytest.mark.parametrize(
    ("given", "conversation_context", "trace", "expected"),
    [
        pytest.param("mine", ConversationContext("chat-1"), 3, "mine", id="the conversation it names"),
        pytest.param(None, ConversationContext(scope_id="s"), 3, "scope-s", id="the scope it happened in"),
        pytest.param(
            None, ConversationContext(scope_id="new"), 1, "scope-new", id="a scope without a call yet"
        ),
        pytest.param(None, ConversationContext(), 1, "chat-1", id="the conversation of its trace"),
        pytest.param(None, ConversationContext(), 9, f"trace-{9:032x}", id="a trace without a call yet"),
        pytest.param(None, ConversationContext(), None, None, id="nothing known"),
    ],
)
def test_what_an_outcome_belongs_to(
    given: str | None, conversation_context: ConversationContext, trace: int | None, expected: str | None
) -> None:
    """The nearest conversation that is known; and its user, if the outcome names none."""
    intake, store = _converter()
    intake.take(
        [_chat(1, ConversationContext("chat-1", "ada", "acme")), _chat(2, ConversationContext(scope_id="s"))]
    )
    outcome = Outcome("upgrade", "1", 1, "i", conversation_id=given)
    taken = intake.take_outcome(outcome, conversation_context, f"{trace:032x}" if trace else None)
    assert taken.conversation_id == expected
    assert (taken.user_id, taken.organization_id) == (
        ("ada", "acme") if expected == "chat-1" else (None, None)
    )
    body = store.bodies()[-1]
    assert body.get("externalConversationId") == expected
    assert body.get("externalUserId") == taken.user_id  # nobody is made up


class RefusingStore(FakeStore):
    """Refuses all that comes in the first call, with a word or with an exception."""

    def __init__(self, error: Exception | None) -> None:
        super().__init__()
        self._error = error

    def put(
        self, requests: Iterable[ApiRequest], notes: Sequence[StateRecord] = (), *, converted_id: int = 0
    ) -> Sequence[ApiRequest]:
        """Refuse what comes first."""
        super().put(requests)
        if len(self.puts) > 1:
            return ()
        if self._error is not None:
            raise self._error
        return self.puts[0]


@pytest.mark.parametrize("error", [None, OSError("no disk")], ids=["refused", "raised"])
def test_what_the_store_refused_is_told_again(error: Exception | None) -> None:
    """A span that comes once more, because its sender was told so, adds what it did not add before."""
    store = RefusingStore(error)
    intake = Ingest(store, ADDRESS)
    with contextlib.suppress(OSError):
        intake.take([_chat()])
    intake.take([_chat()])
    assert store.puts[1] == store.puts[0]
    intake.take([_chat()])
    assert len(store.puts) == 2
