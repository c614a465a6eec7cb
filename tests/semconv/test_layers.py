"""Several spans of one operation become one: of a tool, a failed call, a model call, in whatever way they arrive."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import pytest

from greenflash_otel.ingest.ingest import Ingest
from greenflash_otel.model.telemetry import Attributes, LogRecord, SpanRecord
from tests.api.wire import ADDRESS
from tests.fidelity.foreign import Arrived

S = 1_000_000_000
START_NS = 1_700_000_000 * S
FRAMEWORK, CLIENT, OFFICIAL = "framework", "client", "official"
"""Scopes of three instrumentations."""

Way = Callable[[Ingest, Sequence[SpanRecord]], None]
"""Delivers spans."""


def together(ingest: Ingest, spans: Sequence[SpanRecord]) -> None:
    """All in one request."""
    ingest.take(spans)


def backwards(ingest: Ingest, spans: Sequence[SpanRecord]) -> None:
    """All in one request, the last first."""
    ingest.take(tuple(reversed(spans)))


def one_by_one(ingest: Ingest, spans: Sequence[SpanRecord]) -> None:
    """Each in a request of its own, as they end."""
    for record in sorted(spans, key=lambda span: span.end_ns):
        ingest.take([record])


def last_first(ingest: Ingest, spans: Sequence[SpanRecord]) -> None:
    """Each in a request of its own, what ended last first."""
    for record in sorted(spans, key=lambda span: -span.end_ns):
        ingest.take([record])


def twice(ingest: Ingest, spans: Sequence[SpanRecord]) -> None:
    """One by one, and then all again."""
    one_by_one(ingest, spans)
    together(ingest, spans)


WAYS: Sequence[Way] = (together, backwards, one_by_one, last_first, twice)
every_way = pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
named_or_not = pytest.mark.parametrize("name", ["s", None])


def span(
    number: int,
    seconds: tuple[float, float],
    attributes: Attributes,
    parent: int | None = None,
    *,
    trace: int = 1,
    scope: str = FRAMEWORK,
    error: str | None = None,
) -> SpanRecord:
    """A finished span; with an error it failed, and says so unless that is empty."""
    return SpanRecord(
        f"{trace:032x}",
        f"{number:016x}",
        "operation",
        START_NS + int(seconds[0] * S),
        START_NS + int(seconds[1] * S),
        f"{parent:016x}" if parent else None,
        attributes,
        (),
        "unset" if error is None else "error",
        error or None,
        scope,
        {"service.name": "shop"},
    )


def said(*messages: tuple[str, Any]) -> str:
    """Messages with one part each, as JSON."""
    return json.dumps(
        [
            {"role": role, "parts": [{"type": "text", "content": part} if isinstance(part, str) else part]}
            for role, part in messages
        ]
    )


def call(
    asked: Iterable[tuple[str, Any]] = (),
    answer: Any = None,
    name: str | None = None,
    *,
    response: str | None = None,
) -> dict[str, Any]:
    """Attributes of a model call in OpenTelemetry's names."""
    written: dict[str, Any] = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m-1"}
    if response:
        written["gen_ai.response.id"] = response
    if asked := tuple(asked):
        written["gen_ai.input.messages"] = said(*asked)
    if answer is not None:
        written["gen_ai.output.messages"] = said(("assistant", answer))
    if name:
        written["gen_ai.conversation.id"] = name
    return written


def traced_call(asked: str | None, answer: str | None, name: str | None = None) -> dict[str, Any]:
    """Attributes of a model call in OpenInference's names."""
    written: dict[str, Any] = {"openinference.span.kind": "LLM", "llm.model_name": "m-1"}
    for side, role, text in (("input", "user", asked), ("output", "assistant", answer)):
        if text:
            written |= {
                f"llm.{side}_messages.0.message.role": role,
                f"llm.{side}_messages.0.message.content": text,
            }
    return {**written, **({"session.id": name} if name else {})}


