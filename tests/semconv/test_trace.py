"""What the spans of a trace tell together that none of them tells alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from greenflash_otel.model.operation import Json, Operation, Text
from greenflash_otel.model.telemetry import SpanRecord
from greenflash_otel.semconv.conventions.agent_runs import RUN
from greenflash_otel.semconv.correlation.recent_spans import Recent
from greenflash_otel.semconv.correlation.trace import Reading, combine_spans, read
from tests.strategies import span_of

CHAT = {"gen_ai.operation.name": "chat"}
RETRIEVAL = {"gen_ai.operation.name": "retrieval", "gen_ai.retrieval.query.text": "What is it all about?"}


def said(role: str, **part: Json) -> list[Json]:
    """Messages of one."""
    return [{"role": role, "parts": [{"type": "text", **part}]}]


def call(asked: str | None = "Hi", answer: str | None = "A", **more: Any) -> dict[str, Any]:
    """Attributes of a model call."""
    given = {"gen_ai.input.messages": said("user", content=asked)} if asked else {}
    made = {"gen_ai.output.messages": said("assistant", content=answer)} if answer else {}
    return {**CHAT, **given, **made, **more}


ASKS = {
    **call(answer=None),
    "gen_ai.output.messages": [
        {
            "role": "assistant",
            "parts": [{"type": "tool_call", "id": "c", "name": "look", "arguments": {"at": 1}}],
        }
    ],
}
TOOL = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "look"}


def span(number: int, attributes: Mapping[str, Any], parent: int | None = None, **more: Any) -> SpanRecord:
    """A span of a trace, later than those of lower numbers."""
    inside = f"{parent:016x}" if parent else None
    return replace(span_of(attributes, number=number), parent_span_id=inside, **more)


def told(*spans: SpanRecord) -> list[Operation | None]:
    """The operations of spans that arrive together."""
    return [reading.operation for reading in combine_spans(map(read, spans))]


def test_the_order() -> None:
    """As they ended, whatever came first."""
    later, earlier = span(2, call("b")), span(1, call("a"))
    assert [reading.span for reading in combine_spans(map(read, (later, earlier)))] == [earlier, later]


def test_whose_they_are() -> None:
    """What a span runs in names the conversation, the nearest first; else what all of the trace agree on."""
    root = span(4, {"session.id": "outer", "user.id": "ada"})
    near = span(3, {"session.id": "near"}, parent=4)
    inner, other = told(span(1, call(), parent=3), span(2, call("b")), near, root)[:2]
    assert inner and (inner.conversation_context.conversation_id, inner.conversation_context.user_id) == (
        "near",
        "ada",
    )
    assert other and (other.conversation_context.conversation_id, other.conversation_context.user_id) == (
        None,
        "ada",
    )


def test_inside_a_tool() -> None:
    """A call made by a tool is the tool's."""
    inner, _ = told(span(1, call(), parent=2), span(2, {**TOOL, "gen_ai.tool.call.id": "c"}))
    assert inner and inner.conversation_context.tool_call_id == "c"


def test_two_layers() -> None:
    """One call that two spans tell of is told by the outer one, with what the inner one knows."""
    inner, outer = told(
        span(1, call(**{"gen_ai.response.id": "r", "gen_ai.response.model": "m-1"}), parent=2),
        span(2, call(**{"gen_ai.request.model": "m"})),
    )
    assert inner is None
    assert outer and (outer.response_id, outer.response_model, outer.request_model) == ("r", "m-1", "m")


def test_two_layers_in_traces_of_their_own() -> None:
    """The same where one ran within the other by its times; not where they are two calls alike."""
    outer = span(1, call(**{"gen_ai.response.id": "r"}), scope="outer")
    within = replace(span(2, outer.attributes), trace_id="f" * 32, scope="inner")
    within = replace(within, start_ns=outer.start_ns + 1, end_ns=outer.end_ns - 1)
    assert [operation is None for operation in told(outer, within)] == [True, False]
    later = replace(within, start_ns=outer.end_ns + 1, end_ns=outer.end_ns + 2)
    assert [operation is None for operation in told(outer, later)] == [False, False]


def test_calls_in_calls() -> None:
    """Two that answer otherwise are two."""
    assert all(told(span(1, call("x", "y"), parent=2), span(2, call())))


def test_a_run() -> None:
    """An agent's span is told only where there is no call in it."""
    run = {**call(), "gen_ai.operation.name": "invoke_agent"}
    assert [bool(operation) for operation in told(span(1, call(), parent=2), span(2, run))] == [True, False]
    assert [bool(operation) for operation in told(span(1, CHAT, parent=2), span(2, run))] == [True, False]
    (only,) = told(span(2, run))
    assert only and only.name == RUN


def test_a_failed_call() -> None:
    """It was told what its agent was told."""
    run = {**call(answer=None), "gen_ai.operation.name": "invoke_agent"}
    failed, _ = told(span(1, CHAT, parent=2, status="error"), span(2, run, status="error"))
    assert failed and failed.input and failed.failure


