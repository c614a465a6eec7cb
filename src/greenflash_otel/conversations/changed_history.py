"""Match a history that comes back changed against the messages already known. Pure.

Applications put context into a question, or take it out again. They drop pictures, renew addresses, hide names,
translate or cut answers, write call ids anew, and put summaries in place of old turns. This module finds the
last link of a history that is known. The links before it are known as well, in whatever form, or inserted by
the application: nobody said those now.

| a link                                           | is                                                |
|--------------------------------------------------|---------------------------------------------------|
| that says what a known message says, in order    | that message; media, address queries and call ids |
|                                                  | do not count                                      |
| before such a link                               | known in another form, or inserted                |
| that is an answer after a known question         | the known answer, if it is alike; or if there is  |
|                                                  | only this one, unless other answers come back     |
|                                                  | word for word                                     |
| that is a question, alike a known one, and its   | the known question                                |
| answer is known, by these rules                  |                                                   |
| that nothing but questions follows               | asked now: only word for word is it known         |

A text of the user that is asked now is never matched by likeness: an edit has to stay a branch. An answer
unlike the known one may also be one that was regenerated and seen by another process. So it is known by its place
only if the application is not seen to resend answers as they were, or if it is much shorter than the known one.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import islice

from greenflash_otel.conversations.changes import MessageNode
from greenflash_otel.conversations.state import ConversationState
from greenflash_otel.message_ids.fragments import Fragment
from greenflash_otel.message_ids.ids import compute_containment, compute_jaccard_similarity
from greenflash_otel.values import value

MAX_LOOKAHEAD = 64
"""Messages that are looked at to find one that follows another."""
MAX_CHANGED = 4
"""Links at the end of a history that are looked for by likeness alone."""
MAX_PATHS = 8
"""Branches that a history is compared with."""
SIMILARITY_THRESHOLD = 0.6
"""Share of words two texts have in common of which one is the other, tidied up."""
CONTAINMENT_THRESHOLD = 0.8
"""Share of the words of a text that another one has which contains it."""
SHORTENED = 0.6
"""Share of an answer's words that is left of it where it was shortened."""
LEAST_WORDS = 3
"""Words below which texts are equal or alike by chance."""

Matches = list["MessageNode | None"]
"""The known messages that the first links are. None: known in a form that is not recognised, or inserted."""


def count_resent(links: Sequence[Fragment]) -> int:
    """Return how many links are history: all but the questions at the end, which are asked now."""
    return max((at for at, link in enumerate(links, 1) if link.kind != "user"), default=0)


def are_alike(link: Fragment, node: MessageNode) -> bool:
    """Return whether a text is another form of a known one: tidied up, a part of it, or more than it."""
    if link.kind != node.kind or not link.sketch or not node.sketch:
        return False
    return (
        compute_jaccard_similarity(link.sketch, node.sketch) > SIMILARITY_THRESHOLD
        or compute_containment(link.sketch, node.sketch) >= CONTAINMENT_THRESHOLD
    )


def is_same_text(state: ConversationState, link: Fragment, node: MessageNode) -> bool:
    """Return whether a link says what a known message says, but for what applications renew."""
    if link.hash_content(state.namespace) == node.content_key:
        return True
    loose_key = link.hash_loosely(state.namespace)
    return loose_key in (node.content_key, node.loose_key)


def list_successors(state: ConversationState, node: MessageNode | None) -> Iterator[MessageNode]:
    """Yield the messages after one. No message of the user is skipped on the way."""
    ahead, at = state.list_children(node), 0
    while at < min(len(ahead), MAX_LOOKAHEAD):
        yield ahead[at]
        if ahead[at].kind != "user":
            ahead += state.list_children(ahead[at])
        at += 1


def match_changed(
    state: ConversationState, links: Sequence[Fragment], after: MessageNode | None = None
) -> Matches:
    """Return the known messages that the first links are; the last of them is one, if there are any.

    Args:
        after: The message after which the links come, if that is known.
    """
    resent = count_resent(links)
    exact = _match_path(state, links[:resent], after)
    matched = _Matcher(state, links, resent).extend(exact, after)
    if exact or after is not None or not resent:
        return matched
    return _match_alike(state, links, resent, matched) or matched


