"""Citations of an answer arrive with it, whichever API and library it came through."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from langchain_core.messages import AIMessage, HumanMessage

from greenflash_otel.conversations.update import MessageItem
from greenflash_otel.instrumentation import langchain
from greenflash_otel.instrumentation import openai as openai_sdk
from greenflash_otel.instrumentation.content import remove_content
from greenflash_otel.message_ids.fragments import split_message
from greenflash_otel.model.operation import Message, Operation, Text
from greenflash_otel.redaction.operations import redact_operation
from greenflash_otel.redaction.redact import redact_value
from tests.instrumentation.langchain.models import create_agent, says, thread
from tests.instrumentation.openai.http import http
from tests.instrumentation.openai.replies import chunk, completion, message_item, response
from tests.instrumentation.openai.spans import Spans

QUESTION: Any = [{"role": "user", "content": "Who won?"}]
ANSWER = "Ada won."
CITATION = {
    "type": "url_citation",
    "url": "https://example.org/news",
    "title": "News",
    "start_index": 0,
    "end_index": 8,
}
NESTED = {
    "type": "url_citation",
    "url_citation": {name: value for name, value in CITATION.items() if name != "type"},
}
CITED = [{"type": "output_text", "text": ANSWER, "annotations": [CITATION]}]


@pytest.fixture
def spans() -> Iterator[Spans]:
    """Both libraries are instrumented during the test, as `instrument()` does it."""
    recorded = Spans()
    openai_sdk.instrument(recorded.tracer)
    langchain.instrument(recorded.tracer)
    yield recorded
    langchain.uninstrument()
    openai_sdk.uninstrument()


def answering(*bodies: Any) -> Any:
    """A client of HTTP that is answered with a body, or with the events of a stream."""
    waiting = iter(bodies)

    def answer(request: Any) -> Any:
        body = next(waiting)
        if isinstance(body, dict):
            return http.Response(200, json=body)
        lines = "".join(f"event: {entry.get('type', 'x')}\ndata: {json.dumps(entry)}\n\n" for entry in body)
        return http.Response(200, text=lines, headers={"content-type": "text/event-stream"})

    return http.Client(transport=http.MockTransport(answer))


def client_for(*bodies: Any) -> openai.OpenAI:
    """OpenAI's client, answered with these bodies."""
    return openai.OpenAI(api_key="sk-test", http_client=answering(*bodies), max_retries=0)


def answers_of(spans: Spans) -> list[MessageItem]:
    """What the user is said to have seen."""
    return [item for item in spans.told() if item.type in ("assistant_message", "final_response")]


def annotations_of(item: MessageItem) -> Any:
    """The citations that arrived with a message."""
    return item.properties.get("annotations")


def test_chat_completions(spans: Spans) -> None:
    client_for(completion(ANSWER, annotations=[NESTED])).chat.completions.create(model="m", messages=QUESTION)
    [answer] = answers_of(spans)
    assert (answer.content, annotations_of(answer)) == (ANSWER, [NESTED])


def test_chat_completions_in_a_stream(spans: Spans) -> None:
    """A provider that searches sends them with a piece of the text, and may repeat them."""
    pieces = [
        chunk({"role": "assistant", "content": "Ada "}),
        chunk({"content": "won.", "annotations": [NESTED]}),
        chunk({"annotations": [NESTED]}),
        chunk({}, "stop"),
    ]
    stream = client_for(pieces).chat.completions.create(model="m", messages=QUESTION, stream=True)
    assert len(list(stream)) == 4
    [answer] = answers_of(spans)
    assert (answer.content, annotations_of(answer)) == (ANSWER, [NESTED])


def test_responses(spans: Spans) -> None:
    body = response("completed", [message_item(content=CITED)])
    client_for(body).responses.create(model="m", input="Who won?")
    [answer] = answers_of(spans)
    assert (answer.content, annotations_of(answer)) == (ANSWER, [CITATION])


def events_of_a_response() -> Iterator[dict[str, Any]]:
    """A stream that ends before its item does."""
    yield {"type": "response.created", "response": response("in_progress"), "sequence_number": 0}
    item = {**message_item(), "content": [], "status": "in_progress"}
    yield {"type": "response.output_item.added", "output_index": 0, "item": item, "sequence_number": 1}
    place = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    yield {
        "type": "response.output_text.delta",
        **place,
        "delta": ANSWER,
        "logprobs": [],
        "sequence_number": 2,
    }
    annotation = {"annotation_index": 0, "annotation": CITATION, "sequence_number": 3}
    yield {"type": "response.output_text.annotation.added", **place, **annotation}


