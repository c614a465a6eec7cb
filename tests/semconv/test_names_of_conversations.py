"""Names of conversations and users under all spellings, as text or number, on spans and on the resource."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from tests.semconv.arrivals import Arrivals, in_any_order, span

CHAT = {
    "gen_ai.operation.name": "chat",
    "gen_ai.input.messages": json.dumps([{"role": "user", "content": "hi"}]),
    "gen_ai.output.messages": json.dumps([{"role": "assistant", "content": "hello"}]),
}
CONVERSATIONS = (
    *(
        "gen_ai.conversation.id",
        "session.id",
        "session_id",
        "sessionId",
        "conversation.id",
        "conversation_id",
    ),
    *("thread_id", "thread.id", "chat_id", "gen_ai.thread.id", "gen_ai.session.id", "langfuse.session.id"),
    *("lmnr.association.properties.session_id", "lmnr.association.properties.metadata.thread_id"),
    *("traceloop.association.properties.session_id", "traceloop.association.properties.thread_id"),
    *(
        "langsmith.metadata.session_id",
        "langsmith.metadata.thread_id",
        "langfuse.trace.metadata.conversation_id",
    ),
    *("ai.telemetry.metadata.sessionId", "mlflow.trace.session", "wandb.thread_id", "$ai_session_id"),
)
USERS = (
    *(
        "user.id",
        "user_id",
        "userId",
        "enduser.id",
        "enduser.pseudo.id",
        "lmnr.association.properties.user_id",
    ),
    *(
        "traceloop.association.properties.user_id",
        "langsmith.metadata.user_id",
        "langfuse.user.id",
        "gen_ai.user.id",
    ),
)


def names_of(attributes: Mapping[str, Any], resource: Mapping[str, Any] = {}) -> list[Any]:
    arrived = Arrivals()
    arrived.take_spans(span(1, {**CHAT, **attributes}), resource=resource)
    return [*arrived.finish(), *arrived.users.values()]


@pytest.mark.parametrize("name", CONVERSATIONS)
@pytest.mark.parametrize(("value", "text"), [("chat-42", "chat-42"), (42, "42")])
def test_a_conversation(name: str, value: object, text: str) -> None:
    """Each spelling names it; a number does, too."""
    assert names_of({name: value}) == [text, "anonymous"]


@pytest.mark.parametrize("name", USERS)
@pytest.mark.parametrize(("value", "text"), [("ada", "ada"), (7, "7")])
def test_a_user(name: str, value: object, text: str) -> None:
    """The same of users."""
    assert names_of({"session.id": "s", name: value}) == ["s", text]


@pytest.mark.parametrize("metadata", [{"thread_id": 42, "user_id": 7}, {"sessionId": "42", "userId": "7"}])
def test_names_in_metadata(metadata: Mapping[str, Any]) -> None:
    """An object of the application's, as OpenInference writes it."""
    assert names_of({"metadata": json.dumps(metadata)}) == ["42", "7"]


def test_names_on_the_resource() -> None:
    """They count where no span names anything."""
    assert names_of({}, {"session.id": "r", "enduser.id": "ada"}) == ["r", "ada"]
    assert names_of({"session_id": "s"}, {"session.id": "r", "user.id": "ada"}) == ["s", "ada"]


def test_the_name_of_a_span_around() -> None:
    """It counts before the resource."""
    spans = [span(1, {"session.id": "s"}), span(2, CHAT, parent=1, begin=1, end=2)]
    together, *_ = in_any_order(spans, {"session.id": "r"})
    assert [*together.finish()] == ["s"]


@pytest.mark.parametrize("value", [True, "", "null", "None", [1], 1.5])
def test_what_is_no_name(value: object) -> None:
    """Nothing of ours fails; a number with a point is a name, as it is for our own functions."""
    named = names_of({"session.id": value})[0]
    assert named == ("1.5" if value == 1.5 else "trace-" + "a" * 32)
