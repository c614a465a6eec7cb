"""What answers are made of, and how the next request hands it back."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from greenflash_otel.model.operation import Text, ToolCall
from tests.instrumentation.openai.cases.conftest import Serve, async_client_of, client_of
from tests.instrumentation.openai.played_sync import CHAT, RESPONSE
from tests.instrumentation.openai.replies import TEXT, USAGE, chunk, message_item, response, response_events
from tests.instrumentation.openai.server import document, events
from tests.instrumentation.openai.spans import Spans, text_of

pytestmark = pytest.mark.usefixtures("no_faults")

BROKEN = {"message": "overloaded", "code": "server_error"}
ENDS: dict[str, tuple[dict[str, Any], str, tuple[str, ...]]] = {
    "out of tokens": (
        {"type": "response.incomplete", "reason": "max_output_tokens"},
        "completed",
        ("max_output_tokens",),
    ),
    "steered": ({"type": "response.incomplete", "reason": "steered"}, "completed", ("steered",)),
    "failed": ({"type": "response.failed", "error": BROKEN}, "failed", ("failed",)),
    "an error event": ({"type": "error", **BROKEN}, "failed", ()),
}


def terminal(end: dict[str, Any], output: str) -> dict[str, Any]:
    """The last event of a stream, without an output."""
    kind = end["type"]
    if kind == "error":
        return end
    details = (
        {"incomplete_details": {"reason": end["reason"]}} if "reason" in end else {"error": end["error"]}
    )
    body = response(kind.removeprefix("response."), **details)
    if output == "null":
        body["output"] = None
    else:
        del body["output"]
    return {"type": kind, "response": body}


@pytest.mark.parametrize("output", ["null", "left out"])
@pytest.mark.parametrize("name", ENDS)
async def test_case_11_a_response_that_ends_badly(name: str, output: str, spans: Spans, serve: Serve) -> None:
    """Its items are rebuilt from those that were done, where the last event has none."""
    end, ending, finish_reasons = ENDS[name]
    server = serve(*[events(response_events(terminal(end, output)), b"")] * 2)
    with client_of(server) as client:
        list(client.responses.create(**RESPONSE, stream=True))
    async with async_client_of(server) as async_client:
        [event async for event in await async_client.responses.create(**RESPONSE, stream=True)]
    for operation in spans.operations():
        assert (operation.ending, text_of(*operation.output)) == (ending, TEXT)
        assert operation.finish_reasons == finish_reasons


SECRET = "whsec_" + base64.b64encode(b"shared").decode()


def webhook(id: str) -> tuple[str, dict[str, str]]:
    """The signed call with which OpenAI tells that a response is complete."""
    body = json.dumps(
        {"id": "evt_1", "object": "event", "created_at": 1, "type": "response.completed", "data": {"id": id}}
    )
    sent = str(int(time.time()))
    signature = hmac.new(b"shared", f"wh_1.{sent}.{body}".encode(), hashlib.sha256).digest()
    return body, {
        "webhook-id": "wh_1",
        "webhook-timestamp": sent,
        "webhook-signature": "v1," + base64.b64encode(signature).decode(),
    }


def test_case_12_one_answer_in_the_background(spans: Spans, serve: Serve) -> None:
    """Asked for, polled, resumed as a stream that replays all of it, fetched after a webhook: one turn."""
    done = response("completed", [message_item()])
    told = [*response_events({"type": "response.completed", "response": done})]
    server = serve(
        document(response("queued", background=True)),
        document(response("in_progress", background=True)),
        document(response("in_progress", background=True)),
        events(told, b""),
        document(done),
    )
    with client_of(server) as client:
        if not hasattr(client, "webhooks"):
            pytest.skip("this SDK has no webhooks and no background streams")
        asked = client.responses.create(**RESPONSE, background=True)
        assert client.responses.retrieve(asked.id).status == "in_progress"
        assert client.responses.retrieve(asked.id).status == "in_progress"
        with client.responses.stream(response_id=asked.id, starting_after=4) as stream:
            assert stream.get_final_response().output_text == TEXT
        event: Any = client.webhooks.unwrap(*webhook(asked.id), secret=SECRET)
        assert client.responses.retrieve(event.data.id).output_text == TEXT
    assert [(item.type, item.content) for item in spans.told()] == [
        ("user_message", "Hi"),
        ("assistant_message", TEXT),
    ]


RESULTS = ("observation", "tool_error")
EVERYTHING: list[dict[str, Any]] = [
    {"type": "function_call", "name": "look", "arguments": '{"at": 1}', "call_id": "call_1"},
    {"type": "function_call", "name": "look", "arguments": '{"at": 2}', "call_id": "call_2"},
    {"type": "custom_tool_call", "name": "run", "input": "x = 1", "call_id": "call_3", "id": "ctc_3"},
    {
        "type": "mcp_call",
        "id": "mcp_4",
        "server_label": "docs",
        "name": "find",
        "arguments": '{"q": "a"}',
        "output": "found",
    },
    {
        "type": "mcp_call",
        "id": "mcp_5",
        "server_label": "docs",
        "name": "find",
        "arguments": "{}",
        "error": "gone",
    },
    {
        "type": "program",
        "id": "prog_6",
        "call_id": "call_6",
        "code": "print(1)",
        "fingerprint": "f",
    },
    {
        "type": "function_call",
        "name": "look",
        "arguments": "{}",
        "call_id": "call_7",
        "caller": {"type": "program", "caller_id": "call_6"},
    },
    {
        "type": "program_output",
        "id": "out_6",
        "call_id": "call_6",
        "result": "1",
        "status": "completed",
    },
    {"type": "never_heard_of", "id": "new_8", "payload": {"deep": [1, 2]}},
    message_item(),
]


def test_case_13_every_kind_of_item(spans: Spans, serve: Serve) -> None:
    """Calls without an id, custom calls, MCP, programs, and a type nobody knows: all kept, and linked."""
    outputs = [
        {"type": "function_call_output", "call_id": "call_7", "output": "six"},
        {"type": "function_call_output", "call_id": "call_2", "output": "two"},
        {"type": "function_call_output", "call_id": "call_1", "output": "one"},
        {"type": "custom_tool_call_output", "call_id": "call_3", "output": "three"},
    ]
    second = {**response("completed", [message_item("Done")]), "id": "resp_2"}
    with client_of(serve(document(response(output=EVERYTHING)), document(second))) as client:
        first = client.responses.create(**RESPONSE)
        client.responses.create(model="gpt-4o", input=outputs, previous_response_id=first.id)  # type: ignore[arg-type]
    items = spans.told()
    calls = [item for item in items if item.type == "tool_call"]
    results = {item.parent_id: (item.type, item.output) for item in items if item.type in RESULTS}
    assert [(call.tool_name, results[call.id]) for call in calls] == [
        ("look", ("observation", {"result": "one"})),
        ("look", ("observation", {"result": "two"})),
        ("run", ("observation", {"result": "three"})),
        ("find", ("observation", {"output": "found"})),
        ("find", ("tool_error", {"error": "gone"})),
        ("program", ("observation", {"result": "1"})),
        ("look", ("observation", {"result": "six"})),
    ]
    assert calls[-1].parent_id == calls[-2].id
    answer = items[items.index(calls[-1]) + 2]
    assert (answer.content, answer.output) == (TEXT, {"parts": [EVERYTHING[-2]]})
    assert [item.content for item in items if item.content] == ["Hi", TEXT, "Done"]


def test_case_14_choices_and_calls_interleaved(spans: Spans, serve: Serve) -> None:
    """Two choices, each with two calls whose arguments come alternately, and once as null."""

    def delta(*calls: tuple[int, dict[str, Any]], choice: int) -> dict[str, Any]:
        pieces = [{"index": index, **call} for index, call in calls]
        return {"index": choice, "delta": {"tool_calls": pieces}, "finish_reason": None}

    def begun(choice: int, index: int) -> dict[str, Any]:
        id = f"call_{choice}{index}"
        return {"id": id, "type": "function", "function": {"name": f"look{index}", "arguments": None}}

    def more(arguments: str | None) -> dict[str, Any]:
        return {"function": {"arguments": arguments}}

    def both(*per_choice: dict[str, Any]) -> dict[str, Any]:
        return {**chunk({}), "choices": list(per_choice)}

    told = [
        both(*(delta((0, begun(choice, 0)), (1, begun(choice, 1)), choice=choice) for choice in (1, 0))),
        both(*(delta((1, more('{"b":')), (0, more('{"a":')), choice=choice) for choice in (0, 1))),
        both(
            delta((0, more(" 1")), (1, more(None)), choice=0),
            delta((1, more(" 4")), (0, more(" 3")), choice=1),
        ),
        both(
            *(delta((0, more("}")), (1, more("}" if choice else " 2}")), choice=choice) for choice in (1, 0))
        ),
        both(*({"index": choice, "delta": {}, "finish_reason": "tool_calls"} for choice in (0, 1))),
        {**chunk({}), "choices": [], "usage": USAGE},
    ]
    with client_of(serve(events(told))) as client:
        list(client.chat.completions.create(**CHAT, n=2, stream=True))
    assert [message.parts for message in spans.only().output] == [
        (ToolCall("look0", {"a": 1}, "call_00"), ToolCall("look1", {"b": 2}, "call_01")),
        (ToolCall("look0", {"a": 3}, "call_10"), ToolCall("look1", {"b": 4}, "call_11")),
    ]


THOUGHT: dict[str, Any] = {
    "type": "reasoning",
    "id": "rs_1",
    "summary": [{"type": "summary_text", "text": "Hm"}],
}
LOOK: dict[str, Any] = {**EVERYTHING[0], "id": "fc_1", "status": "completed"}
COMPACTED: dict[str, Any] = {"type": "compaction", "id": "cmp_1", "encrypted_content": "xyz"}
RESULT: dict[str, Any] = {"type": "function_call_output", "call_id": "call_1", "output": "seen"}
ASKED: dict[str, Any] = {"role": "user", "content": "Hi"}

HISTORIES: dict[str, Callable[[Any], list[Any]]] = {
    "objects": lambda first: [ASKED, *first.output],
    "dictionaries": lambda first: [ASKED, *(item.to_dict() for item in first.output)],
    "references": lambda first: [
        ASKED,
        *({"type": "item_reference", "id": item.id} for item in first.output),
    ],
}


@pytest.mark.parametrize("name", HISTORIES)
def test_case_15_histories_that_come_back(name: str, spans: Spans, serve: Serve) -> None:
    """However the output of the turn before is handed back, it is known; what was changed is not."""
    first = response(output=[THOUGHT, LOOK, message_item()])
    others = [
        {**response(output=[message_item(text, id=f"msg_{text}")]), "id": f"resp_{text}"}
        for text in ("B", "C", "D")
    ]
    with client_of(serve(document(first), *map(document, others))) as client:

        def ask(history: list[Any], *more: Any, instructions: str = "Be kind") -> Any:
            return client.responses.create(model="m", instructions=instructions, input=[*history, *more])

        answer = ask([ASKED])
        history = HISTORIES[name](answer)
        ask(history, RESULT, {"role": "user", "content": "More"})
        ask(history, RESULT, {"role": "user", "content": "Less"}, instructions="Be brief")
        ask([{"role": "user", "content": "Hi there"}])
    told = [[item.content for item in items if item.content] for items in spans.conversations().values()]
    assert told == [["Hi", TEXT, "More", "B", "Less", "C"], ["Hi there", "D"]]
    assert [update.system_prompt for update in spans.updates()] == [
        *["Be kind"] * 2,
        "Be brief",
        "Be kind",
    ]
    hidden = [item.type for item in spans.told() if item.content is None]
    assert hidden == ["thought", "tool_call", "observation"]


def test_case_15_a_history_that_was_compacted(spans: Spans, serve: Serve) -> None:
    """A compaction item stands for what came before it: nothing is told again, the turn goes on there."""
    compacted = {**response(output=[COMPACTED]), "id": "resp_c", "object": "response.compaction"}
    second = {**response(output=[message_item("Fine")]), "id": "resp_2"}
    with client_of(serve(*map(document, [response(output=[message_item()]), compacted, second]))) as client:
        answer = client.responses.create(model="m", input=[ASKED])  # type: ignore[list-item]
        if not hasattr(client.responses, "compact"):
            pytest.skip("this SDK cannot compact")
        short: Any = client.responses.compact(model="m", input=[ASKED, *answer.output])  # type: ignore[list-item]
        client.responses.create(model="m", input=[*short.output, {"role": "user", "content": "More"}])
    items = spans.told()
    assert [item.content for item in items if item.content] == ["Hi", TEXT, "More", "Fine"]
    assert len(spans.conversations()) == 1
    assert Text("Hi") not in spans.operations()[-1].input[0].parts