def test_responses_in_a_stream_that_breaks_off(spans: Spans) -> None:
    """What came of the answer has the citations that came of it."""
    stream = client_for(list(events_of_a_response())).responses.create(
        model="m", input="Who won?", stream=True
    )
    assert len(list(stream)) == 4
    [answer] = answers_of(spans)
    assert (answer.content, annotations_of(answer)) == (ANSWER, [CITATION])


def test_responses_through_langchain(spans: Spans) -> None:
    """They are the same as in a direct call."""
    body = response("completed", [message_item(content=CITED)])
    key: Any = "k"
    model: Any = pytest.importorskip("langchain_openai", reason="LangChain is not installed").ChatOpenAI(
        model="m", api_key=key, max_retries=0, http_client=answering(body), use_responses_api=True
    )
    model.invoke("Who won?", thread("T"))
    [answer] = answers_of(spans)
    assert answer.content == ANSWER
    [citation] = annotations_of(answer)
    assert CITATION.items() <= citation.items()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ([{"type": "text", "text": ANSWER, "annotations": [CITATION]}], [CITATION]),
        (
            [{"type": "text", "text": ANSWER, "citations": [{"type": "char_location", "cited_text": "Ada"}]}],
            [{"type": "char_location", "cited_text": "Ada"}],
        ),
        (
            [
                {"type": "text", "text": "Ada", "annotations": [CITATION]},
                {"type": "text", "text": "won.", "annotations": [{"type": "citation", "title": "News"}]},
            ],
            [CITATION, {"type": "citation", "title": "News"}],
        ),
        ([{"type": "text", "text": ANSWER, "annotations": []}], None),
        ([{"type": "text", "text": ANSWER, "annotations": None}], None),
        ([{"type": "text", "text": f"<think>Hm.</think>{ANSWER}", "annotations": [CITATION]}], [CITATION]),
    ],
    ids=["LangChain and OpenAI", "Anthropic", "two blocks", "empty", "null", "after thoughts"],
)
def test_content_blocks_of_langchain(spans: Spans, content: Any, expected: Any) -> None:
    """Whatever the provider calls them, they arrive once, with the answer that has them."""
    agent = create_agent(says(AIMessage(content), "You are welcome."))
    state = agent.invoke({"messages": [HumanMessage("Who won?")]}, thread("T"))
    agent.invoke({"messages": [*state["messages"], HumanMessage("Thanks.")]}, thread("T"))
    items = [item for item in spans.conversations()["T"] if item.type != "thought"]
    assert [annotations_of(item) for item in items] == [None, expected, None, None]


def test_an_answer_that_comes_back_without_its_citations_is_known(spans: Spans) -> None:
    """Applications keep the text alone."""
    client = client_for(completion(ANSWER, annotations=[NESTED]), completion("You are welcome."))
    client.chat.completions.create(model="m", messages=QUESTION)
    history = [*QUESTION, {"role": "assistant", "content": ANSWER}, {"role": "user", "content": "Thanks."}]
    client.chat.completions.create(model="m", messages=history)
    [items] = spans.conversations().values()
    assert [item.content for item in items] == ["Who won?", ANSWER, "Thanks.", "You are welcome."]


def test_pictures_within_a_citation_are_never_stored() -> None:
    """A provider that reads files annotates the answer with what it read."""
    file = {"type": "file", "file": {"content": [{"type": "image_url", "image_url": {"url": PICTURE}}]}}
    spans = Spans()
    openai_sdk.instrument(spans.tracer)
    try:
        client_for(completion(ANSWER, annotations=[file])).chat.completions.create(
            model="m", messages=QUESTION
        )
    finally:
        openai_sdk.uninstrument()
    [answer] = answers_of(spans)
    assert annotations_of(answer)[0]["type"] == "file"
    assert "cGljdHVyZQ" not in str(spans.all()[0].attributes)


PICTURE = "data:image/png;base64,cGljdHVyZQ=="
CITING = Operation("chat", output=(Message("assistant", (Text(ANSWER, ({"url": "https://a", "n": 1},)),)),))


def test_citations_are_content() -> None:
    """With content capture off they are not recorded."""
    assert remove_content(CITING).output[0].parts == (Text(""),)


def test_citations_are_redacted() -> None:
    """Their texts pass through `redact` under the path that they have in a message."""
    paths = []

    def hide(text: str, path: str) -> str:
        paths.append(path)
        return "hidden" if not path.endswith(".*") else text

    redacted = redact_operation(CITING, lambda value, path: redact_value(value, path, hide, print))
    assert redacted.output[0].parts == (Text("hidden", ({"url": "hidden", "n": 1},)),)
    assert "messages.properties.annotations.url" in paths


def test_citations_change_no_id() -> None:
    """An answer is the same one with them and without them."""
    bare, cited = (Message("assistant", (text,)) for text in (Text(ANSWER), Text(ANSWER, ({"url": "u"},))))
    assert split_message(bare).fragments[0].written == split_message(cited).fragments[0].written
