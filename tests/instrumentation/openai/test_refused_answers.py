"""Answers that the SDK cannot parse: `parse()` raises, the application asks again, and nobody saw them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any, TypeAlias

import openai
import pytest
from pydantic import BaseModel

import greenflash_otel as greenflash
from greenflash_otel.instrumentation.openai import instrument, uninstrument
from tests.instrumentation.openai.http import http
from tests.instrumentation.openai.replies import completion, response
from tests.instrumentation.openai.spans import Spans
from tests.instrumentation.openai.test_asked_again import BAD, GOOD, LAST, NEXT, QUESTION, says, user

Ask: TypeAlias = Callable[[list[dict[str, Any]]], Any]


class Person(BaseModel):
    """What the application wants."""

    name: str
    age: int


@pytest.fixture(params=["full", "new"])
def spans(request: pytest.FixtureRequest) -> Iterator[Spans]:
    """The SDK is instrumented during the test, with whole histories on its spans, and with what is new."""
    recorded = Spans()
    instrument(recorded.tracer, history=request.param)
    yield recorded
    uninstrument()


def transport_for(*bodies: dict[str, Any]) -> Any:
    """Answer with these bodies, each with an id of its own."""
    answers = iter([{**body, "id": f"id-{number}"} for number, body in enumerate(bodies)])
    return http.MockTransport(lambda request: http.Response(200, json=next(answers)))


def chat(*texts: str, finish_reason: str = "stop") -> Ask:
    """A model behind Chat Completions."""
    bodies = [completion(text) for text in texts]
    bodies[0]["choices"][0]["finish_reason"] = finish_reason
    client: Any = openai.OpenAI(
        api_key="sk-test", http_client=http.Client(transport=transport_for(*bodies)), max_retries=0
    )
    return lambda messages: client.beta.chat.completions.parse(
        model="m", messages=messages, response_format=Person
    )


def chat_async(*texts: str) -> Ask:
    """The same, from a client that is awaited."""
    bodies = [completion(text) for text in texts]
    client: Any = openai.AsyncOpenAI(
        api_key="sk-test", http_client=http.AsyncClient(transport=transport_for(*bodies)), max_retries=0
    )
    return lambda messages: asyncio.run(
        client.beta.chat.completions.parse(model="m", messages=messages, response_format=Person)
    )


def responses(*texts: str) -> Ask:
    """A model behind Responses."""
    items = [
        {
            "type": "message",
            "id": f"msg_{at}",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": text, "annotations": []}],
        }
        for at, text in enumerate(texts)
    ]
    bodies = [response("completed", [item]) for item in items]
    client: Any = openai.OpenAI(
        api_key="sk-test", http_client=http.Client(transport=transport_for(*bodies)), max_retries=0
    )
    return lambda messages: client.responses.parse(model="m", input=messages, text_format=Person)


def play(ask: Ask, *, resends: bool) -> None:
    """Ask until the answer can be parsed, then go on."""
    messages = [user(QUESTION)]
    with pytest.raises(Exception) as raised:
        ask(messages)
    again = [says(BAD), user(f"Your answer was wrong:\n{raised.value}\nAnswer again.")]
    ask([*messages, *again] if resends else messages)
    ask([*messages, says(GOOD), user(NEXT)])


@pytest.mark.parametrize(
    ("resends", "is_named"),
    [(True, True), (True, False), (False, True)],
    ids=["with the answer", "with the answer, unnamed", "the same question"],
)
@pytest.mark.parametrize("make", [chat, chat_async, responses])
def test_an_answer_that_cannot_be_parsed(
    spans: Spans, make: Callable[..., Ask], resends: bool, is_named: bool
) -> None:
    """The user sees one answer to each question; the refused answer is a hidden step."""
    with greenflash.conversation("T") if is_named else nullcontext():
        play(make(BAD, GOOD, LAST), resends=resends)
    [items] = spans.conversations().values()
    shown = [item for item in items if item.type != "thought"]
    assert [item.content for item in shown] == [QUESTION, GOOD, NEXT, LAST]
    assert [item.parent_id for item in shown] == [None, shown[0].id, shown[1].id, shown[2].id]
    refused = next(item for item in items if item.type == "thought")
    assert refused.parent_id == shown[0].id
    assert refused.output == {"text": BAD}
    assert refused.properties["ending"] == "failed"


def test_an_answer_that_is_cut_off(spans: Spans) -> None:
    """The SDK raises for that, too; what the user asks next hangs on the question, not on the hidden step."""
    ask = chat('{"name": "Ada", "a', LAST, finish_reason="length")
    with greenflash.conversation("T"):
        with pytest.raises(openai.LengthFinishReasonError):
            ask([user(QUESTION)])
        ask([user(QUESTION), user(NEXT)])
    [items] = spans.conversations().values()
    assert [item.type for item in items] == ["user_message", "thought", "user_message", "assistant_message"]
    assert items[2].parent_id == items[0].id
