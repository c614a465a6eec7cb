"""Which message belongs to which turn, which turn follows which, and where a conversation branches. Pure.

A user message opens a turn. Any other message belongs to the turn of its nearest ancestor that is one; without
such an ancestor to the turn before it in time. A turn follows the one that its user message hangs on; without a
parent the one before it in time. Two turns that follow the same one are branches.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from greenflash_otel.emulator.stored import StoredMessage

OPENING = ""
"""The id of the turn of what came before any user message."""


@dataclass(frozen=True, slots=True)
class TurnTree:
    """The turns of a conversation, by the id of the message that opens them."""

    messages: Mapping[str, Sequence[StoredMessage]]
    """Of each turn, in the order of their times."""
    before: Mapping[str, str | None]
    """The turn that each one follows; None of those that begin the conversation."""
    after: Mapping[str | None, Sequence[str]]
    """The turns that follow each one, in the order of their times."""
    turn_of: Mapping[str, str]
    """The turn of each message."""


def find_parents(messages: Sequence[StoredMessage]) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """Return the parent of each message by id, and the ids of parents that are not stored."""
    by_external_id = {message.external_id: message.id for message in messages if message.external_id}
    ids = {message.id for message in messages}
    parents: dict[str, str] = {}
    missing: dict[str, str] = {}
    for message in messages:
        named = message.parent_external_id or message.parent_id
        if not named:
            continue
        parent = by_external_id.get(named, named.lower())
        if parent not in ids:
            missing[message.id] = named
        elif parent != message.id:
            parents[message.id] = parent
    return parents, missing


def build_tree(messages: Sequence[StoredMessage], parents: Mapping[str, str]) -> TurnTree:
    """Sort messages, which come in the order of their times, into turns."""
    by_id = {message.id: message for message in messages}
    turn_of: dict[str, str] = {}
    turns: defaultdict[str, list[StoredMessage]] = defaultdict(list)
    current = OPENING
    for message in messages:
        if message.type == "user_message":
            current = message.id
        turn = _find_turn(message, by_id, parents, turn_of)
        turn_of[message.id] = turn = current if turn is None else turn
        turns[turn].append(message)
    before = _find_turns_before(turns, parents, turn_of)
    after: defaultdict[str | None, list[str]] = defaultdict(list)
    for turn in turns:
        after[before[turn]].append(turn)
    return TurnTree(turns, before, after, turn_of)


def choose_path(tree: TurnTree, leaf: str | None) -> Sequence[str]:
    """Return the turns to show, first to last: those through the message ``leaf``, else those that were continued."""
    chosen = tree.turn_of.get(leaf or "")
    wanted = set(_walk_back(tree, chosen))
    weights = _weigh(tree)
    path: list[str] = []
    following = tree.after.get(None, ())
    while following:
        turn = next((each for each in following if each in wanted), None)
        path.append(turn or max(following, key=lambda each: weights[each]))
        following = tree.after.get(path[-1], ())
    return path


def _find_turn(
    message: StoredMessage,
    by_id: Mapping[str, StoredMessage],
    parents: Mapping[str, str],
    turn_of: Mapping[str, str],
) -> str | None:
    """Return the turn that the parents of a message lead to; None if they lead to none."""
    seen: set[str] = set()
    at: str | None = message.id
    while at is not None and at not in seen:
        if by_id[at].type == "user_message":
            return at
        if at in turn_of:
            return turn_of[at]
        seen.add(at)
        at = parents.get(at)
    return None


def _find_turns_before(
    turns: Mapping[str, object], parents: Mapping[str, str], turn_of: Mapping[str, str]
) -> Mapping[str, str | None]:
    """Return the turn that each one follows. Parents in a circle, or of a later time, count as none."""
    before: dict[str, str | None] = {}
    last: str | None = None
    for turn in turns:
        parent = parents.get(turn)
        parent_turn = None if parent is None else turn_of[parent]
        before[turn] = parent_turn if parent_turn in before else last
        last = turn
    return before


def _walk_back(tree: TurnTree, turn: str | None) -> Iterator[str]:
    while turn is not None:
        yield turn
        turn = tree.before[turn]


def _weigh(tree: TurnTree) -> Mapping[str, tuple[bool, int]]:
    """Return for each turn whether it was continued, and the position of the latest message from there on."""
    latest = {turn: max(message.position for message in tree.messages[turn]) for turn in tree.messages}
    for turn in reversed(list(tree.messages)):  # a turn is listed after the one that it follows
        before = tree.before[turn]
        if before is not None:
            latest[before] = max(latest[before], latest[turn])
    return {turn: (bool(tree.after.get(turn)), latest[turn]) for turn in latest}
