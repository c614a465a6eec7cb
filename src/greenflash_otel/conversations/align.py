"""Match a resent history against the messages already known. Pure.

A history that is resent whole hashes to the ids it had. Applications also send a window of the last turns,
leave out tool calls, put a summary in front, or tidy up an answer. Then the links of the input are matched
against the known messages: what matches keeps its id, what comes after is new, what differs begins a branch.

| the input                                       | is                                                  |
|-------------------------------------------------|-----------------------------------------------------|
| begins as the conversation, continues otherwise | an edit or a regenerated answer: a branch there     |
| is word for word how the conversation began     | the same question again, also if it may be a window |
| begins in the middle of it                      | a window: what matches is known                     |
| leaves out tool calls                           | the same messages, shortened                        |
| has an answer much like the known one           | that answer, tidied up                              |
| has one message before a window                 | a summary: no message of the user                   |
| has nothing of it                               | new, after the newest message                       |

Theory. Only links are matched, since only they move the head; see `message_ids.chain`. Whatever is between
two known links (a thought, a result) hangs where the known link before it says. An input that has nothing but
user messages after the exact part makes no claim about history, so nothing in it is searched for elsewhere:
a user who says "yes" twice has said it twice.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence

from greenflash_otel.conversations.changes import MessageNode
from greenflash_otel.conversations.prepare import PreparedOperation
from greenflash_otel.conversations.resolve import Resolution
from greenflash_otel.conversations.state import ConversationState
from greenflash_otel.message_ids.chain import START, ChainedFragment, Cursor, append_fragment, extend_chain
from greenflash_otel.message_ids.fragments import Fragment, SplitMessage
from greenflash_otel.message_ids.ids import compute_jaccard_similarity, id_of_written
from greenflash_otel.values import value

MAX_LOOKAHEAD = 64
"""Messages that are looked at to find one that follows another."""

SIMILARITY_THRESHOLD = 0.6
"""Share of words two answers have in common of which one is the other tidied up."""


@value
class Alignment:
    """An input, matched against its conversation."""

    chained: Sequence[ChainedFragment]
    """The fragments that are not known, and what hangs between known ones."""
    cursor: Cursor
    """Where the conversation is after the input."""
    from_input_alone: bool
    """Whether that follows from the input alone: whoever sees only this input comes to the same ids."""


@value
class _Match:
    """Where an input begins, and which known messages its links are."""

    start: Cursor
    nodes: Sequence[MessageNode] = ()
    """The known messages that the first links are; the other links are new."""
    summary: Fragment | None = None
    """What is in front of them in place of older messages."""
    from_input_alone: bool = False


def align(state: ConversationState, found: Resolution, prepared: PreparedOperation) -> Alignment:
    """Place the input of an operation in its conversation, whatever of the history it resends."""
    if found.cursor is None or prepared.operation.input_parent_id:
        aligned = _align_to_known(state, found)
    else:
        chained, cursor = extend_chain(state.namespace, found.cursor, found.rest)
        aligned = Alignment(chained, cursor, from_input_alone=False)
    if prepared.operation.used_tools:
        return Alignment(aligned.chained, aligned.cursor.with_tools(), aligned.from_input_alone)
    return aligned


def node_of(namespace: str, chained: ChainedFragment) -> MessageNode | None:
    """Return what is remembered of a fragment, so that it is found again; None if nothing follows it."""
    fragment = chained.fragment
    if not fragment.is_link:
        return None
    return MessageNode(
        chained.id,
        fragment.kind,
        fragment.hash_content(namespace),
        chained.previous_id,
        chained.cursor,
        fragment.sketch,
        fragment.tool_name if fragment.kind == "tool_call" else None,
    )


def _align_to_known(state: ConversationState, found: Resolution) -> Alignment:
    links = [fragment for message in found.rest for fragment in message.fragments if fragment.is_link]
    match = match_sequence(state, links) if found.cursor is None else _match_after(state, found.cursor, links)
    chained, cursor = _append_unknown(state, match, found.rest)
    return Alignment(chained, cursor, match.from_input_alone)


def _append_unknown(
    state: ConversationState, match: _Match, messages: Sequence[SplitMessage]
) -> tuple[list[ChainedFragment], Cursor]:
    """Append what is new, and what hangs between known links; step over the known links themselves."""
    known, cursor, chained = deque(match.nodes), match.start, list[ChainedFragment]()
    for message in messages:
        cursor = cursor.move_to_message_start()
        for fragment in message.fragments:
            if fragment is match.summary:
                chained.append(_append_summary(state.namespace, cursor, fragment))
            elif known and fragment.is_link:
                cursor = known.popleft().cursor
            else:
                # A thought is before what it led to, also where that came in another form.
                at = cursor.with_head(known[0].previous_id) if known else cursor
                if fragment.kind == "tool_result":
                    at = _find_call(state, at, fragment.call_id)
                appended = append_fragment(state.namespace, at, fragment)
                cursor = cursor if known else appended.cursor
                chained.append(appended)
    return chained, cursor


def _append_summary(namespace: str, cursor: Cursor, fragment: Fragment) -> ChainedFragment:
    """Append what the application put in place of old messages: the user did not say it."""
    summary = Fragment(
        "system", fragment.canonical, fragment.text, fragment.data, voice=fragment.voice, at_ms=fragment.at_ms
    )
    return append_fragment(namespace, cursor, summary)


def _find_call(state: ConversationState, cursor: Cursor, call_id: str | None) -> Cursor:
    """Return the place after the call that a result answers, where the input leaves out what asked for it."""
    if call_id is None or cursor.find_call(call_id):
        return cursor
    node = state.nodes.get(state.tool_call_message_ids.get(call_id, ""))
    return node.cursor if node and node.cursor.turn_user_id == cursor.turn_user_id else cursor


def match_sequence(state: ConversationState, links: Sequence[Fragment]) -> _Match:
    """Match links against the conversation, from its beginning or from anywhere in it.

    Where ids of the conversation hash responses, a history that is resent whole does not begin with its ids.
    """
    exact = match_prefix(state, links)
    if not state.parent_overrides and all(link.kind == "user" for link in links[len(exact) :]):
        if exact and not is_repeat(state, links):
            return _Match(START, exact, from_input_alone=True)
        # Nothing in it claims to be history: the next message of an application that resends none, or,
        # where it does resend, another beginning.
        if state.facts.resends_history or not state.nodes:
            return _Match(START, from_input_alone=True)
        return _Match(state.facts.cursor)
    best, best_score = _Match(START, exact, from_input_alone=True), _score(state, exact)
    for first, skipped in _list_beginnings(state, links):
        nodes = _match_from(state, first, links[skipped + 1 :])
        score = _score(state, nodes)
        if score > best_score and any(node.kind != "user" for node in nodes):
            parent = state.parent_of(first)
            start = parent.cursor if parent else START
            best, best_score = _Match(start, nodes, links[0] if skipped else None), score
    return best


def match_prefix(state: ConversationState, links: Sequence[Fragment]) -> list[MessageNode]:
    """Return the known messages of any branch that the links begin with, word for word."""
    nodes: list[MessageNode] = []
    head_id: str | None = None
    for link in links:
        node = state.nodes.get(id_of_written(state.namespace, head_id, link.kind, link.written))
        if node is None:
            break
        nodes.append(node)
        head_id = node.id
    return nodes


def is_repeat(state: ConversationState, links: Sequence[Fragment]) -> bool:
    """Return whether an input that only says what the conversation began with is said once more.

    An application that resends no history sends each message alone. After several turns of that, this is the
    next one. An application that does resend asks for another answer to its first message.
    """
    return len(links) == 1 and not state.facts.resends_history and state.facts.turn_count > 1


def find_successor(state: ConversationState, node: MessageNode, link: Fragment) -> MessageNode | None:
    """Return the message after ``node`` that a link is. No message of the user is skipped on the way."""
    key, similar, most_similar = link.hash_content(state.namespace), None, SIMILARITY_THRESHOLD
    ahead, at = state.list_children(node), 0
    while at < min(len(ahead), MAX_LOOKAHEAD):
        candidate = ahead[at]
        at += 1
        if candidate.content_key == key:
            return candidate
        if link.kind == candidate.kind == "answer":
            similarity = compute_jaccard_similarity(candidate.sketch, link.sketch)
            if similarity > most_similar:
                similar, most_similar = candidate, similarity
        if candidate.kind != "user":
            ahead += state.list_children(candidate)
    return similar


def _match_after(state: ConversationState, start: Cursor, links: Sequence[Fragment]) -> _Match:
    """Match what follows a known place: it may be known as well, in another form."""
    first = state.nodes.get(start.head_id or "")
    return _Match(start, _match_from(state, first, links)[1:] if first else ())


def _match_from(state: ConversationState, first: MessageNode, links: Sequence[Fragment]) -> list[MessageNode]:
    """Return ``first``, and the messages after it that the links are, shortened or tidied up."""
    nodes = [first]
    for link in links:
        found = find_successor(state, nodes[-1], link)
        if found is None:
            break
        nodes.append(found)
    return nodes


def _list_beginnings(
    state: ConversationState, links: Sequence[Fragment]
) -> Iterator[tuple[MessageNode, int]]:
    """Yield known messages that the first link may be, or the second, where the first is a summary."""
    for skipped, link in enumerate(links[:2]):
        for node in state.find_by_content(link.hash_content(state.namespace)):
            yield node, skipped


def _score(state: ConversationState, nodes: Sequence[MessageNode]) -> tuple[bool, int]:
    """Rate a match: best is to end where the conversation is now, for then nothing is lost."""
    return bool(nodes) and nodes[-1].id == state.facts.cursor.head_id, len(nodes)