def test_a_tool_that_names_no_call() -> None:
    """It ran for the call of its name and arguments; if there is none among others, it tells nothing."""
    ran = {**TOOL, "gen_ai.tool.call.arguments": '{"at": 1}', "gen_ai.tool.call.result": "seen"}
    _, tool = told(span(1, ASKS), span(2, ran))
    assert tool and tool.tool and tool.tool.call_id == "c"
    assert told(span(1, ASKS), span(2, {**ran, "gen_ai.tool.name": "other"}))[1] is None
    (alone,) = told(span(2, ran))
    assert alone and alone.tool and alone.tool.call_id is None


def test_a_tool_that_failed() -> None:
    """Its span says so, and the next call what the model was told."""
    answer = [{"role": "tool", "parts": [{"type": "tool_call_response", "id": "c", "response": "Error: no"}]}]
    _, tool, _ = told(
        span(1, ASKS), span(2, TOOL, status="error"), span(3, {**CHAT, "gen_ai.input.messages": answer})
    )
    assert tool and tool.failure and tool.tool and tool.tool.result == "Error: no"


def test_what_was_looked_up() -> None:
    """It belongs to the call that quotes it, if that comes soon."""
    asked = span(1, RETRIEVAL)
    quoting = replace(span(2, call("It said: What is it all about?")), trace_id="f" * 32)
    assert combine_spans(map(read, (asked, quoting)))[0].span.trace_id == "f" * 32
    late = replace(quoting, start_ns=asked.end_ns + 61_000_000_000, end_ns=asked.end_ns + 62_000_000_000)
    assert combine_spans(map(read, (asked, late)))[0].span.trace_id == asked.trace_id


def test_ours() -> None:
    """Our own spans say all that there is to say."""
    inner = span(1, call(), parent=2, scope="greenflash_otel")
    outer = span(2, {**call(), "session.id": "s"}, scope="greenflash_otel")
    alone, _ = told(inner, outer)
    assert alone and alone.conversation_context.conversation_id is None


def later(recent: Recent, *spans: SpanRecord) -> list[Reading]:
    """What a request tells."""
    return recent.take([read(span) for span in spans])


def test_what_came_before() -> None:
    """A request is read with what came before it in its traces; what is known better is told again."""
    recent = Recent()
    later(recent, span(1, ASKS))
    (tool,) = later(recent, span(2, TOOL, status="error"))
    assert tool.operation and tool.operation.tool and tool.operation.tool.call_id == "c"
    recent = Recent()
    later(recent, span(1, CHAT, parent=2, status="error"))
    failed, run = later(recent, span(2, {**call(answer=None), "gen_ai.operation.name": "invoke_agent"}))
    assert failed.operation and failed.operation.input
    assert run.operation is None


def test_what_comes_again() -> None:
    """It tells nothing new, unless there is more of it."""
    recent = Recent()
    assert later(recent, span(1, call()))
    assert later(recent, span(1, call())) == []
    assert later(recent, span(1, call("more")))


def test_marks() -> None:
    """What stands in place of content is none."""
    hidden = json.dumps(said("user", content="[REDACTED]"))
    (operation,) = told(span(1, {**CHAT, "gen_ai.input.messages": hidden}))
    assert operation and operation.input == ()


def test_inside_a_tool_without_an_id() -> None:
    """What runs in it is not told to the user; it belongs to the call that the tool is found to run for."""
    asks, inner = span(1, ASKS, 9), span(3, call("inner"), 2)
    tool = replace(span(2, {**TOOL, "gen_ai.tool.call.arguments": '{"at": 1}'}, 9), end_ns=inner.end_ns + 1)
    _, within, run = told(asks, inner, tool)
    assert run and run.tool and run.tool.call_id == "c"
    assert within and within.conversation_context.tool_call_id == "c"
    alone, _ = told(inner, tool)
    assert alone and alone.conversation_context.tool_call_id == tool.span_id


def test_a_tool_that_was_given_a_value_without_its_name() -> None:
    """It ran with the arguments of its call."""
    asks, tool = (
        span(1, ASKS),
        span(2, {**TOOL, "gen_ai.tool.call.id": "c", "gen_ai.tool.call.arguments": "1"}),
    )
    _, run = told(asks, tool)
    assert run and run.tool and run.tool.arguments == {"at": 1}


def test_instructions_of_a_run() -> None:
    """Calls of which none was instructed get them, as Strands has them on the agent's span alone."""
    run = span(9, {"gen_ai.operation.name": "invoke_agent", "system_prompt": "Be kind"})
    first, second, _ = told(span(1, call("a"), 9), span(2, call("b"), 9), run)
    assert first and second
    assert first.system_instructions == second.system_instructions == (Text("Be kind"),)
    own = {"gen_ai.system_instructions": '[{"type": "text", "content": "Sum up"}]'}
    first, second, _ = told(span(1, call("a"), 9), span(2, call("b", **own), 9), run)
    assert first and second
    assert (first.system_instructions, second.system_instructions) == ((), (Text("Sum up"),))
