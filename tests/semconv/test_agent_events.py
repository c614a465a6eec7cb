"""Claude Code's and Codex's log events become the conversation of their session."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tests.semconv.arrivals import Arrivals, Row, log

SESSION = {"session.id": "s", "user.id": "ada"}


def claude(place: int, name: str, **attributes: Any) -> Mapping[str, Any]:
    """Return an event as Claude Code writes it: its name is the body, and without a prefix an attribute."""
    named = {field.replace("__", "."): value for field, value in attributes.items()}
    return log(
        place, {**SESSION, "event.name": name, "event.sequence": place, **named}, f"claude_code.{name}"
    )


CLAUDE = [
    claude(0, "user_prompt", prompt="fix it", prompt__id="p1"),
    claude(1, "api_request", model="claude-sonnet-4-5", input_tokens=3, request_id="r1", prompt__id="p1"),
    claude(
        2,
        "tool_result",
        tool_name="Bash",
        tool_use_id="t1",
        success="true",
        tool_input='{"command":"ls"}',
        prompt__id="p1",
    ),
    claude(
        3,
        "tool_result",
        tool_name="Edit",
        tool_use_id="t2",
        success="false",
        error="no file",
        prompt__id="p1",
    ),
    claude(
        4, "assistant_response", response="done", model="claude-sonnet-4-5", request_id="r2", prompt__id="p1"
    ),
    claude(5, "user_prompt", prompt="fix it", prompt__id="p2"),
    claude(6, "assistant_response", response="done", request_id="r3", prompt__id="p2"),
]
CLAUDE_ROWS: list[Row] = [
    ("user_message", "fix it", None),
    ("tool_call", "Bash", 0),
    ("tool_call", "Edit", 0),
    ("tool_error", "Edit", 2),
    ("assistant_message", "done", 0),
    ("user_message", "fix it", None),
    ("assistant_message", "done", 5),
]


@pytest.mark.parametrize("how", ["together", "one by one", "twice"])
def test_claude_code(how: str) -> None:
    """Each prompt is a message, also if it says the same; tools and answers hang on their prompt."""
    arrived = Arrivals()
    for logs in (
        [[entry] for entry in CLAUDE] if how == "one by one" else [CLAUDE] * (2 if how == "twice" else 1)
    ):
        arrived.take_logs(*logs)
    assert arrived.finish() == {"s": CLAUDE_ROWS}
    assert arrived.users == {"s": "ada"}


def test_hidden_prompts() -> None:
    """What the user did not turn on says nothing."""
    arrived = Arrivals()
    arrived.take_logs(
        claude(0, "user_prompt", prompt="<REDACTED>", prompt_length=6),
        claude(1, "user_prompt", prompt_length=6),
    )
    assert arrived.finish() == {}


def test_a_session_on_the_resource() -> None:
    """Old versions name no prompt; then what follows hangs on the newest."""
    arrived = Arrivals()
    arrived.take_logs(
        log(0, {"prompt": "a"}, "claude_code.user_prompt"),
        log(1, {"response": "b"}, "claude_code.assistant_response"),
        resource={"session.id": "r", "user.id": 7},
    )
    assert arrived.finish() == {"r": [("user_message", "a", None), ("assistant_message", "b", 0)]}
    assert arrived.users == {"r": "7"}


def codex(place: int, name: str, **attributes: Any) -> Mapping[str, Any]:
    """Return an event as Codex writes it."""
    stamp = f"2026-01-01T00:00:0{place}Z"
    session = {"conversation.id": "c", "user.account_id": "acc", "event.timestamp": stamp}
    return log(place, {**session, "event.name": f"codex.{name}", **attributes})


def test_codex() -> None:
    """Prompts and tools with what they answered."""
    arrived = Arrivals()
    arrived.take_logs(
        codex(0, "conversation_starts", model="gpt-5"),
        codex(1, "user_prompt", prompt="list files"),
        codex(
            2,
            "tool_result",
            tool_name="shell",
            call_id="k1",
            arguments='{"command":["ls"]}',
            output="a",
            success="true",
        ),
        codex(
            3, "tool_result", tool_name="shell", call_id="k2", arguments="{}", output="no", success="false"
        ),
        codex(4, "sse_event", **{"event.kind": "response.completed"}),
    )
    assert arrived.finish() == {
        "c": [
            ("user_message", "list files", None),
            ("tool_call", "shell", 0),
            ("observation", "shell", 1),
            ("tool_call", "shell", 0),
            ("tool_error", "shell", 3),
        ]
    }
    assert arrived.users == {"c": "acc"}


def test_a_record_of_anything_else() -> None:
    """It belongs to no span and says nothing."""
    arrived = Arrivals()
    arrived.take_logs(log(0, {"session.id": "s", "prompt": "hi"}, "a line of a log"))
    assert arrived.finish() == {}
