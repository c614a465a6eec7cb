"""What the user said and saw, found in the inputs and outputs of a chain or graph. Pure.

| given to, or returned by, the root            | is taken as                                            |
|-----------------------------------------------|--------------------------------------------------------|
| a text                                        | that                                                   |
| a message, a list of messages, a prompt       | those                                                  |
| a mapping or state with ``messages``          | those                                                  |
| a mapping with a known key, or only one text  | that text; a known key with messages before it         |
| ``Command(resume=…)``                         | a reply to an interrupt                                |
| anything else that is returned                | its JSON                                               |
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from greenflash_otel.instrumentation.langchain.messages import is_message, write_shown
from greenflash_otel.instrumentation.langchain.plain import get_entry
from greenflash_otel.json_values import refer_to_fields

ASKED = ("input", "question", "query", "human_input", "user_input", "prompt", "text", "message", "topic")
ANSWERED = ("output", "answer", "result", "response", "text", "content", "output_text")
HISTORY = ("chat_history", "history")
QUESTION = ("question", "message", "prompt", "text", "description", "query")


@dataclass(frozen=True, slots=True)
class Given:
    """What a turn began with."""

    messages: Sequence[Any] | None = None
    """LangChain's messages, or what it makes messages from; None where the input contains none."""
    text: str | None = None
    """What the user said, where it was no message."""
    reply: Any = None
    """What an interrupt is resumed with."""


def given_of(inputs: Any) -> Given:
    """What the input of a root says."""
    if inputs is None or inputs == "":
        return Given()
    if isinstance(inputs, str):
        return Given(text=inputs)
    resume = getattr(inputs, "resume", None) if type(inputs).__name__ == "Command" else None
    if resume is not None:
        return Given(reply=resume)
    if (messages := messages_of(inputs)) is not None:
        return Given(messages)
    if isinstance(inputs, Mapping) and (single := _unwrap_input(inputs)) is not None:
        return given_of(single)
    fields = inputs if isinstance(inputs, Mapping) else refer_to_fields(inputs) or {}
    text = _read_text(fields, ASKED)
    history = next((fields[name] for name in HISTORY if isinstance(fields.get(name), (list, tuple))), None)
    for name in ASKED:
        if text is None and (found := messages_of(fields.get(name))):
            return Given([*(history or ()), *found])
    return Given(history, text)


def messages_of(value: Any) -> Sequence[Any] | None:
    """The messages in a value: itself, a list of them, a prompt, or a state that has them."""
    if is_message(value):
        return [value]
    if isinstance(value, (list, tuple)):
        return value if value and all(_is_like_message(one) for one in value) else None
    if hasattr(value, "to_messages"):
        found: Sequence[Any] = value.to_messages()
        return found
    inner = get_entry(value, "messages")
    if is_message(inner):
        return [inner]
    return list(inner) if isinstance(inner, (list, tuple)) else None


def answer_of(outputs: Any) -> str | None:
    """What a root returned, where it is no message."""
    if outputs is None:
        return None
    if isinstance(outputs, str):
        return outputs
    fields = outputs if isinstance(outputs, Mapping) else {}
    text = _read_text(fields, ANSWERED)
    return write_shown(outputs) if text is None else text


def question_of(value: Any) -> str:
    """What an interrupt asks the person for."""
    requests = get_entry(value, "action_requests")
    if isinstance(requests, (list, tuple)) and requests:
        texts = [get_entry(one, "description") or write_shown(one) for one in requests]
        return "\n\n".join(str(text) for text in texts)
    fields = value if isinstance(value, Mapping) else {}
    return next((fields[name] for name in QUESTION if isinstance(fields.get(name), str)), write_shown(value))


def replies_of(value: Any) -> list[tuple[str | None, str]]:
    """Each reply to an interrupt, by the id of that; several interrupts are answered by a mapping of their ids."""
    if isinstance(value, Mapping) and value and all(_is_interrupt_id(name) for name in value):
        return [(name, reply_of(one)) for name, one in value.items()]
    return [(None, reply_of(value))]


def _is_interrupt_id(name: object) -> bool:
    return isinstance(name, str) and re.fullmatch("[0-9a-f]{32}", name) is not None


def reply_of(value: Any) -> str:
    """What a person replied to an interrupt; of decisions on tools, what each says."""
    decisions = get_entry(value, "decisions")
    if not isinstance(decisions, (list, tuple)) or not decisions:
        return write_shown(value)
    return "\n\n".join(_read_decision(one) for one in decisions)


def _read_decision(decision: Any) -> str:
    kind, message, edited = (get_entry(decision, name) for name in ("type", "message", "edited_action"))
    said = message or (None if edited is None else write_shown(edited))
    return write_shown(decision) if kind is None else f"{kind}: {said}" if said else str(kind)


def _unwrap_input(fields: Mapping[str, Any]) -> Any:
    """What LangChain wrapped as ``{"input": …}`` because it was no mapping."""
    value = fields.get("input") if len(fields) == 1 else None
    return None if isinstance(value, (str, Mapping)) else value


def _read_text(fields: Mapping[str, Any], names: Sequence[str]) -> str | None:
    for name in names:
        if isinstance(fields.get(name), str) and fields[name]:
            return str(fields[name])
    texts = [value for value in fields.values() if isinstance(value, str) and value]
    return texts[0] if len(texts) == 1 else None


def _is_like_message(value: Any) -> bool:
    if is_message(value):
        return True
    if isinstance(value, Mapping):
        return ("role" in value or "type" in value) and "content" in value
    return isinstance(value, tuple) and len(value) == 2 and all(isinstance(one, str) for one in value)