def flattened_call(asked: str | None, answer: str | None) -> dict[str, Any]:
    """Attributes of a model call in OpenLLMetry's older names."""
    written: dict[str, Any] = {"llm.request.type": "chat", "gen_ai.request.model": "m-1"}
    for side, role, text in (("prompt", "user", asked), ("completion", "assistant", answer)):
        if text:
            written |= {f"gen_ai.{side}.0.role": role, f"gen_ai.{side}.0.content": text}
    return written


def tool(name: str = "look", id: str | None = None, given: Any = None, result: Any = None) -> dict[str, Any]:
    """Attributes of a tool in OpenTelemetry's names."""
    written = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": name}
    if id:
        written["gen_ai.tool.call.id"] = id
    if given is not None:
        written["gen_ai.tool.call.arguments"] = json.dumps(given)
    if result is not None:
        written["gen_ai.tool.call.result"] = json.dumps(result)
    return written


def traced_tool(name: str = "look", given: Any = None, result: str | None = None) -> dict[str, Any]:
    """Attributes of a tool in OpenInference's names, which have no id."""
    written = {"openinference.span.kind": "TOOL", "tool.name": name}
    if given is not None:
        written |= {"input.value": json.dumps(given), "input.mime_type": "application/json"}
    if result is not None:
        written |= {"output.value": result, "output.mime_type": "text/plain"}
    return written


MCP = {**tool(), "mcp.method.name": "tools/call"}


def requested(*ids: str, name: str = "look", given: Any = None) -> dict[str, Any]:
    """A part of an answer that asks for a tool."""
    return {
        "type": "tool_call",
        "id": ids[0],
        "name": name,
        "arguments": {"at": 1} if given is None else given,
    }


def turn(*tools: SpanRecord, name: str | None) -> list[SpanRecord]:
    """A question, the tools that ran for its answer, and the answer."""
    first = call([("user", "Where?")], requested("c"), name)
    last = call([("user", "Where?"), ("assistant", requested("c"))], "There.", name)
    root = {"gen_ai.operation.name": "invoke_agent"}
    return [span(1, (0, 1), first, 9), *tools, span(8, (3, 4), last, 9), span(9, (0, 5), root)]


def deliver(spans: Sequence[SpanRecord], way: Way, logs: Sequence[LogRecord] = ()) -> Arrived:
    """Send spans, and then log records."""
    store = Arrived()
    ingest = Ingest(store, ADDRESS)
    way(ingest, spans)
    ingest.take_logs(logs)
    ingest.emit_all_waiting()
    return store


def arrived(spans: Sequence[SpanRecord], way: Way, logs: Sequence[LogRecord] = ()) -> list[str]:
    """What became of spans: each message with its text, and that of what it hangs on."""
    store = deliver(spans, way, logs)
    texts = {item["externalMessageId"]: _text_of(item) for _, item in store.items}
    homes = dict.fromkeys(home for home, _ in store.items)
    lines = []
    for number, home in enumerate(homes):
        for item in [item for at, item in store.items if at == home]:
            parent = texts.get(item.get("parentExternalMessageId"), "-")
            lines.append(f"{number} {texts[item['externalMessageId']]} < {parent}")
    return sorted(lines)


def _text_of(item: Mapping[str, Any]) -> str:
    output = item.get("output", {})
    error = output.get("error")
    if error:
        return f"{item['messageType']} {error['type']} {error['message']}"
    messages = [part.get("content") for message in output.get("messages", ()) for part in message["parts"]]
    return f"{item['messageType']} {item.get('content') or item.get('toolName') or messages[0]}" + (
        f" {output['result']}" if "result" in output else ""
    )


QUESTION, CALL, ANSWER = "user_message Where?", "tool_call look", "final_response There."
ONE_TOOL = sorted(
    [
        f"0 {QUESTION} < -",
        f"0 {CALL} < {QUESTION}",
        f"0 observation look 21 < {CALL}",
        f"0 {ANSWER} < {QUESTION}",
    ]
)

