"""Ids of tool calls: an empty one is none, and one that is missing is made. Pure.

A made id is a hash of the call, so that it is alike in an answer and in each history that resends it. It links a
call with its result and with the span of its tool. It is no part of what the call says: the message id of a call
does not depend on whether something refers to it.
"""

from __future__ import annotations

import hashlib
from json import JSONEncoder

from greenflash_otel.json_values import Json

PREFIX = "greenflash.call."

_encode = JSONEncoder(sort_keys=True, default=str).encode


class LinkedPart:
    """A part that an id links with another one. An empty id is none: it would link what does not belong together."""

    __slots__ = ()
    id: str | None

    def __post_init__(self) -> None:
        """Make an empty id none, whichever reader found it."""
        if self.id == "":
            object.__setattr__(self, "id", None)


def make_call_id(question: str, name: str, arguments: Json, number: int) -> str:
    """Make the id of a call.

    Args:
        question: The last words of the user before the call.
        number: How many calls of this name and with these arguments the turn had before.
    """
    fields = _encode([question, name, arguments, number])
    return PREFIX + hashlib.blake2b(fields.encode(), digest_size=12).hexdigest()


def is_made(call_id: str | None) -> bool:
    """Return whether an id is one that `make_call_id` made."""
    return call_id is not None and call_id.startswith(PREFIX)
