"""Answers that fail their validation and are asked again, as instructor does: nobody said what the validator says.

The requests have the shapes that instructor sends in its modes for tools, JSON and Responses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any, TypeAlias

import openai
import pytest

import greenflash_otel as greenflash
from greenflash_otel.conversations.update import MessageItem
from greenflash_otel.instrumentation.openai import instrument, uninstrument
from greenflash_otel.semconv.genai import read
from tests.instrumentation.openai.http import http
from tests.instrumentation.openai.replies import completion, response
from tests.instrumentation.openai.spans import Spans

QUESTION, NEXT = "Ada is twelve.", "And Bob is thirteen."
BAD, GOOD, LAST = (
    '{"name": "Ada", "age": "twelve"}',
    '{"name": "Ada", "age": 12}',
    '{"name": "Bob", "age": 13}',
)
REPORT = (
    "1 validation error for User\nage\n  Input should be a valid integer, unable to parse string as an integer "
    "[type=int_parsing, input_value='twelve', input_type=str]\n"
    "    For further information visit https://errors.pydantic.dev/2.11/v/int_parsing"
)
OF_JSON_MODE = f"Correct your JSON ONLY RESPONSE, based on the following errors:\n{REPORT}"
OF_TOOLS = f"Validation Error found:\n{REPORT}\nRecall the function correctly, fix the errors"
SYSTEM = {"role": "system", "content": "Extract users as JSON."}

Play: TypeAlias = Callable[[list[dict[str, Any]]], None]


@pytest.fixture(params=["full", "new"])
def spans(request: pytest.FixtureRequest) -> Iterator[Spans]:
    """The SDK is instrumented during the test, with whole histories on its spans, and with what is new."""
    recorded = Spans()
    instrument(recorded.tracer, history=request.param)
    yield recorded
    uninstrument()


def client_for(*bodies: dict[str, Any]) -> openai.OpenAI:
    """A client that is answered with these bodies, each with an id of its own."""
    answers = iter([{**body, "id": f"id-{number}"} for number, body in enumerate(bodies)])
    transport = http.Client(
        transport=http.MockTransport(lambda request: http.Response(200, json=next(answers)))
    )
    return openai.OpenAI(api_key="sk-test", http_client=transport, max_retries=0)


def user(text: str) -> dict[str, Any]:
    """What the user says, or what a program says in the user's role."""
    return {"role": "user", "content": text}


def says(text: str) -> dict[str, Any]:
    """What the model said."""
    return {"role": "assistant", "content": text}


def call(id: str, arguments: str) -> dict[str, Any]:
    """The call of a function that stands for a class."""
    return {"id": id, "type": "function", "function": {"name": "User", "arguments": arguments}}


def play_json_mode(head: list[dict[str, Any]], report: str = OF_JSON_MODE, bad: str = BAD) -> None:
    """Two answers to one question, then another question."""
    create: Any = client_for(completion(bad), completion(GOOD), completion(LAST)).chat.completions.create
    create(model="m", messages=[*head, user(QUESTION)])
    create(model="m", messages=[*head, user(QUESTION), says(bad), user(report)])
    create(model="m", messages=[*head, user(QUESTION), says(GOOD), user(NEXT)])


def play_tools(head: list[dict[str, Any]]) -> None:
    """The report is the result of the call."""
    bodies = [completion(None, tool_calls=[call(f"call_{at}", text)]) for at, text in enumerate((BAD, GOOD))]
    create: Any = client_for(*bodies).chat.completions.create
    create(model="m", messages=[*head, user(QUESTION)])
    failed = {"role": "assistant", "content": "", "tool_calls": [call("call_0", BAD)]}
    result = {"role": "tool", "tool_call_id": "call_0", "name": "User", "content": OF_TOOLS}
    create(model="m", messages=[*head, user(QUESTION), failed, result])


def play_responses(head: list[dict[str, Any]]) -> None:
    """The call is left out, and its report follows the question."""
    items = [
        {
            "type": "function_call",
            "id": f"fc_{at}",
            "call_id": f"call_{at}",
            "name": "User",
            "arguments": text,
        }
        for at, text in enumerate((BAD, GOOD))
    ]
    create: Any = client_for(*(response("completed", [item]) for item in items)).responses.create
    create(model="m", input=[*head, user(QUESTION)])
    create(model="m", input=[*head, user(QUESTION), user(f"{OF_TOOLS} with {BAD}")])


def lines(items: list[MessageItem]) -> list[tuple[str, str | None]]:
    """The type and the visible text of each message."""
    return [(item.type, item.content) for item in items]


IN_JSON_MODE = [
    ("user_message", QUESTION),
    ("assistant_message", BAD),
    ("thought", None),
    ("assistant_message", GOOD),
    ("user_message", NEXT),
    ("assistant_message", LAST),
]