def _match_path(state: ConversationState, links: Sequence[Fragment], after: MessageNode | None) -> Matches:
    """Match links with the branch that says most of them; only what is the same text counts here."""
    best: Sequence[tuple[int, MessageNode]] = ()
    best_rank = (False, 0)
    for path in _list_paths(state, links, after):
        pairs = _match_in_order(state, links, path)
        if pairs and _is_certain(links, path, pairs):
            rank = (pairs[-1][1].id == state.facts.cursor.head_id, len(pairs))
            if rank > best_rank:
                best, best_rank = pairs, rank
    if not best:
        return []
    matches: Matches = [None] * (best[-1][0] + 1)
    for at, node in best:
        matches[at] = node
    return matches


def _list_paths(
    state: ConversationState, links: Sequence[Fragment], after: MessageNode | None
) -> Iterator[Sequence[MessageNode]]:
    """Yield branches that have messages of these links: the one where the conversation is now first."""
    limit = 4 * len(links) + MAX_LOOKAHEAD
    seen: set[str] = set()
    count = 0
    for node in _list_anchors(state, links):
        if node.id in seen:
            continue
        path = _walk_path(state, node, limit)
        if after is not None:
            at = next((at for at, known_node in enumerate(path, 1) if known_node.id == after.id), None)
            path = path[at:] if at else []
        seen.update(known_node.id for known_node in path)
        yield path
        count += 1
        if count == MAX_PATHS:
            return


def _list_anchors(state: ConversationState, links: Sequence[Fragment]) -> Iterator[MessageNode]:
    newest = state.nodes.get(state.facts.cursor.head_id or "")
    if newest is not None:
        yield newest
    for link in reversed(links):
        yield from state.find_by_content(link.hash_content(state.namespace))
        if (loose_key := link.hash_loosely(state.namespace)) != link.hash_content(state.namespace):
            yield from state.find_by_content(loose_key)


def _walk_path(state: ConversationState, node: MessageNode, limit: int) -> list[MessageNode]:
    """Return the messages before one, the message, and the newest ones after it."""
    path = [node]
    while len(path) < limit and (before := state.parent_of(path[-1])) is not None:
        path.append(before)
    path.reverse()
    while len(path) < 2 * limit and (children := state.list_children(path[-1])):
        path.append(children[0])
    return path


def _match_in_order(
    state: ConversationState, links: Sequence[Fragment], path: Sequence[MessageNode]
) -> list[tuple[int, MessageNode]]:
    """Return as many links as say the same as messages of a path, in its order; rather late ones.

    This is the longest increasing subsequence of the places, from the end.
    """
    places: dict[str, list[int]] = {}
    for place, node in enumerate(path):
        for key in {node.content_key, node.loose_key or node.content_key}:
            places.setdefault(key, []).append(-place)
    ends: list[int] = []
    chains: list[_Chain] = []
    for at in range(len(links) - 1, -1, -1):
        keys = (links[at].hash_content(state.namespace), links[at].hash_loosely(state.namespace))
        for place in sorted(
            {negated_place for key in keys for negated_place in places.get(key, ())}, reverse=True
        ):
            length = bisect_left(ends, place)
            chain = _Chain(at, place, chains[length - 1] if length else None)
            ends[length : length + 1] = [place]
            chains[length : length + 1] = [chain]
    pairs, last = list[tuple[int, MessageNode]](), chains[-1] if chains else None
    while last is not None:
        pairs.append((last.at, path[-last.place]))
        last = last.after
    return pairs


@value
class _Chain:
    """A link and its place in a path, with those after it."""

    at: int
    place: int
    after: _Chain | None


def _is_certain(
    links: Sequence[Fragment], path: Sequence[MessageNode], pairs: Sequence[tuple[int, MessageNode]]
) -> bool:
    """Return whether more than chance says that links are messages of a path."""
    words = sum(node.sketch.bit_count() if node.kind != "tool_call" else LEAST_WORDS for _, node in pairs)
    if words >= LEAST_WORDS:
        return True
    last_at, last = pairs[-1]
    before = path[: next(place for place, node in enumerate(path, 1) if node.id == last.id)]
    return [link.kind for link in links[: last_at + 1]] == [node.kind for node in before]


