"""A conversation as an indented tree of text, for terminals and failing tests. Pure.

    conversation chat-42 (user ada, organization acme, model gpt-5)
      user_message          Which plan fits 20 people?
        tool_call           find_plans {"seats": 20}
          observation       find_plans {"plans": ["team"]}
            final_response  The Team plan does.
      user_message          Then upgrade us.
    outcomes
      upgrade 149.00 (currency, positive)

A message is below its parent. A user message opens a turn and goes back to the margin of the
turn before, so that long talks stay narrow; where its parent was answered twice, each answer is a
branch and moves in. A parent that is not stored is named.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from greenflash_otel.emulator.stored import StoredConversation, StoredMessage, StoredOutcome, StoredRating

WIDTH = 88
"""Characters of one message's text; longer ones are cut with an ellipsis."""

INDENT = "  "


DEEPEST = 10
"""Levels that are distinguished; deeper ones, as in long agent loops, stay at this one."""


def render(conversation: StoredConversation) -> str:
    """Render the conversation, its outcomes and its ratings, one line each."""
    rows = [
        (INDENT * min(depth, DEEPEST) + message.type, _write_text(message) + missing)
        for message, depth, missing in _walk(conversation.messages)
    ]
    column = max((len(label) for label, _ in rows), default=0) + len(INDENT)
    lines = [
        _write_heading(conversation),
        *(INDENT + (label.ljust(column) + text).rstrip() for label, text in rows),
    ]
    for title, entries in (
        ("outcomes", map(_write_outcome, conversation.outcomes)),
        ("ratings", map(_write_rating, conversation.ratings)),
    ):
        texts = [INDENT + _cut_text(entry) for entry in entries]
        lines += [title, *texts] if texts else []
    return "\n".join(lines)


def _walk(messages: Sequence[StoredMessage]) -> Iterator[tuple[StoredMessage, int, str]]:
    """Yield each message exactly once, below its parent, with its depth and a note about a missing parent."""
    children, missing = _group_children(messages)
    done: set[str] = set()
    # All messages are offered as roots at last: parents in a circle must not hide each other.
    levels = [_Level(iter([*children[None], *messages]), 0, None)]
    while levels:
        level = levels[-1]
        message = next((each for each in level.messages if each.id not in done), None)
        if message is None:
            levels.pop()
            continue
        done.add(message.id)
        yield message, level.depth, missing.get(message.id, "")
        turns = level.turns
        if turns is None or message.type == "user_message":
            turns = []
            levels.append(_Level(iter(turns), level.depth, None))  # grows while the turn is walked
        steps, following = _split(children[message.id])
        turns += following
        levels.append(_Level(iter(steps), level.depth + 1, turns))


@dataclass(frozen=True, slots=True)
class _Level:
    """Messages of one depth that are still to be walked."""

    messages: Iterator[StoredMessage]
    depth: int
    turns: list[StoredMessage] | None
    """Takes the user messages that follow the turn these belong to; None where each opens a turn."""


def _split(children: Sequence[StoredMessage]) -> tuple[Sequence[StoredMessage], Sequence[StoredMessage]]:
    """Return the children to show below their parent, and the only one that continues the talk, if there is one."""
    users = [child for child in children if child.type == "user_message"]
    if len(users) != 1:
        return children, ()
    return [child for child in children if child is not users[0]], users


def _group_children(
    messages: Sequence[StoredMessage],
) -> tuple[Mapping[str | None, Sequence[StoredMessage]], Mapping[str, str]]:
    """Return the children of each parent, roots under None; and what to say of parents that are not stored."""
    ids = {message.external_id: message.id for message in messages if message.external_id}
    known_ids = {message.id for message in messages}
    children: defaultdict[str | None, list[StoredMessage]] = defaultdict(list)
    missing: dict[str, str] = {}
    for message in messages:
        named = message.parent_external_id or message.parent_id or ""
        parent = ids.get(named, named.lower())
        if named and parent not in known_ids:
            missing[message.id] = f"  [parent {named} is not stored]"
        children[parent if parent in known_ids else None].append(message)
    return children, missing


def _write_heading(conversation: StoredConversation) -> str:
    about = {
        "user": conversation.external_user_id,
        "organization": conversation.external_organization_id,
        "model": conversation.model,
    }
    recorded = ", ".join(f"{name} {value}" for name, value in about.items() if value)
    return f"conversation {conversation.external_id or conversation.id} ({recorded})"


def _write_text(message: StoredMessage) -> str:
    payloads = [_compact(payload) for payload in (message.input, message.output) if payload is not None]
    parts = [message.tool_name, message.content, " → ".join(payloads)]
    return _cut_text(" ".join(part for part in parts if part))


def _write_outcome(outcome: StoredOutcome) -> str:
    return f"{outcome.event_type} {outcome.value} ({outcome.value_type}, {outcome.influence})"


def _write_rating(rating: StoredRating) -> str:
    of = f" of {rating.message}" if rating.message else ""
    feedback = f": {rating.feedback}" if rating.feedback else ""
    return f"{rating.rating:g} in {rating.rating_min:g} to {rating.rating_max:g}{of}{feedback}"


def _compact(payload: Mapping[str, Any]) -> str:
    return json.dumps(payload, ensure_ascii=False)


def _cut_text(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= WIDTH else line[: WIDTH - 1] + "…"
