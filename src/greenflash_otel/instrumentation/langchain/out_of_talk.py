"""Runs that LangChain describes as chains, and that are no part of a conversation even if they are called alone.

| run type | what it is                                       | called alone                                  |
|----------|--------------------------------------------------|-----------------------------------------------|
| llm      | a model that judges what was said, and says none | a hidden step                                 |
| parser   | what reads an answer, and may ask a model again  | a hidden step if a model was asked, else none |
| prompt   | what fills in a template                         | nothing                                       |
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from greenflash_otel.instrumentation.langchain.messages import is_message
from greenflash_otel.instrumentation.langchain.operations import Metadata, make_chain, write_passed
from greenflash_otel.instrumentation.langchain.plain import get_entry, write_plain
from greenflash_otel.instrumentation.langchain.run_registry import Kind
from greenflash_otel.json_values import read_list
from greenflash_otel.model.operation import CHAIN, DECISION, Message, Operation, Other, Part
from greenflash_otel.semconv.formats.langchain import read_object
from greenflash_otel.semconv.usage import read_usage


def choose_kind(run_type: object, *, is_root: bool) -> Kind | None:
    """Return the kind of a run that LangChain describes as a chain; None if it is not recorded."""
    if run_type == "llm":
        return "decision"
    if not is_root or run_type not in ("parser", "prompt"):
        return "chain"
    return "parser" if run_type == "parser" else None


def make_operation(kind: Kind, name: str, inputs: Any, metadata: Metadata) -> Operation | None:
    """Return the step that such a run is; None for a chain, which only groups others."""
    if kind == "decision":
        return _make_decision(inputs, metadata)
    return make_chain(CHAIN, name, inputs) if kind == "parser" else None


def _make_decision(inputs: Any, metadata: Metadata) -> Operation:
    """Make the operation of a model that begins to judge something, as its state and the questions about it."""
    provider, model = metadata.get("ls_provider"), metadata.get("ls_model_name")
    state, questions = get_entry(inputs, "state"), get_entry(inputs, "questions")
    if state is None or questions is None:
        judged: tuple[Message, ...] = (Message("user", (Other("input", {"input": write_passed(inputs)}),)),)
    else:
        messages = [state] if is_message(state) else read_list(state)
        judged = tuple(read_object(message) for message in messages if is_message(message))
        judged = judged or (Message("user", (Other("state", {"state": write_passed(state)}),)),)
        question = Other("questions", {"questions": write_plain(questions)})
        judged = (*judged, Message("system", (question,)))
    return Operation(
        DECISION,
        provider=provider if isinstance(provider, str) else None,
        request_model=model if isinstance(model, str) else None,
        input=judged,
    )


def add_judgement(operation: Operation, value: Any) -> Operation:
    """Return its operation with the answer to each question."""
    answers = get_entry(value, "answers")
    parts: tuple[Part, ...] = (Other("output", {"output": write_passed(value)}),)
    if isinstance(answers, Mapping):
        parts = tuple(
            Other("answer", {"question": str(name), "answer": write_plain(answer)})
            for name, answer in answers.items()
        )
    model, id = get_entry(value, "model"), get_entry(value, "request_id")
    return replace(
        operation,
        output=(Message("assistant", parts),),
        usage=read_usage(write_plain(get_entry(value, "usage"))),
        response_model=model if isinstance(model, str) else None,
        response_id=id if isinstance(id, str) else None,
    )
