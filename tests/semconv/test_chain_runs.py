"""Chains, agents and workflows without a model call say what went in and what came out, once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from tests.semconv.arrivals import Arrivals, Row, in_any_order, span

TALK: list[Row] = [("user_message", "hi", None), ("assistant_message", "hello", 0)]


def run(
    asked: Any, answered: Any, kind: str = "CHAIN", mime_type: str = "text/plain", **more: Any
) -> Mapping[str, Any]:
    """Return the attributes of a run as OpenInference writes them."""
    return {
        "openinference.span.kind": kind,
        "input.value": asked,
        "input.mime_type": mime_type,
        "output.value": answered,
        "output.mime_type": mime_type,
        **{name.replace("__", "."): value for name, value in more.items()},
    }


def call(asked: str, answered: str) -> Mapping[str, Any]:
    """Return the attributes of a model call."""
    message = "llm.{}_messages.0.message.{}"
    return {
        "openinference.span.kind": "LLM",
        message.format("input", "role"): "user",
        message.format("input", "content"): asked,
        message.format("output", "role"): "assistant",
        message.format("output", "content"): answered,
    }


def messages(*said: str) -> str:
    """Return a state with these messages, user and model in turn, as JSON."""
    roles = ["user", "assistant"] * len(said)
    entries = [{"role": role, "content": text} for role, text in zip(roles, said, strict=False)]
    return json.dumps({"messages": entries})


ALONE: Mapping[str, Mapping[str, Any]] = {
    "OpenInference, an agent": run("hi", "hello", "AGENT"),
    "OpenInference, an object": run(
        '{"question": "hi"}', '{"answer": "hello"}', mime_type="application/json"
    ),
    "OpenInference, messages": run(messages("hi"), messages("hi", "hello"), mime_type="application/json"),
    "Traceloop, a function": {
        "traceloop.span.kind": "workflow",
        "traceloop.entity.input": '{"args": ["hi"], "kwargs": {}}',
        "traceloop.entity.output": '"hello"',
    },
    "Traceloop, LangChain": {
        "traceloop.span.kind": "workflow",
        "traceloop.entity.input": '{"inputs": {"input": "hi"}, "tags": [], "kwargs": {"name": "x"}}',
        "traceloop.entity.output": '{"outputs": {"output": "hello"}, "kwargs": {"tags": []}}',
    },
    "Langfuse": {
        "langfuse.observation.type": "agent",
        "langfuse.observation.input": '{"args": ["hi"], "kwargs": {}}',
        "langfuse.observation.output": "hello",
    },
    "LangSmith": {
        "langsmith.span.kind": "chain",
        "gen_ai.prompt": '{"input": "hi"}',
        "gen_ai.completion": '{"output": "hello"}',
    },
    "MLflow": {
        "mlflow.spanType": '"AGENT"',
        "mlflow.spanInputs": '{"question": "hi"}',
        "mlflow.spanOutputs": '"hello"',
    },
}


@pytest.mark.parametrize("attributes", ALONE.values(), ids=list(ALONE))
def test_a_run_alone(attributes: Mapping[str, Any]) -> None:
    """Whoever recorded it, and whether or not the span around it ever comes."""
    for parent in (0, 7):
        for arrived in in_any_order(
            [span(1, {**attributes, "session.id": "s", "user.id": "ada"}, parent=parent)]
        ):
            assert arrived.finish() == {"s": TALK}
            assert arrived.users == {"s": "ada"}


def test_runs_in_each_other() -> None:
    """The outermost counts, and the name that it has."""
    spans = [
        span(1, run("hi", "hello", session__id="s"), end=9),
        span(2, run("hi", "hello", "AGENT"), parent=1, begin=1, end=8),
        span(3, run("inner", "words"), parent=2, begin=2, end=7),
    ]
    for arrived in in_any_order(spans):
        assert arrived.finish() == {"s": TALK}


def test_a_group_of_runs() -> None:
    """A span that says nothing itself leaves it to the runs in it."""
    spans = [
        span(1, {"openinference.span.kind": "CHAIN", "session.id": "s"}),
        span(2, run("hi", "hello", "AGENT"), parent=1, begin=1, end=2),
        span(3, run("more?", "yes", "AGENT"), parent=1, begin=3, end=4),
    ]
    for arrived in in_any_order(spans):
        assert arrived.finish() == {
            "s": [*TALK, ("user_message", "more?", 1), ("assistant_message", "yes", 2)]
        }


@pytest.mark.parametrize("parent", [1, 5], ids=["in it", "in a span that never comes"])
def test_a_model_call_inside(parent: int) -> None:
    """It says all, whichever comes first; the run is not recorded as well."""
    spans = [
        span(1, run("hi", "hello", "AGENT", session__id="s")),
        span(2, {**call("Answer this: hi", "hello"), "session.id": "s"}, parent=parent, begin=2, end=3),
    ]
    for arrived in in_any_order(spans):
        assert arrived.finish() == {
            "s": [("user_message", "Answer this: hi", None), ("assistant_message", "hello", 0)]
        }


def test_a_run_in_a_tool() -> None:
    """What a tool does inside is not said to the user."""
    spans = [
        span(1, {"openinference.span.kind": "TOOL", "tool.name": "ask", "session.id": "s"}, end=8),
        span(2, run("inner", "words"), parent=1, begin=1, end=7),
    ]
    for arrived in in_any_order(spans):
        assert [row[0] for row in arrived.finish()["s"]] == ["tool_call"]


def test_a_run_that_failed() -> None:
    """The question stays, with an error below it."""
    for arrived in in_any_order([span(1, run("hi", "", session__id="s"), failed=True)]):
        rows = arrived.finish()["s"]
        assert [(row[0], row[2]) for row in rows] == [("user_message", None), ("llm", 0)]


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        ("ChatMessage(role='user')", "[ChatMessage(role='x')]"),
        ('{"nodes": ["<Document(id_=1)>"]}', '["<TextNode(id_=2)>"]'),
        ('{"a": 1, "b": 2}', "[0.5, 0.25]"),
        ("", "hello"),
        ("__REDACTED__", "__REDACTED__"),
    ],
)
def test_what_says_nothing(asked: str, answered: str) -> None:
    """Reprs, data and hidden content are nobody's words."""
    for arrived in in_any_order([span(1, run(asked, answered, mime_type="application/json"))]):
        assert arrived.finish() == {}


def test_a_run_waits_on_disk() -> None:
    """It is not recorded before the rest of its trace may have come."""
    arrived = Arrivals()
    arrived.take_spans(span(1, run("hi", "hello", session__id="s")))
    arrived.intake.emit_overdue()
    assert not arrived.users
    assert arrived.finish() == {"s": TALK}
