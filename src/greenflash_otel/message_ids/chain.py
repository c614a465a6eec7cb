"""Follow a conversation fragment by fragment and give each its id, its type and its parent. Pure.

A `Cursor` is a place in a conversation. `append_fragment` appends one fragment and returns it with its id, and
the next cursor. A resent history is followed again and gets the same ids.

Theory. An id hashes the id before it, as a git commit does. Only *links* move the head of that chain: what
the user said, answers, and calls of the application's tools. Thoughts, results, system messages and calls of
the provider's own tools hang on the chain without being part of it. Applications leave them out when they
resend a history, and the ids after them must stay the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Literal, TypeAlias

from greenflash_otel.message_ids.fragments import Fragment, SplitMessage
from greenflash_otel.message_ids.ids import id_of, id_of_written
from greenflash_otel.values import store_as, value

MessageType: TypeAlias = Literal[
    "user_message",
    "assistant_message",
    "system_message",
    "final_response",
    "thought",
    "tool_call",
    "observation",
    "tool_error",
    "llm",
    "embedding",
    "retrieval",
    "memory_read",
    "memory_write",
    "chain_start",
    "chain_end",
    "task",
    "workflow",
    "callback",
]
"""The message types of Greenflash."""


@value
class Cursor:
    """Where in a conversation we are: all that the next fragment's id, type and parent depend on."""

    head_id: str | None = store_as("h", default=None)
    """Id of the link before; it goes into the next one's id."""
    last_visible_id: str | None = store_as("v", default=None)
    """The last message the user said or saw."""
    turn_user_id: str | None = store_as("u", default=None)
    """The user message that began the turn."""
    tool_preamble_id: str | None = store_as("p", default=None)
    """The text that came with tool calls, within one assistant message."""
    used_tools: bool = store_as("t", default=False)
    """Whether the turn has used tools."""
    calls: tuple[tuple[str, str], ...] = store_as("c", default=())
    """(call id, message id) of the turn's tool calls."""

    @classmethod
    def create_after(cls, message_id: str) -> Cursor:
        """Return all that can be said when only the message before is known."""
        return cls(head_id=message_id, last_visible_id=message_id)

    @property
    def calls_bytes(self) -> int:
        """Roughly how much memory the calls take; what they consist of is shared with other cursors."""
        return 8 * len(self.calls)

    def find_call(self, call_id: str | None) -> str | None:
        """Return the message id of the newest tool call with this call id."""
        return next((message for call, message in reversed(self.calls) if call == call_id), None)

    def move_to_message_start(self) -> Cursor:
        """Return the cursor for the next message: a preamble counts within one message only."""
        if self.tool_preamble_id is None:
            return self
        return Cursor(
            self.head_id, self.last_visible_id, self.turn_user_id, None, self.used_tools, self.calls
        )

    def with_head(self, head_id: str | None) -> Cursor:
        """Return the same place under another name, from which the next id is hashed."""
        return Cursor(
            head_id,
            self.last_visible_id,
            self.turn_user_id,
            self.tool_preamble_id,
            self.used_tools,
            self.calls,
        )

    def with_call(self, call_id: str, message_id: str) -> Cursor:
        """Return the same place, where a tool call has one more id: applications write call ids anew."""
        calls = (*self.calls, (call_id, message_id))
        return Cursor(
            self.head_id,
            self.last_visible_id,
            self.turn_user_id,
            self.tool_preamble_id,
            self.used_tools,
            calls,
        )

    def with_tools(self) -> Cursor:
        """Return the cursor of a turn that has used tools."""
        return Cursor(
            self.head_id, self.last_visible_id, self.turn_user_id, self.tool_preamble_id, True, self.calls
        )


START = Cursor()
"""The beginning of a conversation, before any message."""


@value
class ChainedFragment:
    """A fragment with its place in the conversation."""

    fragment: Fragment
    id: str
    type: MessageType
    parent_id: str | None
    previous_id: str | None
    """Id of the link before."""
    cursor: Cursor
    """Where the conversation is after it."""


def extend_chain(
    namespace: str, cursor: Cursor, messages: Iterable[SplitMessage]
) -> tuple[list[ChainedFragment], Cursor]:
    """Append all fragments of ``messages`` after ``cursor``; return them, and the cursor after the last."""
    chained: list[ChainedFragment] = []
    for message in messages:
        cursor = cursor.move_to_message_start()
        for fragment in message.fragments:
            appended = append_fragment(namespace, cursor, fragment)
            cursor = appended.cursor
            chained.append(appended)
    return chained, cursor


def list_heads(namespace: str, head_id: str | None, messages: Iterable[SplitMessage]) -> list[str]:
    """Return the ids of the links in ``messages``: each hashes the one before, the first hashes ``head_id``.

    This is what `extend_chain` makes of them, without types, parents and cursors.
    """
    heads: list[str] = []
    for message in messages:
        for fragment in message.fragments:
            if fragment.is_link:
                head_id = id_of_written(namespace, head_id, fragment.kind, fragment.written)
                heads.append(head_id)
    return heads