TOOLS = {
    "the id inside, the rest outside": [
        span(2, (1.5, 2), traced_tool(given={"at": 1}, result="21"), 9),
        span(3, (1.6, 1.9), tool(id="c"), 2, scope=OFFICIAL),
    ],
    "the id outside, the rest inside": [
        span(2, (1.5, 2), tool(id="c"), 9, scope=OFFICIAL),
        span(3, (1.6, 1.9), traced_tool(given={"at": 1}, result="21"), 2),
    ],
    "three, the innermost with the id": [
        span(2, (1.5, 2), traced_tool(given={"at": 1}, result="21"), 9),
        span(3, (1.6, 1.9), MCP, 2, scope=CLIENT),
        span(4, (1.7, 1.8), tool(id="c"), 3, scope=OFFICIAL),
    ],
    "three, one with a longer name": [
        span(2, (1.5, 2), tool(id="c"), 9, scope=OFFICIAL),
        span(3, (1.6, 1.9), traced_tool("server.look", {"at": 1}, "21"), 2),
        span(4, (1.7, 1.8), MCP, 3, scope=CLIENT),
    ],
    "next to each other": [
        span(2, (1.5, 2), traced_tool(given={"at": 1}, result="21"), 9),
        span(3, (1.6, 1.9), tool(id="c"), 9, scope=OFFICIAL),
    ],
    "in a trace of its own": [
        span(2, (1.5, 2), tool(id="c", given={"at": 1}), 9),
        span(3, (1.6, 1.9), tool(given={"at": 1}, result=21), trace=7, scope=OFFICIAL),
    ],
    "arguments that one layer wraps": [
        span(2, (1.5, 2), traced_tool(given={"at": 1}, result="21"), 9),
        span(3, (1.6, 1.9), tool(id="c", given={"arguments": {"at": 1}, "meta": 7}), 2, scope=CLIENT),
    ],
}


@every_way
@pytest.mark.parametrize("layers", TOOLS.values(), ids=TOOLS)
def test_layers_of_one_tool(layers: list[SpanRecord], way: Way) -> None:
    """One call and one result, with what any layer knows."""
    assert arrived(turn(*layers, name="s"), way) == ONE_TOOL


@pytest.mark.parametrize("way", [together, backwards, one_by_one, twice], ids=lambda way: way.__name__)
@pytest.mark.parametrize("layers", TOOLS.values(), ids=TOOLS)
def test_layers_of_one_tool_in_a_chat_without_a_name(layers: list[SpanRecord], way: Way) -> None:
    """The same, where the calls of the chat come in their order."""
    assert arrived(turn(*layers, name=None), way) == ONE_TOOL


@pytest.mark.parametrize("way", [together, backwards, one_by_one], ids=lambda way: way.__name__)
def test_layers_of_a_tool_that_failed(way: Way) -> None:
    """The error that the inner layer knows, where the outer one has only a status."""
    layers = [
        span(2, (1.5, 2), traced_tool(given={"at": 1}), 9, error=""),
        span(3, (1.6, 1.9), {**tool(id="c"), "error.type": "TimeoutError"}, 2, scope=CLIENT, error="offline"),
    ]
    assert f"0 tool_error TimeoutError offline < {CALL}" in arrived(turn(*layers, name="s"), way)


@pytest.mark.parametrize("id", ["c", None])
def test_attempts_within_a_tool(id: str | None) -> None:
    """A client that tries again within a tool gives the one result that the model was given."""
    layers = [
        span(2, (1.5, 2.9), traced_tool(given={"at": 1}, result="21"), 9),
        span(3, (1.6, 1.7), tool(id=id), 2, scope=CLIENT, error="offline"),
        span(4, (1.8, 1.9), tool(id=id), 2, scope=CLIENT, error="offline"),
        span(5, (2, 2.2), tool(id=id), 2, scope=CLIENT),
    ]
    assert arrived(turn(*layers, name="s"), together) == ONE_TOOL
    assert f"0 observation look 21 < {CALL}" in arrived(turn(*layers, name="s"), one_by_one)


