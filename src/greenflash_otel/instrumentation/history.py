"""Leave out of a span what earlier spans of the conversation have told already (``history="new"``).

A chat client resends the whole conversation with every call. Where it begins with what this process has
recorded to the end of an earlier call, only the rest goes on the span, with the id of the message before it.
Whatever reads the span comes to the same messages. Only conversations with a given id are shortened.
"""

from __future__ import annotations

import threading
from dataclasses import replace

from greenflash_otel.conversations.identity import namespace_of
from greenflash_otel.conversations.memory import CONVERSATIONS, POSITIONS, Bounded
from greenflash_otel.conversations.pieces import NOT_SAID, SYSTEM_ROLES
from greenflash_otel.conversations.thread import Position, follow
from greenflash_otel.operations import MAIN_CALLS, Message, Operation, Other


class KnownHistory:
    """Where the recorded calls of each conversation ended. Thread-safe and bounded.

    Args:
        key: As for `Memory`, which has to come to the same ids.
    """

    def __init__(self, key: bytes = b"") -> None:
        self._key = key
        self._ends: Bounded[str, Bounded[str, None]] = Bounded(CONVERSATIONS)
        self._lock = threading.Lock()

    def shorten(self, operation: Operation) -> Operation:
        """``operation`` with only what is new in its input, and note where it ends."""
        id = operation.affiliation.conversation_id
        if id is None or operation.name not in MAIN_CALLS or operation.ending == "pending":
            return operation
        if operation.affiliation.internal or operation.affiliation.tool_call_id or _continues(operation):
            return operation
        namespace, position = namespace_of(id, self._key), Position()
        known_to, parent_id = 0, None
        with self._lock:
            ends = self._ends.get(id) or Bounded(POSITIONS)
            for index, message in enumerate(operation.input):
                if message.role in SYSTEM_ROLES and position.tip is None:
                    continue  # the system prompt: not part of what is said
                before, position = position, follow(namespace, position, (message,))[1]
                if position.tip != before.tip and position.tip in ends:
                    known_to, parent_id = index + 1, position.tip
            answer = operation.output[:1] if operation.choice_count > 1 else operation.output
            tip = follow(namespace, position, answer)[1].tip
            if tip is not None:
                ends.remember(tip, None)
                self._ends.remember(id, ends)
        rest = operation.input[known_to:]
        if parent_id is None or (rest and rest[0].role in SYSTEM_ROLES):
            return operation  # a system message in front would be taken for the system prompt
        kept = (*_prompt(operation.input[:known_to]), *rest)
        return replace(operation, input=kept, input_parent_id=parent_id)


def _prompt(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    leading = 0
    while leading < len(messages) and messages[leading].role in SYSTEM_ROLES:
        leading += 1
    return messages[:leading]


def _continues(operation: Operation) -> bool:
    """Whether the provider has the history, or parts of it: then the input is new as it is."""
    if operation.previous_response_id is not None or operation.provider_conversation_id is not None:
        return True
    parts = (part for message in operation.input for part in message.parts)
    return any(isinstance(part, Other) and part.type in NOT_SAID for part in parts)
