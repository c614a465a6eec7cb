"""Model calls beside the main line that nobody marked: guards, routers, extractors, title writers. Pure.

What the user does not see must not become something the model said to them; what they do see must not be
hidden. So a call is taken as beside only where two things say so:

| a call with another system prompt than the main line | is taken as                              |
|------------------------------------------------------|------------------------------------------|
| that quotes what was said last                       | beside: it speaks about the conversation |
| that answers for programs: JSON was asked for, or    | beside; while no main line is known, in  |
| the answer is one word                               | doubt                                    |

Where the main line itself answers for programs, that says nothing. A call beside that comes before its
question was asked on the main line waits for that. What is in doubt waits for the next
call of the conversation: it was beside if that asks the model the same with another system prompt, and does
not go on from its answer. Else it was the main line, and so are calls like it from then on. A rewriter that
gets the whole history and answers in prose looks like any agent that takes over: `internal()` tells it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Literal, TypeAlias

from greenflash_otel.conversations.align import key_of_piece
from greenflash_otel.conversations.state import Excerpt, Known
from greenflash_otel.message_ids.fragments import cut, split_system_prompt
from greenflash_otel.message_ids.ids import canonical_of, likeness, sketch_of, text_of
from greenflash_otel.model.operation import MAIN_CALLS, Message, Operation, Text

Line: TypeAlias = Literal["main", "beside", "early", "doubtful"]
"""``early`` is beside the main line, and asks what that has not been asked yet."""

ALIKE = 0.6
"""Share of words two system prompts have in common that are the same but for what is filled in."""
QUOTED = 48
"""Characters of a message by which it is found again in a quotation."""
LEAST_QUOTED = 12
"""A shorter message is found in too many texts."""

ONE_WORD = re.compile(r"\s*[\w-]+\s*")
SPACE = re.compile(r"\s+")
WORD_START = re.compile(r"(?<!\w)\S")


def line_of(known: Known, operation: Operation, prompt: str | None, messages: Sequence[Message]) -> Line:
    """Which line a call belongs to that is not marked."""
    affiliation = operation.affiliation
    named = affiliation.conversation_id or affiliation.scope_id
    if operation.name not in MAIN_CALLS or not named or operation.previous_response_id:
        return "main"
    other = known.main_prompt is not None and likeness(known.main_prompt, sketch_of(prompt or "")) < ALIKE
    if other and _quotes(known, messages):
        return "beside"
    if not prompt or known.main_is_for_programs or not _is_for_programs(operation):
        return "main"
    if known.main_prompt is None:
        return "doubtful"
    if not other:
        return "main"
    return "early" if _comes_first(known, messages) else "beside"


def was_beside(held: Operation, operation: Operation) -> bool:
    """Whether a call that was in doubt was beside, now that the next call is there."""
    if held.affiliation.internal:
        return True
    if held.response_id is not None and held.response_id == operation.previous_response_id:
        return False
    (held_prompt, asked), (prompt, messages) = split_system_prompt(held), split_system_prompt(operation)
    if likeness(sketch_of(held_prompt or ""), sketch_of(prompt or "")) >= ALIKE:
        return False
    answers = [canonical_of(message.parts) for message in held.output]
    goes_on = any(canonical_of(one.parts) in answers for one in messages if one.role == "assistant")
    return not goes_on and _newest(asked) == _newest(messages)


def _comes_first(known: Known, messages: Sequence[Message]) -> bool:
    """Whether a call beside the main line asks about what the main line has not been told yet."""
    newest = next((message for message in reversed(messages) if message.role == "user"), None)
    return newest is not None and not any(
        known.that_say(key_of_piece(known.namespace, piece)) for piece in cut(newest)
    )


def note_main(known: Known, operation: Operation, prompt: str | None, messages: Sequence[Message]) -> None:
    """Remember how the main line looks, of which ``operation`` is."""
    if operation.name not in MAIN_CALLS:
        return
    if prompt or known.main_prompt is None:
        known.main_prompt = sketch_of(prompt or "")
        known.main_is_for_programs = _is_for_programs(operation)
    said = next((text_of(one.parts) for one in reversed(messages) if one.role == "user"), "")
    answer = text_of(operation.output[0].parts) if operation.output else ""
    known.said_last = (_beginning(known.namespace, said), _beginning(known.namespace, answer))


def _quotes(known: Known, messages: Sequence[Message]) -> bool:
    if known.said_last is None or known.said_last[1][0] < LEAST_QUOTED or not known.said_last[0][0]:
        return False
    said, answer = known.said_last
    texts = [_smooth(text_of(message.parts)) for message in messages if message.role == "user"]
    return any(_has(known.namespace, text, said) and _has(known.namespace, text, answer) for text in texts)


def _has(namespace: str, text: str, excerpt: Excerpt) -> bool:
    """Whether an excerpt stands in a text, at the beginning of a word."""
    length, digest = excerpt
    starts = (found.start() for found in WORD_START.finditer(text, 0, max(0, len(text) - length + 1)))
    return any(_digest(namespace, text[start : start + length]) == digest for start in starts)


def _is_for_programs(operation: Operation) -> bool:
    if operation.output_type == "json":
        return True
    parts = [part for message in operation.output for part in message.parts]
    return len(parts) == 1 and isinstance(parts[0], Text) and bool(ONE_WORD.fullmatch(parts[0].content))


def _newest(messages: Sequence[Message]) -> object:
    """What the user said last."""
    return next((canonical_of(one.parts) for one in reversed(messages) if one.role == "user"), None)


def _beginning(namespace: str, text: str) -> Excerpt:
    beginning = _smooth(text)[:QUOTED].rstrip()
    return len(beginning), _digest(namespace, beginning)


def _digest(namespace: str, text: str) -> str:
    return hashlib.blake2b(f"{namespace} {text}".encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _smooth(text: str) -> str:
    return SPACE.sub(" ", text).strip()