@pytest.mark.parametrize("parent", ["nested", "next"])
def test_two_runs_in_parallel(parent: str) -> None:
    """Two calls of one tool with the same arguments stay two, each with its own result."""
    asks = said(("assistant", requested("c"))), said(("assistant", requested("d")))
    both = json.loads(asks[0])[0]["parts"] + json.loads(asks[1])[0]["parts"]
    first = call([("user", "Where?")], None, "s")
    first["gen_ai.output.messages"] = json.dumps([{"role": "assistant", "parts": both}])
    inside = (2, 3) if parent == "nested" else (9, 9)
    spans = [
        span(1, (0, 1), first, 9),
        span(2, (1.5, 2.5), traced_tool(given={"at": 1}, result="21"), 9),
        span(3, (1.51, 2.6), traced_tool(given={"at": 1}, result="22"), 9),
        span(4, (1.505, 2.4), tool(id="c", given={"at": 1}), inside[0], scope=OFFICIAL),
        span(5, (1.515, 2.45), tool(id="d", given={"at": 1}), inside[1], scope=OFFICIAL),
        span(9, (0, 5), {"gen_ai.operation.name": "invoke_agent"}),
    ]
    results = [line for line in arrived(spans, together) if "observation" in line]
    assert results == [f"0 observation look 21 < {CALL}", f"0 observation look 22 < {CALL}"]


BARE = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m-1", "error.type": "overloaded_error"}
FAILED = sorted([f"0 {QUESTION} < -", f"0 llm Overloaded 529 < {QUESTION}"])


def failed(name: str | None) -> dict[str, Any]:
    """Attributes of a failed call with its question."""
    return {**call([("user", "Where?")], None, name), "error.type": "Overloaded"}


@every_way
@named_or_not
@pytest.mark.parametrize("place", ["inside", "inside, named", "next", "own trace"])
def test_layers_of_a_failed_call(name: str | None, place: str, way: Way) -> None:
    """The question, and one failure below it; a failure of which nothing else is known is no conversation."""
    bare = {**BARE, **({"gen_ai.conversation.id": name} if name and place == "inside, named" else {})}
    parent = {"inside": 1, "inside, named": 1, "next": 9, "own trace": None}[place]
    trace = 5 if place == "own trace" else 1
    spans = [
        span(1, (0, 2), failed(name), 9, error="529"),
        span(2, (0.5, 1.5), bare, parent, trace=trace, scope=CLIENT, error=""),
        span(9, (0, 3), {"other": 1}),
    ]
    assert arrived(spans, way) == FAILED


@named_or_not
def test_a_failure_that_only_one_span_records(name: str | None) -> None:
    """It is recorded after a while, if no other span records it."""
    bare = {**BARE, **({"gen_ai.conversation.id": name} if name else {})}
    assert arrived([span(1, (0, 1), bare, error="")], together) == ["0 llm overloaded_error None < -"]


@named_or_not
def test_a_failure_before_the_call_that_succeeds(name: str | None) -> None:
    """An application that tries again: the failure belongs to the question."""
    spans = [
        span(1, (0, 1), BARE, 9, error=""),
        span(2, (2, 3), call([("user", "Where?")], "There.", name), 9),
        span(9, (0, 4), {"other": 1}),
    ]
    for way in (together, one_by_one):
        assert f"0 llm overloaded_error None < {QUESTION}" in arrived(spans, way)


SHORT_ANSWER = sorted([f"0 {QUESTION} < -", f"0 assistant_message There. < {QUESTION}"])