def find_head(namespace: str, head_id: str | None, messages: Iterable[SplitMessage]) -> str | None:
    """Return the id of the last link in ``messages``; ``head_id`` if there is none."""
    heads = list_heads(namespace, head_id, messages)
    return heads[-1] if heads else head_id


def append_fragment(namespace: str, cursor: Cursor, fragment: Fragment) -> ChainedFragment:
    """Append one fragment after ``cursor``."""
    head_id, visible_id = cursor.head_id, cursor.last_visible_id
    if fragment.out_of_band_id is not None:
        return _append_out_of_band(namespace, cursor, fragment)
    if fragment.kind == "tool_result":
        return _append_tool_result(namespace, cursor, fragment)
    id = id_of_written(namespace, head_id, fragment.kind, fragment.written)
    answers_id, after = cursor.turn_user_id or visible_id, cursor
    match fragment.kind:
        case "user":
            after = Cursor(head_id=id, last_visible_id=id, turn_user_id=id)
            return ChainedFragment(fragment, id, "user_message", visible_id, head_id, after)
        case "answer":
            if fragment.is_refused:
                after = Cursor(id, visible_id, cursor.turn_user_id, None, cursor.used_tools, cursor.calls)
                return ChainedFragment(fragment, id, "thought", answers_id, head_id, after)
            ends_turn = cursor.used_tools and fragment.ends_message
            after = Cursor(id, id, cursor.turn_user_id, id, cursor.used_tools, cursor.calls)
            type: MessageType = "final_response" if ends_turn else "assistant_message"
            return ChainedFragment(fragment, id, type, answers_id, head_id, after)
        case "tool_call":
            caller_id = cursor.find_call(fragment.caller_id) if fragment.caller_id else None
            parent_id = caller_id or cursor.tool_preamble_id or answers_id
            call_id = name_link(fragment)
            calls = (*cursor.calls, (call_id, id)) if call_id else cursor.calls
            next_head = head_id if fragment.by_provider else id  # what is resent often leaves it out
            after = Cursor(next_head, visible_id, cursor.turn_user_id, cursor.tool_preamble_id, True, calls)
            return ChainedFragment(fragment, id, "tool_call", parent_id, head_id, after)
        case "thought":
            return ChainedFragment(fragment, id, "thought", answers_id, head_id, cursor)
        case "system":
            return ChainedFragment(fragment, id, "system_message", visible_id, head_id, cursor)


def _append_tool_result(namespace: str, cursor: Cursor, fragment: Fragment) -> ChainedFragment:
    """Append a result below its call. Its content, which may be large, does not count for its id."""
    call_message_id = cursor.find_call(name_link(fragment))
    type: MessageType = "tool_error" if fragment.failed else "observation"
    if call_message_id is not None:
        id = result_id_of(namespace, call_message_id)
        return ChainedFragment(fragment, id, type, call_message_id, cursor.head_id, cursor)
    # Its call was never seen: a trimmed history.
    id = id_of(namespace, cursor.head_id, fragment.kind, [fragment.call_id, fragment.canonical])
    parent_id = cursor.turn_user_id or cursor.last_visible_id
    return ChainedFragment(fragment, id, type, parent_id, cursor.head_id, cursor)


def _append_out_of_band(namespace: str, cursor: Cursor, fragment: Fragment) -> ChainedFragment:
    """Append what was said outside the history: it is seen and answered, but the next id does not hash it."""
    canonical = [fragment.out_of_band_id, fragment.canonical]
    id = id_of(namespace, cursor.head_id, fragment.kind, canonical)
    is_user = fragment.kind == "user"
    after = Cursor(
        cursor.head_id,
        id,
        id if is_user else cursor.turn_user_id,
        cursor.tool_preamble_id,
        cursor.used_tools,
        cursor.calls,
    )
    if is_user:
        return ChainedFragment(fragment, id, "user_message", cursor.last_visible_id, cursor.head_id, after)
    parent_id = cursor.turn_user_id or cursor.last_visible_id
    return ChainedFragment(fragment, id, "assistant_message", parent_id, cursor.head_id, after)


def name_link(fragment: Fragment) -> str | None:
    """Return by what a result finds its call: its id, else the name of the tool, as in OpenAI's old functions."""
    return fragment.call_id or (f"function {fragment.tool_name}" if fragment.tool_name else None)


def result_id_of(namespace: str, call_message_id: str) -> str:
    """Return the id of what a tool answered: one per call, whether seen in its span or in the next input."""
    return id_of_written(namespace, call_message_id, "tool_result", "null")


def disambiguate_choices(
    namespace: str, alternatives: Sequence[Sequence[ChainedFragment]]
) -> Iterator[ChainedFragment]:
    """Yield alternatives; one that says the same as another gets ids of its own, for it is another answer."""
    seen: set[str] = set()
    for index, alternative in enumerate(alternatives):
        ids = {fragment.id for fragment in alternative}
        if ids & seen:
            yield from (
                replace(fragment, id=id_of(namespace, fragment.id, "choice", index))
                for fragment in alternative
            )
        else:
            yield from alternative
        seen |= ids
