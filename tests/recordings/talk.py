"""What is said in each recording, and so the truth of it: a question, two tools of which one fails, and thanks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

SYSTEM = "Be brief."
QUESTION = "Weather in Paris and Oslo?"
LOOKING = "Let me look at both cities."
TOOL = "get_weather"
DESCRIPTION = "The temperature in a city."
CITIES = {"call_paris": "Paris", "call_oslo": "Oslo"}
"""City by the id of its tool call."""
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
}
FOUND, FAILED = "21", "station offline"
RESULTS = {"call_paris": FOUND, "call_oslo": FAILED}
ANSWER = "Paris 21, Oslo unknown."
THANKS = "Thanks!"
THOUGHT = "User thanks me."
WELCOME = "You are welcome."
FINAL_TOOL = "final_answer"
FINAL_CALLS = {ANSWER: "call_final_answer", WELCOME: "call_final_welcome"}
"""Id of the call in which an agent answers that must end with a tool."""


def get_weather(city: str) -> str:
    """The temperature in a city."""
    if city != "Paris":
        raise RuntimeError(FAILED)
    return FOUND


def truth(
    *,
    system: str | None,
    thinks: bool,
    returns: Sequence[object] = (FOUND, FAILED),
    tool: str = TOOL,
    ends_with_tool: bool = False,
) -> list[dict[str, Any]]:
    """The messages that took place; a framework has a system prompt of its own, which is not compared.

    ``returns`` is what the model was sent as results, if that is more than the texts; ``tool`` is the tool's full name.
    """
    call = {"role": "assistant", "type": "tool_call", "tool_name": tool, "turn": 1}
    result = {"role": "tool", "type": "observation", "tool_name": tool, "turn": 1}
    failed = {"is_error": True, "error": f"RuntimeError: {FAILED}"}
    said: list[dict[str, Any]] = [
        {"role": "system", "type": "system_message", "content": system, "turn": 0},
        {"role": "user", "type": "user_message", "content": QUESTION, "turn": 1},
        {"role": "assistant", "type": "assistant_message", "content": LOOKING, "turn": 1},
        *({**call, "call_id": id, "arguments": {"city": city}} for id, city in CITIES.items()),
        {**result, "call_id": "call_paris", "content": FOUND, "tool_returned": returns[0]},
        {**result, "call_id": "call_oslo", "content": FAILED, "tool_returned": returns[1], **failed},
        {"role": "assistant", "type": "assistant_message", "content": ANSWER, "turn": 1},
        *(_end_with_tool(ANSWER, 1) if ends_with_tool else ()),
        {"role": "user", "type": "user_message", "content": THANKS, "turn": 2},
        {"role": "assistant", "type": "thought", "content": THOUGHT, "turn": 2},
        {"role": "assistant", "type": "assistant_message", "content": WELCOME, "turn": 2},
        *(_end_with_tool(WELCOME, 2) if ends_with_tool else ()),
    ]
    left_out = ([] if system else ["system_message"]) + ([] if thinks else ["thought"])
    return [entry for entry in said if entry["type"] not in left_out]


def _end_with_tool(answer: str, turn: int) -> list[dict[str, Any]]:
    call = {"tool_name": FINAL_TOOL, "call_id": FINAL_CALLS[answer], "turn": turn}
    return [
        {**call, "role": "assistant", "type": "tool_call", "arguments": {"answer": answer}},
        {**call, "role": "tool", "type": "observation", "content": answer, "tool_returned": answer},
    ]
