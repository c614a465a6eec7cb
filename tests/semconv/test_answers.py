"""Answers in the shapes that instrumentations really write; each was seen in spans of theirs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from greenflash_otel.json_values import digest_of
from greenflash_otel.model.operation import (
    Json,
    Media,
    Message,
    Operation,
    Other,
    Part,
    Reasoning,
    ServerToolCall,
    ServerToolCallResponse,
    Text,
    ToolCall,
    ToolCallResponse,
)
from greenflash_otel.semconv import registry
from greenflash_otel.semconv.correlation.tool_calls import link_calls
from greenflash_otel.semconv.formats.langchain import read_written
from greenflash_otel.semconv.formats.openai import read_messages
from tests.strategies import span_of

CALL = {"type": "tool_call", "id": "c", "name": "look", "arguments": ""}
REFUSED = Other("refusal", {"content": "No."})
ASKED = {"llm.input_messages.0.message.role": "user", "llm.input_messages.0.message.content": "Hi"}


def text(content: str, **more: str) -> dict[str, Any]:
    """A message of the model."""
    return {"role": "assistant", "parts": [{"type": "text", "content": content}], **more}


def said(messages: Json) -> tuple[int, list[tuple[Part, ...]]]:
    """How many choices are read, and what they say."""
    attributes = {"gen_ai.operation.name": "chat", "gen_ai.output.messages": json.dumps(messages)}
    operation = registry.read(span_of(attributes))
    assert operation
    return operation.choice_count, [message.parts for message in operation.output]


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        pytest.param(
            [text("A", finish_reason="stop"), text("B", finish_reason="stop")],
            (2, [(Text("A"),), (Text("B"),)]),
            id="choices",
        ),
        pytest.param(
            [text("A"), {"role": "assistant", "parts": [CALL]}],
            (1, [(Text("A"), ToolCall("look", None, "c"))]),
            id="items of one answer",
        ),
        pytest.param(
            [{"role": "assistant", "parts": [CALL, *text("A")["parts"]]}],
            (1, [(Text("A"), ToolCall("look", None, "c"))]),
            id="the text after the call",
        ),
        pytest.param(
            [{"role": "assistant", "parts": [{"type": "refusal", "refusal": "No."}]}],
            (1, [(REFUSED,)]),
            id="a refusal in OpenAI's words",
        ),
        pytest.param(
            [{"role": "assistant", "parts": [{"type": "reasoning", "content": ""}, *text("A")["parts"]]}],
            (1, [(Text("A"),)]),
            id="reasoning without a word",
        ),
        pytest.param(
            [{"role": "assistant", "parts": [*text("A")["parts"], {"type": "tool_call", "id": "c"}, {}]}],
            (1, [(Text("A"),)]),
            id="what a cut left",
        ),
        pytest.param(
            [{"role": "assistant", "parts": [{"modality": "image", "content": "YQ"}]}],
            (1, [(Media("image"),)]),
            id="a picture whose type was cut off",
        ),
        pytest.param(
            [{"role": "assistant", "parts": [{"type": "new", "in": {"it": "A" * 1024}, "word": "Hi"}]}],
            (1, [(Other("new", {"in": {"it": digest_of("A" * 1024)[0]}, "word": "Hi"}),)]),
            id="bytes in a part that nobody knows",
        ),
    ],
)
def test_answers(messages: Json, expected: object) -> None:
    """Each choice is one message, what was said before what was asked for."""
    assert said(messages) == expected


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"role": "assistant", "content": None, "refusal": "No."}, (REFUSED,)),
        ({"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]}, (REFUSED,)),
        (
            {"type": "web_search_call", "id": "w"},
            (ServerToolCall("web_search", {"type": "web_search_call", "id": "w"}, "w"),),
        ),
        (
            {"type": "mcp_call", "id": "m", "name": "ask", "output": "42"},
            (
                ServerToolCall("ask", {"type": "mcp_call", "id": "m", "name": "ask"}, "m"),
                ServerToolCallResponse({"output": "42"}, "m"),
            ),
        ),
        (
            {"type": "custom_tool_call", "call_id": "c", "name": "run", "input": "1+1"},
            (ToolCall("run", "1+1", "c"),),
        ),
        ({"type": "custom_tool_call_output", "call_id": "c", "output": "2"}, (ToolCallResponse("2", "c"),)),
        ({"role": "assistant", "function_call": {"name": "f", "arguments": "{}"}}, (ToolCall("f", {}),)),
        (
            {"role": "assistant", "tool_calls": [{"id": "c", "custom": {"name": "run", "input": "1"}}]},
            (ToolCall("run", "1", "c"),),
        ),
        (
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c", "content": "2"}]},
            (ToolCallResponse("2", "c"),),
        ),
    ],
)
def test_items(entry: Json, expected: tuple[Part, ...]) -> None:
    """Of OpenAI's APIs and Anthropic's, on spans as they came."""
    assert [part for message in read_messages(entry, "user") for part in message.parts] == list(expected)


def test_openinference_leaves_refusals_to_the_raw_copy() -> None:
    """Both where it was new and where it is sent back."""
    message = {"role": "assistant", "content": None, "refusal": "No."}
    asked = {"messages": [{"role": "user", "content": "Hi"}, message]}
    operation = registry.read(
        span_of(
            {
                "openinference.span.kind": "LLM",
                **ASKED,
                "llm.input_messages.1.message.role": "assistant",
                "llm.output_messages.0.message.role": "assistant",
                "input.value": json.dumps(asked),
                "output.value": json.dumps({"choices": [{"message": message}]}),
            }
        )
    )
    assert operation and operation.input[1:] == operation.output == (Message("assistant", (REFUSED,)),)


def test_openinference_on_completions() -> None:
    """The old API has prompts and choices."""
    operation = registry.read(
        span_of(
            {
                "openinference.span.kind": "LLM",
                "llm.prompts.0.prompt.text": "Once",
                "llm.choices.0.completion.text": " upon",
            }
        )
    )
    assert operation and operation.name == "text_completion"
    assert operation.input == (Message("user", (Text("Once"),)),)
    assert operation.output == (Message("assistant", (Text(" upon"),)),)


def test_openllmetry_on_completions_and_refusals() -> None:
    """Before 0.53 the role is the name of the prompt, and a refusal stands beside the content."""
    operation = registry.read(
        span_of(
            {"gen_ai.prompt.0.user": "Once", "gen_ai.completion.0.refusal": "No.", "llm.request.type": "chat"}
        )
    )
    assert operation and operation.input == (Message("user", (Text("Once"),)),)
    assert operation.output == (Message("assistant", (REFUSED,)),)


def test_langfuse_on_choices() -> None:
    """Its parameters say that several answers were asked for."""
    answers = [{"role": "assistant", "content": content} for content in "AB"]
    asked = {"langfuse.observation.type": "generation", "langfuse.observation.output": json.dumps(answers)}
    parameters = {"langfuse.observation.model.parameters": '{"n": 2}'}
    one, two = registry.read(span_of(asked)), registry.read(span_of({**asked, **parameters}))
    assert one and two
    assert (one.choice_count, len(one.output)) == (1, 1)
    assert (two.choice_count, len(two.output)) == (2, 2)


def test_what_a_resend_leaves_out() -> None:
    """The text beside a tool call, and the order, are those of the answer that asked for the tool."""
    answer = Message("assistant", (Reasoning("Hm"), Text("Let me see"), ToolCall("look", {}, "c")))
    resent = Message("assistant", (ToolCall("look", {}, "c"),))
    other = Message("assistant", (Text("No"), ToolCall("look", {}, "c")))
    first, later, another = link_calls(
        [
            chat(output=(answer,)),
            chat(input=(resent, Message("tool", (ToolCallResponse("x", "c"),)))),
            chat(input=(other,)),
        ]
    )
    assert first.output == (answer,)
    assert later.input[0] == answer
    assert another.input == (other,)


def test_a_resend_without_the_answer() -> None:
    """OpenLIT leaves out a message of calls alone; before its results it is put in, once."""
    question, said = Message("user", (Text("Hi"),)), Message("assistant", (Text("Let me see"),))
    calls = tuple(ToolCall("look", {}, id) for id in "ab")
    results = [Message("tool", (ToolCallResponse("x", id),)) for id in "ab"]
    answer = Message("assistant", (*said.parts, *calls))
    for left in ((), (said,)):
        _, later = link_calls(
            [chat(input=(question,), output=(answer,)), chat(input=(question, *left, *results))]
        )
        assert later.input == (question, answer, *results)
    _, continued = link_calls([chat(output=(answer,)), chat(input=tuple(results))])
    assert continued.input == tuple(results)


def test_calls_that_are_sent_back_one_by_one() -> None:
    """Each in a message of its own, they stay as they are."""
    calls = tuple(ToolCall("look", {}, id) for id in "ab")
    alone = tuple(Message("assistant", (call,)) for call in calls)
    _, later = link_calls([chat(output=(Message("assistant", calls),)), chat(input=alone)])
    assert later.input == alone


def test_instructions_said_twice() -> None:
    """OpenLIT has them as the first message too; that is enough."""
    system = [{"type": "text", "content": "Be kind"}]
    asked = {
        "gen_ai.operation.name": "chat",
        "gen_ai.system_instructions": json.dumps(system),
        "gen_ai.input.messages": json.dumps([{"role": "system", "parts": system}]),
    }
    operation = registry.read(span_of(asked))
    assert operation and operation.system_instructions == ()
    assert operation.input == (Message("system", (Text("Be kind"),)),)


def chat(**more: Any) -> Operation:
    """A model call."""
    return Operation("chat", **more)


def test_ids_that_differ() -> None:
    """A result that answers no call by its id answers the call before it, as where items name the calls."""
    call = Message("assistant", (ToolCall("look", {}, "fc_1"),))
    result = Message("tool", (ToolCallResponse("x", "call_1"),))
    (one,) = link_calls([chat(input=(call, result))])
    assert one.input[1] == Message("tool", (ToolCallResponse("x", "fc_1"),))
    question = Message("user", (Text("Never mind"),))
    (other,) = link_calls([chat(input=(call, question, result))])
    assert other.input[2] == result


def test_langchain_moves_refusals_aside() -> None:
    """As it does with the reasoning of some models."""
    more: Json = {"refusal": "No.", "reasoning_content": "Hm"}
    (message,) = read_written({"type": "ai", "content": "", "additional_kwargs": more}, "user")
    assert message == Message("assistant", (Reasoning("Hm"), REFUSED))


def test_langchain_on_several_answers() -> None:
    """Its generations of one prompt are choices."""
    made = [{"message": {"type": "ai", "content": content}} for content in "AB"]
    completion = {"langsmith.span.kind": "llm", "gen_ai.completion": json.dumps({"generations": [made]})}
    operation = registry.read(span_of(completion))
    assert operation and (operation.choice_count, len(operation.output)) == (2, 2)


def test_openllmetry_puts_items_into_texts() -> None:
    """Also where they are sent back, and files."""
    call = {"type": "function_call", "id": "fc_1", "call_id": "c", "name": "look", "arguments": "{}"}
    file = {"type": "image", "source_type": "base64", "mime_type": "image/png", "data": "YQ=="}
    messages = [
        {"role": role, "parts": [{"type": "text", "content": json.dumps(content)}]}
        for role, content in (("user", file), ("assistant", call), ("user", {"type": "image"}))
    ]
    asked = {"gen_ai.operation.name": "chat", "gen_ai.usage.total_tokens": 3}
    operation = registry.read(span_of({**asked, "gen_ai.input.messages": json.dumps(messages)}))
    assert operation
    image, called, said = (message.parts[0] for message in operation.input)
    assert isinstance(image, Media) and image.size_bytes == 1
    assert (called, said) == (ToolCall("look", {}, "c"), Text('{"type": "image"}'))


def test_the_same_call_twice() -> None:
    """The ids of an answer that has none are those of its own resend, not of an earlier call like it."""
    asks = [Message("assistant", (ToolCall("look", {}, id),)) for id in "ab"]
    bare = Message("assistant", (ToolCall("look", {}),))
    again = chat(input=(asks[0],), output=(bare,))
    _, second, _ = link_calls([chat(output=(bare,)), again, chat(input=tuple(asks))])
    assert second.output == (asks[1],)


def test_openinference_on_plain_texts() -> None:
    """Completions of JavaScript's, and spans that applications make; JSON is left alone, it may be hidden."""
    attributes = {
        "openinference.span.kind": "LLM",
        "input.value": "Once",
        "input.mime_type": "text/plain",
        "output.value": " upon",
        "output.mime_type": "text/plain",
    }
    operation = registry.read(span_of(attributes))
    assert operation and operation.input == (Message("user", (Text("Once"),)),)
    assert operation.output == (Message("assistant", (Text(" upon"),)),)
    hidden = registry.read(
        span_of({**attributes, "input.value": "__REDACTED__", "output.value": "__REDACTED__"})
    )
    assert hidden and not hidden.input and not hidden.output
    json_ = {name: "application/json" for name in attributes if name.endswith("mime_type")}
    assert (told := registry.read(span_of({**attributes, **json_}))) and not told.input and not told.output


def test_openllmetry_on_responses_of_javascript() -> None:
    """The input of a response is one text; the same text that a user said is what the user said."""
    items = json.dumps([{"type": "function_call_output", "call_id": "c", "output": "ok"}])
    messages = json.dumps([{"role": "user", "parts": [{"type": "text", "content": items}]}])
    asked = {
        "gen_ai.operation.name": "chat",
        "gen_ai.usage.total_tokens": 3,
        "gen_ai.input.messages": messages,
    }
    response = registry.read(span_of({**asked, "gen_ai.response.id": "resp_1"}))
    completion = registry.read(span_of({**asked, "gen_ai.response.id": "chatcmpl-1"}))
    assert response and response.input == (Message("tool", (ToolCallResponse("ok", "c"),)),)
    assert completion and completion.input == (Message("user", (Text(items),)),)


def test_what_an_answer_leaves_out() -> None:
    """Langfuse in JavaScript has of a streamed answer the calls alone, without ids; its resend has all."""
    bare = Message("assistant", (ToolCall("look", {}),))
    whole = Message("assistant", (Text("Let me see"), ToolCall("look", {}, "c")))
    first, _ = link_calls([chat(output=(bare,)), chat(input=(whole,))])
    assert first.output == (whole,)