@pytest.mark.parametrize("is_named", [True, False], ids=["named", "unnamed"])
@pytest.mark.parametrize("head", [[], [SYSTEM]], ids=["no prompt", "prompt"])
def test_json_mode(spans: Spans, is_named: bool, head: list[dict[str, Any]]) -> None:
    """One conversation with two questions; the report is a hidden step, and both answers are to the question."""
    with greenflash.conversation("T") if is_named else nullcontext():
        play_json_mode(head)
    [items] = spans.conversations().values()
    assert lines(items) == IN_JSON_MODE
    question, bad, report, good, follow_up, _ = items
    assert [bad.parent_id, report.parent_id, good.parent_id] == [question.id] * 3
    assert follow_up.parent_id == good.id
    assert (report.output or {})["text"] == OF_JSON_MODE


@pytest.mark.parametrize("is_named", [True, False], ids=["named", "unnamed"])
def test_tools(spans: Spans, is_named: bool) -> None:
    """The failed call has the report as its result."""
    with greenflash.conversation("T") if is_named else nullcontext():
        play_tools([SYSTEM])
    [items] = spans.conversations().values()
    assert [item.type for item in items] == ["user_message", "tool_call", "observation", "tool_call"]
    assert items[2].parent_id == items[1].id


def test_responses(spans: Spans) -> None:
    """Of a named conversation; nothing else shows that the second request continues the first."""
    with greenflash.conversation("T"):
        play_responses([SYSTEM])
    [items] = spans.conversations().values()
    assert [item.type for item in items] == ["user_message", "tool_call", "thought", "tool_call"]


@pytest.mark.parametrize(
    ("report", "bad"),
    [
        (f"Your answer was wrong: {REPORT}\nAnswer again.", BAD),
        (f"Your answer was wrong: {REPORT}\nAnswer again.", f"```json\n{BAD}\n```"),
        ("Not JSON: Expecting ',' delimiter: line 1 column 16 (char 15). Again.", '{"name": "Ada" "age": 1}'),
        ("Validation feedback:\nNo such user.\n\nFix the errors and try again.", BAD),
        (REPORT, BAD),
        (f"Fix the errors:\n{REPORT}", BAD),
        (f"This did not validate.\nGot: {BAD}\n{REPORT}\nReturn only JSON.", BAD),
        (f'{OF_JSON_MODE}\nAnswer: {{"question": "Do I know?"}}', '{"question": "Do I know?"}'),
    ],
    ids=["pydantic", "fenced", "json", "Pydantic AI", "nothing else", "fix", "with the answer", "a question"],
)
def test_reports_in_other_words(spans: Spans, report: str, bad: str) -> None:
    """An application may write its own request, if it quotes what the validator says of the answer."""
    with greenflash.conversation("T"):
        play_json_mode([SYSTEM], report, bad)
    [items] = spans.conversations().values()
    assert [item.content for item in items if item.type == "user_message"] == [QUESTION, NEXT]


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ("Call User with the age.", f"I get this: {REPORT}"),
        (BAD, "I get this: [type=int_parsing, input_value='eleven', input_type=str]"),
        (BAD, "My file says: Expecting value: line 1 column 1 (char 0)"),
        (BAD, "That is not valid JSON, try again."),
        (BAD, f"Got this: {REPORT}"),
        (BAD, f"When my service reads your JSON, I get this:\n{REPORT}"),
        (BAD, f"{REPORT}\n\nWhat is wrong with your answer?"),
        (BAD, f"pydantic refuses it, can you help?\n{REPORT}"),
        (BAD, f"Please fix this error: {REPORT}"),
        ('{"name": "Ada" "age": 1}', "My parser says: Expecting ',' delimiter: line 1 column 16 (char 15)"),
        (BAD, f"{OF_TOOLS}\n\nThis is in my log. What does it mean?"),
        ("Sure.", f"{OF_TOOLS}\n\nThis is in our log."),
    ],
    ids=[
        "an answer in prose",
        "another value",
        "another text",
        "no report",
        "a remark",
        "their service",
        "a question",
        "a call for help",
        "a request",
        "their parser",
        "their log",
        "their log, in prose",
    ],
)
def test_what_people_say_of_errors_is_theirs(spans: Spans, answer: str, text: str) -> None:
    """People paste error messages, too."""
    with greenflash.conversation("T"):
        play_json_mode([SYSTEM], text, answer)
    [items] = spans.conversations().values()
    assert [item.content for item in items if item.type == "user_message"] == [QUESTION, text, NEXT]


def test_a_first_message_is_the_users(spans: Spans) -> None:
    """Whatever it quotes."""
    with greenflash.conversation("T"):
        client_for(completion("A report.")).chat.completions.create(
            model="m",
            messages=[{"role": "user", "content": OF_TOOLS}],
        )
    [items] = spans.conversations().values()
    assert lines(items) == [("user_message", OF_TOOLS), ("assistant_message", "A report.")]


def test_the_span_has_the_request_as_it_was(spans: Spans) -> None:
    """What a program said in the role of the user stays that for others who read the span."""
    with greenflash.conversation("T"):
        play_json_mode([])
    operations = [operation for record in spans.records() if (operation := read(record))]
    assert [message.role for message in operations[1].input] == ["user", "assistant", "user"]
