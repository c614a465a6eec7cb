"""Find in a conversation what an application resends of it, however it shortened or polished that. Pure.

A history that is resent whole hashes to the ids it had. Applications also send a window of the last
turns, leave out tool calls, put a summary in front, or tidy up an answer. Then the input is laid along the
messages that are known of the conversation: what is found there keeps its id, what comes after is new, and
what differs begins a branch.

| the input                                    | is taken as                                            |
|----------------------------------------------|--------------------------------------------------------|
| begins as the conversation, goes on otherwise| an edit or a regenerated answer: a branch there        |
| is word for word how the conversation began  | the same question asked again, also if it may be a window |
| begins in the middle of it                   | a window: what is found there is known                 |
| leaves out tool calls                        | the same messages, told shorter                        |
| has an answer much like the known one        | that answer, tidied up                                 |
| has one message before a window              | a summary: no message of the user                      |
| has nothing of it                            | new, after the newest message                          |
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

from greenflash_otel.conversations.state import Known, Node
from greenflash_otel.message_ids.chain import Placed, Position, step
from greenflash_otel.message_ids.fragments import CHAIN, Piece, cut
from greenflash_otel.message_ids.ids import id_of, likeness, sketch_of
from greenflash_otel.model.operation import Message

AHEAD = 64
"""Messages that are looked at to find one that follows on another."""

ALIKE = 0.6
"""Share of words two answers have in common of which one is the other tidied up."""


def place(
    namespace: str, known: Known, messages: Sequence[Message], start: Position
) -> tuple[tuple[Placed, ...], Position, bool]:
    """Place the pieces of an input that resends history, from its beginning or from anywhere in it.

    Gives what is placed, where the conversation stands then, and whether that follows from the input alone.

    Args:
        start: Where the input begins, if that is told; else `Position()`.
    """
    pieces = [(number, piece) for number, message in enumerate(messages) for piece in cut(message)]
    links = [piece for _, piece in pieces if _is_link(piece)]
    found = _align(namespace, known, links) if start == Position() else _align_at(known, start, links)
    known_as = deque(found.nodes)
    position, last, placed = found.start, -1, list[Placed]()
    for number, piece in pieces:
        if number != last:
            position, last = replace(position, requested=None), number
        if piece is found.summary:
            placed.append(step(namespace, position, replace(piece, kind="system"))[0])
        elif known_as and _is_link(piece):
            position = known_as.popleft().position
        else:
            # A thought stands before what it led to, also where that was told in another way.
            at = replace(position, tip=known_as[0].before) if known_as else position
            if piece.kind == "tool_result":
                at = _after_call(known, at, piece.call_id)
            done, after = step(namespace, at, piece)
            position = position if known_as else after
            placed.append(done)
    return tuple(placed), position, found.is_literal


def _after_call(known: Known, position: Position, call_id: str | None) -> Position:
    """The place after the call that a result answers, where the input leaves out what asked for it."""
    if call_id is None or position.call(call_id):
        return position
    node = known.nodes.get(known.calls.get(call_id, ""))
    return node.position if node and node.position.asked == position.asked else position


@dataclass(frozen=True, slots=True)
class _Alignment:
    """Where an input begins, and what each of its links is known as."""

    start: Position
    nodes: Sequence[Node] = ()
    """The known messages that the first links are; the others are new."""
    summary: Piece | None = None
    """What stands in front of them in place of older messages."""
    is_literal: bool = False
    """Whether it begins where the conversation does, and has nothing else than was said there."""


def node_of(namespace: str, placed: Placed) -> Node | None:
    """What is remembered of a placed piece, so that it is found again; None if nothing leads on from it."""
    if not _is_link(placed.piece):
        return None
    return Node(
        placed.id,
        placed.piece.kind,
        key_of_piece(namespace, placed.piece),
        placed.before,
        placed.after,
        _sketch(placed.piece),
    )


def _align(namespace: str, known: Known, links: Sequence[Piece]) -> _Alignment:
    exact = _walk_exactly(namespace, known, links)
    rest = links[len(exact) :]
    if not known.bridges and not any(link.kind != "user" for link in rest):
        if exact and not _says_it_again(known, links):
            return _Alignment(Position(), exact, is_literal=True)
        # Nothing in it claims to be history: the next message of an application that resends none, or,
        # where it does resend, another beginning.
        if known.resends or not known.nodes:
            return _Alignment(Position(), is_literal=True)
        return _Alignment(known.latest)
    best, score = _Alignment(Position(), exact, is_literal=True), _score(known, exact)
    for skipped in (0, 1):
        for first in known.that_say(key_of_piece(namespace, links[skipped])) if len(links) > skipped else ():
            nodes = _walk(known, first, links[skipped + 1 :])
            if _score(known, nodes) > score and any(node.kind != "user" for node in nodes):
                score, before = _score(known, nodes), known.before(first)
                start = before.position if before else Position()
                best = _Alignment(start, nodes, links[0] if skipped else None)
    return best


def _align_at(known: Known, start: Position, links: Sequence[Piece]) -> _Alignment:
    """What follows on a known place may be known as well, told in another way."""
    first = known.nodes.get(start.tip or "")
    return _Alignment(start, _walk(known, first, links)[1:] if first else ())


def _score(known: Known, nodes: Sequence[Node]) -> tuple[bool, int]:
    """How well it fits: best is to go on where the conversation stands, for then nothing is lost."""
    return bool(nodes) and nodes[-1].id == known.latest.tip, len(nodes)


def _says_it_again(known: Known, links: Sequence[Piece]) -> bool:
    """Whether an input that only says what the conversation began with is something said again.

    An application that resends no history sends each message alone. After several turns of that it goes on;
    one that does resend asks for another answer to its first message.
    """
    return len(links) == 1 and not known.resends and known.turns > 1


def _walk_exactly(namespace: str, known: Known, links: Sequence[Piece]) -> list[Node]:
    """The known messages of any branch that the input begins with, word for word."""
    nodes: list[Node] = []
    tip: str | None = None
    for link in links:
        node = known.nodes.get(id_of(namespace, tip, link.kind, link.canonical))
        if node is None:
            break
        nodes.append(node)
        tip = node.id
    return nodes


def _walk(known: Known, first: Node, links: Sequence[Piece]) -> list[Node]:
    """``first``, and the messages after it that ``links`` are, told shorter or tidied up."""
    nodes = [first]
    for link in links:
        found = _next(known, nodes[-1], link)
        if found is None:
            break
        nodes.append(found)
    return nodes


def _next(known: Known, node: Node, link: Piece) -> Node | None:
    """The message after ``node`` that ``link`` is. No message of the user is left out on the way."""
    key, polished, alike, seen = key_of_piece(known.namespace, link), None, ALIKE, 0
    ahead = known.after(node)
    while ahead and seen < AHEAD:
        one = ahead.pop(0)
        seen += 1
        if one.key == key:
            return one
        if link.kind == one.kind == "answer" and (share := likeness(one.sketch, _sketch(link))) > alike:
            polished, alike = one, share
        if one.kind != "user":
            ahead += known.after(one)
    return polished


def _is_link(piece: Piece) -> bool:
    return piece.kind in CHAIN and not piece.by_provider and piece.aside is None


def key_of_piece(namespace: str, piece: Piece) -> str:
    """What a piece says, wherever it stands."""
    return id_of(namespace, None, piece.kind, piece.canonical)


def _sketch(piece: Piece) -> int:
    return sketch_of(piece.text or "") if piece.kind == "answer" else 0
