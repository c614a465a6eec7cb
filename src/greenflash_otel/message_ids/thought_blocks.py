"""Separate what a model thought in its text from what it said: a ``<think>`` block in front. Pure.

Some models write their thoughts into the text (R1, Qwen). Their vendors ask applications to leave the block
out of the history, and the user does not see it. So the block is a thought. Only a block in front counts: a
text that speaks of such tags stays as it is. Some servers leave out the opening tag, because it is part of
the prompt; then the closing tag has a line of its own.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import takewhile

from greenflash_otel.model.operation import Message, Part, Reasoning, Text

CLOSED = re.compile(r"\s*<(think|thinking)>(.*?)</\1>[^\S\n]*(\n?)", re.DOTALL)
"""A block with both tags: the tag, what is between them, and whether the line ends."""
UNCLOSED = re.compile(r"\s*<(?:think|thinking)>[^\S\n]*\n(.*)", re.DOTALL)
"""A block that was broken off."""
UNOPENED = re.compile(r"(.*?)\n\s*</think>[^\S\n]*\n(.*)", re.DOTALL)
"""A block without its opening tag."""
PLACEHOLDER = re.compile(r"[\s.…]*")
"""What is between tags that somebody only speaks of."""
OPENING, CLOSING = "<think", "</think>"


def has_block(parts: Sequence[Part]) -> bool:
    """Return whether a text may have a block: nearly none has."""
    text = "\n".join([part.content for part in parts if isinstance(part, Text)])
    return OPENING in text or CLOSING in text


def separate_thoughts(message: Message) -> tuple[Part, ...]:
    """Return the parts of an assistant message, in which a block in front of its text is a thought."""
    parts = message.parts
    first = next((at for at, part in enumerate(parts) if isinstance(part, Text)), len(parts))
    in_row = takewhile(lambda part: isinstance(part, Text), parts[first:])
    texts = [part for part in in_row if isinstance(part, Text)]
    text = "\n".join(part.content for part in texts)
    thoughts, answer = _separate_text(text, is_cut=message.finish_reason == "length")
    if answer == text:
        return parts
    spoken = (
        (Text(answer, tuple(annotation for part in texts for annotation in part.annotations)),)
        if answer
        else ()
    )
    return (*parts[:first], *map(Reasoning, thoughts), *spoken, *parts[first + len(texts) :])


def _separate_text(text: str, *, is_cut: bool) -> tuple[Sequence[str], str]:
    """Return the thoughts in front of a text, and the text behind them."""
    thoughts: list[str] = []
    answer = text
    while (block := CLOSED.match(answer)) is not None:
        _, thought, line_end = block.groups()
        rest = answer[block.end() :]
        if PLACEHOLDER.fullmatch(thought) and rest and not line_end and "\n" not in thought:
            break  # it speaks of the tags
        thoughts.append(thought.strip())
        answer = rest.lstrip()
    if answer == text:
        open_tag = UNCLOSED.match(text) or (UNCLOSED.match(text.replace(">", ">\n", 1)) if is_cut else None)
        if open_tag is not None and "</think" not in text:
            return [open_tag[1].strip()], ""
        unopened = None if "<think" in text else UNOPENED.fullmatch(text)
        if unopened is not None and "</think>" not in unopened[2]:
            return [unopened[1].strip()], unopened[2].lstrip()
    return [thought for thought in thoughts if thought], answer