@every_way
@pytest.mark.parametrize("place", ["inside", "own traces"])
def test_attempts_within_a_call(place: str, way: Way) -> None:
    """A client that tries again within a call that succeeded: there was one call."""
    parent, traces = (1, (1, 1, 1)) if place == "inside" else (None, (3, 4, 6))
    spans = [
        span(1, (0, 4), call([("user", "Where?")], "There.", "s")),
        span(2, (0.5, 1), BARE, parent, trace=traces[0], scope=CLIENT, error=""),
        span(3, (1.5, 2), BARE, parent, trace=traces[1], scope=CLIENT, error=""),
        span(4, (2.5, 3.5), call(response="r"), parent, trace=traces[2], scope=CLIENT),
    ]
    assert arrived(spans, way) == SHORT_ANSWER


def test_attempts_within_a_call_that_says_nothing() -> None:
    """The attempt that succeeded says what was said."""
    spans = [
        span(1, (0, 4), call(name="s")),
        span(2, (0.5, 1), BARE, 1, scope=CLIENT, error=""),
        span(4, (2.5, 3.5), traced_call("Where?", "There."), 1, scope=CLIENT),
    ]
    assert arrived(spans, together) == SHORT_ANSWER


CALLS = {
    "three instrumentations": (
        traced_call("Where?", "There.", "s"),
        flattened_call("Where?", "There."),
        call(response="r"),
    ),
    "no content outside": (call(name="s"), flattened_call("Where?", "There."), call()),
    "the question in one, the answer in the other": (
        traced_call("Where?", None, "s"),
        flattened_call(None, "There."),
    ),
    "a stream that one layer left at its beginning": (
        traced_call("Where?", "There.", "s"),
        flattened_call("Where?", None),
    ),
}


@pytest.mark.parametrize("is_nested", [True, False])
@pytest.mark.parametrize("layers", CALLS.values(), ids=CALLS)
def test_layers_of_a_model_call(layers: Sequence[Attributes], is_nested: bool) -> None:
    """One exchange, with the texts of the layer that has them."""
    spans = [
        span(at, (at / 10, 4 - at / 10), layer, (at - 1 or None) if is_nested else 9, scope=f"scope {at}")
        for at, layer in enumerate(layers, 1)
    ]
    spans.append(span(9, (0, 5), {"other": 1}))
    for way in (together, backwards, last_first):
        assert arrived(spans, way) == SHORT_ANSWER


def test_a_stream_that_outlives_its_outer_layer() -> None:
    """The outer layer ended when the stream began; the inner one has the answer."""
    spans = [
        span(1, (0, 1), traced_call("Where?", None, "s"), 9),
        span(2, (0.5, 3.5), flattened_call("Where?", "There."), 1, scope=CLIENT),
        span(9, (0, 4), {"other": 1}),
    ]
    for way in (together, one_by_one):
        assert arrived(spans, way) == SHORT_ANSWER


def test_calls_in_a_loop_that_says_nothing() -> None:
    """What is marked as one call around several is none of them."""
    spans = [
        span(1, (0, 9), call(name="s")),
        span(2, (1, 2), call([("user", "Where?")], "There.", "s"), 1, scope=CLIENT),
        span(
            3, (3, 4), call([("user", "Where?"), ("assistant", "There."), ("user", "And?")], "Here.", "s"), 1
        ),
    ]
    lines = arrived(spans, together)
    assert [line.split(" < ")[0] for line in lines] == [
        "0 assistant_message Here.",
        "0 assistant_message There.",
        "0 user_message And?",
        "0 user_message Where?",
    ]


def test_log_records_of_a_layer_without_content() -> None:
    """They may come when both layers have been read, and say what was said."""
    spans = [
        span(1, (0, 2), call(name="s")),
        span(2, (0.5, 1.5), call(), 1, scope=OFFICIAL),
    ]
    bodies: Mapping[str, Mapping[str, Any]] = {
        "gen_ai.user.message": {"content": "Where?"},
        "gen_ai.choice": {"index": 0, "finish_reason": "stop", "message": {"content": "There."}},
    }
    logs = [
        LogRecord(spans[1].trace_id, spans[1].span_id, name, START_NS + S, body, {}, OFFICIAL)
        for name, body in bodies.items()
    ]
    assert arrived(spans, together, logs) == SHORT_ANSWER
