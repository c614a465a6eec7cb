"""Read moderations and decisions: what a model had to judge, and its verdict. Pure."""

from __future__ import annotations

from dataclasses import replace

from greenflash_otel.instrumentation.openai.answer import ModelAnswer, read_failure
from greenflash_otel.instrumentation.openai.request import CallRequest
from greenflash_otel.json_values import JsonObject, read_json_object, read_list, read_str, to_json
from greenflash_otel.model.operation import Json, Message, Operation, Other, Part
from greenflash_otel.semconv.formats.openai import read_content, read_messages
from greenflash_otel.semconv.usage import read_usage


def read_moderation_request(request: CallRequest, operation: Operation) -> Operation:
    """Return ``operation`` with what is to be judged: a text, several, or parts of one message."""
    content = request.body.get("input")
    parts = read_content([content] if isinstance(content, str) else content)
    return replace(operation, input=(Message("user", parts),) if parts else ())


def read_moderation(body: JsonObject) -> ModelAnswer:
    """Return for each input whether it was flagged, and as what."""
    return _make_answer(
        body, tuple(_read_verdict(read_json_object(result)) for result in read_list(body.get("results")))
    )


def read_decision_request(request: CallRequest, operation: Operation) -> Operation:
    """Return ``operation`` with what is to be judged, and the questions about it."""
    questions = to_json(list(read_list(request.body.get("questions"))))
    parts: tuple[Part, ...] = (Other("questions", {"questions": questions}),) if questions else ()
    messages = read_messages(request.body.get("input"))
    return replace(operation, input=(*messages, Message("system", parts)) if parts else messages)


def read_decision(body: JsonObject) -> ModelAnswer:
    """Read the answer to each question."""
    answers = [read_json_object(answer) for answer in read_list(body.get("answers"))]
    return _make_answer(body, tuple(Other("answer", _rename_type(answer)) for answer in answers))


def _make_answer(body: JsonObject, parts: tuple[Part, ...]) -> ModelAnswer:
    return ModelAnswer(
        output=(Message("assistant", parts),) if parts else (),
        usage=read_usage(body.get("usage")),
        response_model=read_str(body.get("model")),
        response_id=read_str(body.get("id")),
        failure=read_failure(body.get("error")),
    )


def _read_verdict(result: JsonObject) -> Part:
    categories = read_json_object(result.get("categories"))
    names: list[Json] = [str(name) for name, applies in categories.items() if applies is True]
    return Other("moderation", {"flagged": result.get("flagged") is True, "categories": names})


def _rename_type(answer: JsonObject) -> JsonObject:
    """Return the fields of an answer; its type is called kind, because a part has a type already."""
    fields = {str(name): to_json(value) for name, value in answer.items() if name != "type"}
    return {"kind": to_json(answer.get("type")), **fields}
