"""Leave out of a span what earlier spans of the conversation have recorded already (``history="new"``).

A chat client resends the whole conversation with every call. If this process has
recorded the beginning of it, up to the end of an earlier call, the span gets only what follows, with the id of
the message before. A reader of the span makes the same messages of it. Only conversations that the application
names are shortened.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace

from greenflash_otel.lru import LruDict
from greenflash_otel.message_ids.chain import find_head
from greenflash_otel.message_ids.fragments import NOT_SAID, SYSTEM_ROLES, split_message
from greenflash_otel.message_ids.ids import namespace_of
from greenflash_otel.message_ids.validation_reports import (
    hide_validation_reports,
    may_be_report,
    may_text_be_report,
)
from greenflash_otel.model.operation import MAIN_CALLS, TURN, Message, Operation, Other, Text
from greenflash_otel.open_set import OpenSet
from greenflash_otel.platform_support import register_at_fork

STEPS = 20_000
"""Messages remembered by what they say and follow on."""
CONVERSATIONS = 10_000
"""Conversations whose ends are remembered."""
BRANCHES = 64
"""Ends remembered of a conversation."""


class KnownHistory:
    """Where the recorded calls of each conversation ended. Thread-safe and bounded.

    Args:
        key: As for `ConversationStore`, which has to come to the same ids.
    """

    def __init__(self, key: bytes = b"") -> None:
        self._key = key
        self._steps: LruDict[tuple[str, str, int, int], str | None] = LruDict(STEPS)
        self._ends: LruDict[str, LruDict[str, None]] = LruDict(CONVERSATIONS)
        self._lock = threading.RLock()  # a signal handler may interrupt its owner
        _histories.add(self)

    def begin_in_child(self) -> None:
        """Go on in a forked child: another thread of the parent's may have owned the lock."""
        self._lock = threading.RLock()

    def leave_out(
        self, operation: Operation, entries: Sequence[object]
    ) -> tuple[Sequence[object], str | None]:
        """Return the messages of a request that have to be read, and the id of the message before them.

        Most of a long history is text that was recorded before, and that shows without reading it. `shorten`
        decides about what is read. The id is None if everything has to be read.
        """
        id = operation.conversation_context.conversation_id
        if id is None or not _is_of_the_talk(operation):
            return entries, None
        tip = namespace = namespace_of(id, self._key)
        prompt, known_to, parent_id = 0, 0, None
        with self._lock:
            ends = self._ends.get(id) or LruDict[str, None](BRANCHES)
            for index, entry in enumerate(entries):
                role, text = _read_simple_message(entry)
                if role in SYSTEM_ROLES and tip == namespace:
                    prompt = index + 1
                    continue
                after = self._steps.get((tip, role, hash(text), len(text)))
                if after is None:
                    break
                tip = after
                if tip in ends:
                    known_to, parent_id = index + 1, tip
        if parent_id is None or _depends_on_what_is_before(entries, known_to):
            return entries, None
        return [*entries[:prompt], *entries[known_to:]], parent_id

    def shorten(self, operation: Operation) -> Operation:
        """Return ``operation`` with only what is new in its input, and note where it ends."""
        id = operation.conversation_context.conversation_id
        if id is None or operation.ending == "pending" or not _is_of_the_talk(operation):
            return operation
        if _continues(operation):
            return operation
        namespace, tip, talks = namespace_of(id, self._key), operation.input_parent_id, False
        known_to, parent_id = 0, None
        with self._lock:
            ends = self._ends.get(id) or LruDict[str, None](BRANCHES)
            for index, message in enumerate(hide_validation_reports(operation.input)):
                talks = talks or message.role not in SYSTEM_ROLES
                if not talks:
                    continue  # the system prompt: not part of what is said
                before, tip = tip, self._extend_by_message(namespace, tip, message)
                if tip != before and tip in ends:
                    known_to, parent_id = index + 1, tip
            for message in operation.output[:1] if operation.choice_count > 1 else operation.output:
                tip = self._extend_by_message(namespace, tip, message)
            if tip is not None:
                ends.remember(tip, None)
                self._ends.remember(id, ends)
        rest = operation.input[known_to:]
        if parent_id is None or (rest and (rest[0].role in SYSTEM_ROLES or may_be_report(rest[0]))):
            return operation  # a system message in front would be taken for the system prompt
        retained = (*_find_prompt(operation.input[:known_to]), *rest)
        return replace(operation, input=retained, input_parent_id=parent_id)

    def _extend_by_message(self, namespace: str, tip: str | None, message: Message) -> str | None:
        """Return the id of a message that follows on ``tip``; compute that of a text once.

        What was said is remembered as Python's hash of it: 64 bits, secret, and retained by the text itself.
        """
        if message.role == "tool":
            return tip  # nothing follows on a result
        text = message.parts[0] if len(message.parts) == 1 else None
        if not isinstance(text, Text):
            return find_head(namespace, tip, (split_message(message),))
        key = (tip or namespace, message.role, hash(text.content), len(text.content))
        if key not in self._steps:
            after = find_head(namespace, tip, (split_message(message),))
            self._steps.remember(key, after)
        return self._steps[key]


_histories: OpenSet[KnownHistory] = OpenSet()


def _begin_in_child() -> None:
    for history in _histories.list_items():
        history.begin_in_child()


register_at_fork(after_in_child=_begin_in_child)


def _is_of_the_talk(operation: Operation) -> bool:
    """Return whether an operation speaks with the user."""
    conversation_context = operation.conversation_context
    talks = operation.name in MAIN_CALLS or operation.name == TURN
    return talks and not conversation_context.internal and conversation_context.tool_call_id is None


def _read_simple_message(entry: object) -> tuple[str, str]:
    """Return the role and the text of a message that has nothing else; of any other, what no message has."""
    if isinstance(entry, dict) and len(entry) == 2:
        role, text = entry.get("role"), entry.get("content")
        if isinstance(role, str) and isinstance(text, str) and text:
            return role, text
    return "", ""


def _depends_on_what_is_before(entries: Sequence[object], index: int) -> bool:
    """Return whether a message would be read as another one if it were the first."""
    entry = entries[index] if index < len(entries) else None
    if not isinstance(entry, dict):
        return False
    text = entry.get("content")
    return entry.get("role") in SYSTEM_ROLES or (isinstance(text, str) and may_text_be_report(text))


def _find_prompt(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    leading = 0
    while leading < len(messages) and messages[leading].role in SYSTEM_ROLES:
        leading += 1
    return messages[:leading]


def _continues(operation: Operation) -> bool:
    """Return whether the provider has the history, or parts of it: then the input is new as it is."""
    if operation.previous_response_id is not None or operation.provider_conversation_id is not None:
        return True
    parts = (part for message in operation.input for part in message.parts)
    return any(isinstance(part, Other) and part.type in NOT_SAID for part in parts)
