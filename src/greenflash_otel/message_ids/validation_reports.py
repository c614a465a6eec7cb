"""Recognise a program's words in the role of the user: the report that an answer failed its validation. Pure.

Libraries such as instructor validate an answer, and ask again with the report appended in the role of the user. The
user never said that, and never sees it.

| a message of the user                                                 | is a report                    |
|-----------------------------------------------------------------------|--------------------------------|
| begins with the words of such a library, and is not the first message | always                         |
| quotes a value that pydantic refused, and only refuses the answer, or | if the value is of the answer  |
| demands another                                                       | right before, and that is JSON |
| quotes where JSON breaks off, likewise                                | if the answer right before     |
|                                                                       | breaks off there               |
| has a question, or words such as "I" and "my", around what it quotes  | never                          |

Any other wording reads as the user's: people paste error messages, too. Where in doubt, the words stay the user's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace

from greenflash_otel.message_ids.ids import WORD, text_of
from greenflash_otel.model.operation import Message, Reasoning, Text, iterate_calls
from greenflash_otel.model.roles import ASSISTANT

OF_LIBRARIES = re.compile(
    r"Validation Errors? found:\s"
    r"|Recall the function correctly, fix the errors"
    r"|Correct your JSON ONLY RESPONSE, based on the following errors:"
    r"|(?:Validation feedback:\s|\d+ validation errors?:\s).*Fix the errors and try again\.\s*\Z",
    re.DOTALL,
)
"""How instructor and Pydantic AI begin: nobody types that."""
REFUSED = re.compile(r"\[type=\w+, input_value=(.+?), input_type=\w+\]", re.DOTALL)
"""What pydantic says of a value."""
OF_PYDANTIC = re.compile(
    r"\d+ validation errors? for .*\[type=\w+, input_value=.+?, input_type=\w+\]"
    r"(?:\s+For further information visit \S+)?",
    re.DOTALL,
)
"""A whole message of pydantic."""
OF_JSON = re.compile(r"[A-Z][^\n:]*: line \d+ column \d+ \(char \d+\)")
"""A whole message of Python's `json`."""
QUOTED = re.compile(r"```.*?```|\"[^\"\n]*\"|\S*://\S*", re.DOTALL)
"""What a text quotes of others."""
OF_PEOPLE = re.compile(r"\?(?:\s|\Z)|(?<![\w'])(?:I|[Ii]'(?:m|ve|d|ll)|[Mm]y|[Mm]e|[Ww]e|[Oo]ur|[Uu]s)(?!\w)")
"""How people ask, and speak of themselves."""
DEMAND = re.compile(
    r"(?i)\b(?:your?|again|retry|return|respond|reply|answer|output|only|must|(?:in)?valid|validation|not"
    r"|fail(?:s|ed|ure)?|schema|correct(?:ed)?|fix(?! th(?:is|at)\b))\b"
)
"""How programs refuse an answer, and ask for another."""
BROKEN_OFF = re.compile(r"line \d+ column \d+ \(char (\d+)\)")
"""What Python's `json` says of a text."""
FENCE = re.compile(r"\s*```\w*\n(.*?)(?:```\s*)?\Z", re.DOTALL)


def hide_validation_reports(messages: Sequence[Message]) -> Sequence[Message]:
    """Return messages of which the reports of validators are thoughts; the same messages if there are none."""
    hidden = {
        at: message
        for at, message in enumerate(messages)
        if at and message.role == "user" and _is_report(messages, at)
    }
    if not hidden:
        return messages
    return [_hide(message) if at in hidden else message for at, message in enumerate(messages)]


def may_be_report(message: Message) -> bool:
    """Return whether a message is a report if the answer before it is what it is about."""
    return message.role == "user" and may_text_be_report(text_of(message.parts))


def may_text_be_report(text: str) -> bool:
    """Return the same for the text of a message of the user."""
    return bool(OF_LIBRARIES.match(text) or REFUSED.search(text) or BROKEN_OFF.search(text))


def _is_report(messages: Sequence[Message], at: int) -> bool:
    message, before = messages[at], messages[at - 1] if at else None
    if message.role != "user" or before is None or not message.parts:
        return False
    text = text_of(message.parts)
    is_of_library = OF_LIBRARIES.match(text) is not None
    if not is_of_library and not (before.role == ASSISTANT and _is_about(text, before)):
        return False  # asked first, because it is the cheapest question that nearly no message passes
    if not all(isinstance(part, Text) for part in message.parts):
        return False
    own = _find_own_words(text, before)
    if OF_PEOPLE.search(own):
        return False
    return is_of_library or not own or DEMAND.search(own) is not None


def _find_own_words(text: str, answer: Message) -> str:
    """Return what a text says around what it quotes of a validator, and of the answer."""
    written = text_of(answer.parts).strip()
    if written:
        text = text.replace(written, " ")
    for quoted in (OF_PYDANTIC, OF_JSON, QUOTED):
        text = quoted.sub(" ", text)
    return text.strip()


def _is_about(text: str, answer: Message) -> bool:
    """Return whether a text quotes what a validator says of a structured answer."""
    written = _write_structure(answer)
    if written is None:
        return False
    if any(_has_words(written, value) for value in REFUSED.findall(text)):
        return True
    ends = BROKEN_OFF.findall(text)
    return bool(ends) and str(_find_break(written)) in ends


def _write_structure(answer: Message) -> str | None:
    """Return the JSON that an answer is, or the arguments of the tools that it asks for; None if it is prose."""
    calls = [json.dumps(call.arguments, ensure_ascii=False, default=str) for call in iterate_calls([answer])]
    if calls:
        return "\n".join(calls)
    text = text_of(answer.parts)
    fenced = FENCE.match(text)
    text = fenced[1] if fenced else text
    return text if text.lstrip().startswith(("{", "[")) else None


def _has_words(written: str, value: str) -> bool:
    words = WORD.findall(value)
    return bool(words) and all(word in written for word in words)


def _find_break(written: str) -> int | None:
    """Return at which character a text stops being JSON."""
    try:
        json.loads(written)
    except json.JSONDecodeError as error:
        return error.pos
    except RecursionError:
        return None
    return None


def _hide(message: Message) -> Message:
    return replace(message, role=ASSISTANT, parts=(Reasoning(text_of(message.parts)),), name=None)