def _match_alike(state: ConversationState, links: Sequence[Fragment], resent: int, other: Matches) -> Matches:
    """Match a window of which no text is as it was, unless ``other`` matches it better."""
    for at in range(resent - 1, max(-1, resent - 1 - MAX_CHANGED), -1):
        link = links[at]
        recent = islice(reversed(state.nodes.values()), MAX_LOOKAHEAD)
        alike = [node for node in recent if link.sketch.bit_count() >= LEAST_WORDS and are_alike(link, node)]
        if not alike:
            continue
        node = max(alike, key=lambda node: _compare(link, node))
        matches = _Matcher(state, links, resent).extend([*([None] * at), node], None)
        known_node = other[at] if len(other) >= resent else None
        if len(matches) >= resent and (
            known_node is None or _compare(link, node) > _compare(link, known_node)
        ):
            return matches
    return []


def _compare(link: Fragment, node: MessageNode) -> tuple[float, float]:
    return (
        compute_containment(link.sketch, node.sketch),
        compute_jaccard_similarity(link.sketch, node.sketch),
    )


class _Matcher:
    """Matches the links after known ones, one by one, also by likeness and by place."""

    def __init__(self, state: ConversationState, links: Sequence[Fragment], resent: int) -> None:
        self._state = state
        self._links = links
        self._resent = resent
        self._are_answers_as_they_were = False

    def extend(self, matches: Matches, after: MessageNode | None) -> Matches:
        """Return the known links, and the links after them that are known in any form."""
        matches = list(matches)
        last = matches[-1] if matches else after
        self._are_answers_as_they_were = any(
            node is not None
            and node.kind == "answer"
            and link.hash_content(self._state.namespace) == node.content_key
            for link, node in zip(self._links, matches, strict=False)
        )
        while len(matches) < len(self._links) and (node := self._find(len(matches), last)) is not None:
            matches.append(node)
            last = node
        return matches

    def _find(self, at: int, before: MessageNode | None) -> MessageNode | None:
        """Return the message after a known one that a link is."""
        link = self._links[at]
        key = link.hash_content(self._state.namespace)
        ahead = [node for node in list_successors(self._state, before) if node.kind == link.kind]
        exact = next((node for node in ahead if node.content_key == key), None)
        if exact is not None or at >= self._resent:
            return exact
        same = next((node for node in ahead if is_same_text(self._state, link, node)), None)
        if same is not None:
            return same
        match link.kind:
            case "answer":
                return self._find_answer(at, ahead)
            case "user":
                return next((node for node in ahead if self._is_question(at, node)), None)
            case _:
                called = self._state.tool_call_message_ids.get(link.call_id or "")
                return next((node for node in ahead if node.id == called), None)

    def _find_answer(self, at: int, ahead: Sequence[MessageNode]) -> MessageNode | None:
        """Return the known answer that a text is, by likeness, else because there is no other."""
        link = self._links[at]
        alike = [node for node in ahead if are_alike(link, node)]
        if alike:
            return max(alike, key=lambda node: compute_jaccard_similarity(link.sketch, node.sketch))
        if at + 1 == len(self._links):
            return None
        ends_turn = self._links[at + 1].kind == "user"
        last = [node for node in ahead if self._ends_turn(node) is ends_turn]
        if len(last) != 1:
            return None
        is_shorter = link.sketch.bit_count() <= SHORTENED * last[0].sketch.bit_count()
        return last[0] if is_shorter or not self._are_answers_as_they_were else None

    def _ends_turn(self, node: MessageNode) -> bool:
        return all(child.kind == "user" for child in self._state.list_children(node))

    def _is_question(self, at: int, node: MessageNode) -> bool:
        """Return whether a link is a known question in another form: what follows it is known, too."""
        if at + 1 >= self._resent or self._links[at + 1].kind == "user":
            return False
        following, next_link = self._find(at + 1, node), self._links[at + 1]
        if following is None:
            return False
        return are_alike(self._links[at], node) or (
            are_alike(next_link, following) and next_link.sketch.bit_count() >= LEAST_WORDS
        )
