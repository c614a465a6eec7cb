"""What the user saw, found in what the root of a turn returned, and what interrupts ask and get. Pure.

| returned by the root                             | is the answer                                           |
|--------------------------------------------------|---------------------------------------------------------|
| a text, a message                                | that                                                    |
| a raw answer next to what was parsed of it       | what was parsed; else what the raw message says         |
| a mapping or state                               | of the fields that the input had not: that with a usual |
|                                                  | name; else that which a model said; else the only text  |
| fields none of which is that                     | their JSON                                              |

Fields that the input had as well, and documents that were looked up, are never part of the answer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from greenflash_otel.instrumentation.langchain.message_forms import list_messages
from greenflash_otel.instrumentation.langchain.messages import is_message, text_of, write_shown
from greenflash_otel.instrumentation.langchain.plain import get_entry
from greenflash_otel.instrumentation.langchain.root_input import contains, find_messages
from greenflash_otel.json_values import refer_to_fields

ANSWERS = (
    "output",
    "answer",
    "final_answer",
    "response",
    "final_response",
    "reply",
    "generation",
    "output_text",
    "result",
)
"""Usual names of a field with the answer."""
TEXTS = ("text", "content")
"""Names that mean it only if there is no better one."""
RAW = frozenset({"raw", "parsed", "parsing_error"})
"""The fields of a structured answer that comes with the message it was parsed from."""
QUESTION = ("question", "message", "prompt", "text", "description", "query")


def find_shown(
    outputs: Any,
    before: Mapping[str, Any],
    answers: Sequence[str],
    *,
    is_graph: bool = False,
    has_messages: bool = False,
) -> Any:
    """Return what the user saw of what a root returned: a text, a message, another value; None for nothing.

    Args:
        before: The fields that the input had, or the state of its graph.
        said: What the model calls of the turn said, in order.
        is_graph: Whether a graph returned it: its state also has what steps said to each other.
        has_messages: Whether other messages are what was said: then only a text or a message is an answer.
    """
    words = {value.strip() for value in before.values() if isinstance(value, str)}
    fields = _read_state_fields(outputs, before)
    if fields is None:
        is_echo = isinstance(outputs, str) and outputs.strip() in words and outputs.strip() not in answers
        return None if is_echo else outputs
    if fields.keys() >= RAW:
        return fields["raw"] if fields["parsed"] is None else fields["parsed"]
    new = {name: value for name, value in fields.items() if _is_new(name, value, before, words)}
    spoken = [name for name, value in new.items() if _write_text(value).strip() in answers]
    several = len(spoken) > 1 and not is_graph  # branches that ran at once: the user sees all
    shown = None if several and not any(map(new.get, ANSWERS)) else _choose_field(new, before, answers)
    if shown is not None or has_messages:
        return shown
    if len(new) != 1:
        return new or None
    [value] = new.values()
    is_state = is_graph or any(name in before for name in fields)
    return value if is_state or find_messages(value) else new


def copy_outputs(outputs: Any) -> Any:
    """Return what a root returned, for later: the application may go on with the lists in it."""
    if isinstance(outputs, dict):
        return {name: [*value] if isinstance(value, list) else value for name, value in outputs.items()}
    return [*outputs] if isinstance(outputs, list) else outputs


def write_answer(shown: Any) -> str:
    """Return an answer that is no message as text."""
    return shown if isinstance(shown, str) else write_shown(shown)


def _read_state_fields(outputs: Any, before: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the fields of a mapping, or of a model that is the state of which the input was a part."""
    if isinstance(outputs, Mapping):
        return outputs
    fields = refer_to_fields(outputs)
    return fields if fields and before and before.keys() <= fields.keys() else None


def _is_new(name: str, value: Any, before: Mapping[str, Any], words: set[str]) -> bool:
    """Return whether a field is something that the input had not, and that a person may read."""
    if value is None or str(name).startswith("__") or (isinstance(value, (str, list, dict)) and not value):
        return False
    if isinstance(value, str):
        return value.strip() not in words
    if isinstance(value, (list, tuple)):
        if list_messages(value) is not None or any(hasattr(item, "page_content") for item in value):
            return False
    elif hasattr(value, "page_content"):
        return False
    if name not in before or before[name] is value:
        return name not in before
    return write_shown(before[name]) != write_shown(value)


def _choose_field(new: Mapping[str, Any], before: Mapping[str, Any], answers: Sequence[str]) -> Any:
    texts = {name: value for name, value in new.items() if isinstance(value, str) or is_message(value)}
    added = {name: value for name, value in texts.items() if not before.get(name)}
    for names in (ANSWERS, TEXTS):
        for name in names:
            if name in texts or (name in new and names is ANSWERS):
                return new[name]
        for answer in reversed(answers):
            for candidates in (added, texts):
                if spoken := _find_answer(candidates, answer):
                    return spoken
    for candidates in (added, texts):
        if len(candidates) == 1:
            return next(iter(candidates.values()))
    return None


def _find_answer(fields: Mapping[str, Any], answer: str) -> Any:
    """Return the field that a model said: word for word, else with something put around it."""
    written = {name: _write_text(value) for name, value in fields.items()}
    same = [name for name, text in written.items() if text.strip() == answer]
    around = [name for name, text in written.items() if contains(text, answer)]
    return next((fields[name] for name in (*same, *around)), None)


def _write_text(value: Any) -> str:
    return text_of(value) if is_message(value) else value if isinstance(value, str) else ""


def question_of(value: Any) -> str:
    """Return what an interrupt asks the person for."""
    requests = get_entry(value, "action_requests")
    if isinstance(requests, (list, tuple)) and requests:
        texts = [get_entry(request, "description") or write_shown(request) for request in requests]
        return "\n\n".join(str(text) for text in texts)
    fields = value if isinstance(value, Mapping) else {}
    return next((fields[name] for name in QUESTION if isinstance(fields.get(name), str)), write_shown(value))


def replies_of(value: Any) -> list[tuple[str | None, str]]:
    """Return each reply to an interrupt, by the id of that; a mapping of ids answers several interrupts."""
    if isinstance(value, Mapping) and value and all(_is_interrupt_id(name) for name in value):
        return [(name, reply_of(entry)) for name, entry in value.items()]
    return [(None, reply_of(value))]


def _is_interrupt_id(name: object) -> bool:
    return isinstance(name, str) and re.fullmatch("[0-9a-f]{32}", name) is not None


def reply_of(value: Any) -> str:
    """Return what a person replied to an interrupt; of decisions on tools, what each says."""
    decisions = get_entry(value, "decisions")
    if not isinstance(decisions, (list, tuple)) or not decisions:
        return write_shown(value)
    return "\n\n".join(_read_decision(decision) for decision in decisions)


def _read_decision(decision: Any) -> str:
    kind, message, edited = (get_entry(decision, name) for name in ("type", "message", "edited_action"))
    reply = message or (None if edited is None else write_shown(edited))
    return write_shown(decision) if kind is None else f"{kind}: {reply}" if reply else str(kind)
