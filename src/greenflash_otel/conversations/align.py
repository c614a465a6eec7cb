"""Match a resent history against the messages already known. Pure.

A history that is resent whole hashes to the ids it had. Applications also send a window of the last turns,
leave out tool calls, put a summary in front, or change what was said. Then the links of the input are matched
against the known messages: what matches keeps its id, what comes after is new, what differs begins a branch.
Where words differ, `changed_history` decides.

| the input                                       | is                                                  |
|-------------------------------------------------|-----------------------------------------------------|
| begins as the conversation, continues otherwise | an edit or a regenerated answer: a branch there     |
| is word for word how the conversation began     | the same question again, also if it may be a window |
| begins in the middle of it                      | a window: what matches is known                     |
| leaves out tool calls                           | the same messages, shortened                        |
| has known messages in another form              | those messages, under their first form              |
| has something unknown before known messages     | inserted by the application: no message at all      |
| has all that is known once more                 | those messages: a state that was added to itself    |
| has more of an answer that asked for tools      | that answer; only what was left out of it is new    |
| has nothing of it                               | new, after the newest message                       |

Theory. Only links are matched, since only they move the head; see `message_ids.chain`. Whatever is between
two known links (a thought, a result) hangs where the known link before it says. An input that has nothing but
user messages after the exact part makes no claim about history, so nothing in it is searched for elsewhere:
a user who says "yes" twice has said it twice.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from greenflash_otel.conversations.changed_history import (
    count_resent,
    list_successors,
    match_changed,
)
from greenflash_otel.conversations.changes import MessageNode
from greenflash_otel.conversations.prepare import PreparedOperation, list_links
from greenflash_otel.conversations.provider_calls import find_known_call
from greenflash_otel.conversations.resolve import Resolution
from greenflash_otel.conversations.state import ConversationState
from greenflash_otel.message_ids.chain import (
    START,
    ChainedFragment,
    Cursor,
    append_fragment,
    disambiguate_choices,
    extend_chain,
    name_link,
)
from greenflash_otel.message_ids.fragments import Fragment, SplitMessage
from greenflash_otel.message_ids.ids import id_of_written
from greenflash_otel.model.long_input import Beginning
from greenflash_otel.values import value


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
    nodes: Sequence[MessageNode | None] = ()
    """The known messages that the first links are, None for what is inserted; the other links are new."""
    from_input_alone: bool = False


def align(state: ConversationState, resolution: Resolution, prepared: PreparedOperation) -> Alignment:
    """Place the input of an operation in its conversation, whatever of the history it resends."""
    if resolution.cursor is None or prepared.operation.input_parent_id:
        aligned = _align_to_known(state, resolution, prepared.beginning)
    else:
        chained, cursor = extend_chain(state.namespace, resolution.cursor, resolution.rest)
        aligned = Alignment(chained, cursor, from_input_alone=False)
    if prepared.operation.used_tools:
        return Alignment(aligned.chained, aligned.cursor.with_tools(), aligned.from_input_alone)
    return aligned


def node_of(namespace: str, chained: ChainedFragment) -> MessageNode | None:
    """Return what is remembered of a fragment, so that it is found again; None if nothing follows it."""
    fragment = chained.fragment
    if not fragment.is_link:
        return None
    key, loose_key = fragment.hash_content(namespace), fragment.hash_loosely(namespace)
    return MessageNode(
        chained.id,
        fragment.kind,
        key,
        chained.previous_id,
        chained.cursor,
        fragment.sketch,
        fragment.tool_name if fragment.kind == "tool_call" else None,
        None if loose_key == key else loose_key,
    )


def chain_answers(
    state: ConversationState, cursor: Cursor, prepared: PreparedOperation
) -> tuple[Sequence[ChainedFragment], Cursor]:
    """Place the answers of an operation after a cursor; several to choose from begin at the same place."""
    operation, namespace = prepared.operation, state.namespace
    if operation.ending == "pending":
        return (), cursor
    if operation.choice_count < 2 or not prepared.answers:
        chained, after = extend_chain(namespace, cursor, prepared.answers)
        is_known = all(placed.id in state.nodes for placed in chained if placed.fragment.is_link)
        if not is_known and (nodes := _match_resent_answer(state, cursor, prepared.answers)):
            return _append_unknown(state, _Match(cursor, nodes), prepared.answers)
        return chained, after
    alternatives = [extend_chain(namespace, cursor, (answer,)) for answer in prepared.answers]
    return list(disambiguate_choices(namespace, [answer for answer, _ in alternatives])), alternatives[0][1]


def _match_resent_answer(
    state: ConversationState, cursor: Cursor, answers: Sequence[SplitMessage]
) -> Sequence[MessageNode | None]:
    """Match an answer that a later request brought before: its calls have the ids of known ones of the turn."""
    links = list_links(answers)
    matches = [_find_call_of_turn(state, cursor, link) for link in links]
    call = next((node for node in matches if node), None)
    if call is None:
        return ()
    before = call
    while (parent := state.parent_of(before)) is not None and parent.kind != "user":
        keys = [
            None if node else link.hash_content(state.namespace)
            for link, node in zip(links, matches, strict=True)
        ]
        if parent.kind == "answer" and parent.content_key in keys:
            matches[keys.index(parent.content_key)] = parent
        before = parent
    return matches[: 1 + max(at for at, node in enumerate(matches) if node)]


def _find_call_of_turn(state: ConversationState, cursor: Cursor, link: Fragment) -> MessageNode | None:
    """Find the known call that has the id of one; a call before the cursor only has the same id."""
    if link.kind != "tool_call" or link.call_id is None or cursor.find_call(link.call_id):
        return None
    node = state.nodes.get(state.tool_call_message_ids.get(link.call_id, ""))
    if node is None or node.cursor.turn_user_id != cursor.turn_user_id:
        return None
    return node if node.content_key == link.hash_content(state.namespace) else None


def _align_to_known(
    state: ConversationState, resolution: Resolution, beginning: Beginning | None
) -> Alignment:
    links = list_links(resolution.rest)
    if beginning is not None:
        node = state.nodes[beginning.head_id]
        exact = match_prefix(state, links, node.id)
        match = _Match(node.cursor, exact, from_input_alone=True)
    elif resolution.cursor is None:
        match = match_sequence(state, links)
    else:
        match = _match_after(state, resolution.cursor, links)
    chained, cursor = _append_unknown(state, match, resolution.rest)
    return Alignment(chained, cursor, match.from_input_alone)


def _append_unknown(
    state: ConversationState, match: _Match, messages: Sequence[SplitMessage]
) -> tuple[list[ChainedFragment], Cursor]:
    """Append what is new, and what hangs between known links; step over the known links themselves."""
    known_nodes, cursor, chained = deque(match.nodes), match.start, list[ChainedFragment]()
    renamed: dict[str, str] = {}
    for message in messages:
        cursor = cursor.move_to_message_start()
        of_known_call = _find_left_out(state, message, known_nodes, cursor) if known_nodes else ()
        for fragment in message.fragments:
            if known_nodes and fragment.is_link:
                node = known_nodes.popleft()
                cursor = node.cursor if node else cursor
                if node and node.kind == "tool_call" and (name := name_link(fragment)):
                    renamed[name] = node.id
                elif fragment in of_known_call:
                    appended = append_fragment(state.namespace, cursor, replace(fragment, is_link=False))
                    _remember_call(appended, renamed)
                    chained.append(appended)
            elif not known_nodes and fragment.kind != "tool_result" and not fragment.by_provider:
                chained.append(appended := append_fragment(state.namespace, cursor, fragment))
                cursor = appended.cursor
                _remember_call(appended, renamed)
            elif (at := _find_place(state, fragment, cursor, known_nodes, renamed)) is not None:
                appended = append_fragment(state.namespace, at, fragment)
                if known_id := find_known_call(state, appended, known_nodes):
                    renamed[name_link(fragment) or ""] = known_id
                    continue
                cursor = cursor if known_nodes else appended.cursor
                _remember_call(appended, renamed)
                chained.append(appended)
    return chained, cursor


def _remember_call(appended: ChainedFragment, renamed: dict[str, str]) -> None:
    """Note a call for its result: the cursor after the known link before it may have none, or one of another turn."""
    name = name_link(appended.fragment)
    if appended.fragment.kind == "tool_call" and name:
        renamed[name] = appended.id


def _find_left_out(
    state: ConversationState, message: SplitMessage, known_nodes: Iterable[MessageNode | None], cursor: Cursor
) -> Sequence[Fragment]:
    """Find what an answer that asked for tools was recorded without: only its resend has it.

    A known call whose answer had no text shows that. Where the answer had one, that is known in another form.
    """
    links = [fragment for fragment in message.fragments if fragment.is_link]
    pairs = list(zip(links, known_nodes))  # noqa: B905 - what is new has no node
    call = next((node for _, node in pairs if node and node.kind == "tool_call"), None)
    if call is None:
        return ()
    before = state.parent_of(call)
    has_text = before is not None and before.kind == "answer" and before.id != cursor.head_id
    return [link for link, node in pairs if node is None and not (has_text and link.kind == "answer")]


def _find_place(
    state: ConversationState,
    fragment: Fragment,
    cursor: Cursor,
    known_nodes: Sequence[MessageNode | None],
    renamed: Mapping[str, str],
) -> Cursor | None:
    """Return where a fragment belongs; None if the application inserted it before known messages."""
    if fragment.kind == "tool_result":
        name = name_link(fragment)
        message_id = renamed.get(name or "")
        if name and message_id and cursor.find_call(name) != message_id:
            return cursor.with_call(name, message_id)
        cursor_after_call = _find_call(state, cursor, fragment.call_id)
        is_inserted = (
            bool(known_nodes) and None in known_nodes and not cursor_after_call.find_call(fragment.call_id)
        )
        return None if is_inserted else cursor_after_call
    if not known_nodes:
        return cursor
    if fragment.kind == "system" or known_nodes[0] is None:
        return None
    # A thought is before what it led to, also where that came in another form.
    return cursor.with_head(known_nodes[0].previous_id)


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
    if not state.nodes:
        return _Match(START, from_input_alone=True)
    exact = match_prefix(state, links)
    if not state.parent_overrides and all(link.kind == "user" for link in links[len(exact) :]):
        if exact and not is_repeat(state, links):
            return _Match(START, exact, from_input_alone=True)
        # Nothing in it claims to be history: the next message of an application that resends none, or,
        # where it does resend, another beginning.
        if state.facts.resends_history:
            return _Match(START, from_input_alone=True)
        return _Match(state.facts.cursor)
    match = _match_window(state, links, exact)
    if len(match.nodes) < count_resent(links):
        changed = match_changed(state, links)
        if len(changed) > len(match.nodes):
            match = _Match(_find_start(state, changed), changed)
        again = _match_again(state, links, match.nodes)
        return _Match(match.start, [*match.nodes, *again]) if again else match
    return match


def _match_again(
    state: ConversationState, links: Sequence[Fragment], nodes: Sequence[MessageNode | None]
) -> Sequence[MessageNode]:
    """Match the rest of a history that was added to itself: it begins anew, and ends with the same message."""
    again = match_prefix(state, links[len(nodes) : count_resent(links)])
    is_whole = len(nodes) + len(again) == count_resent(links)
    return again if nodes and again and is_whole and again[-1] == nodes[-1] else ()


def _match_window(
    state: ConversationState, links: Sequence[Fragment], exact: Sequence[MessageNode]
) -> _Match:
    """Match links with the conversation from its beginning, or from where the first link may be in it."""
    best, best_score = _Match(START, exact, from_input_alone=True), _score(state, exact)
    for first in state.find_by_content(links[0].hash_content(state.namespace)):
        nodes = _match_from(state, first, links[1:])
        score = _score(state, nodes)
        if score > best_score and any(node.kind != "user" for node in nodes):
            best, best_score = _Match(_find_start(state, nodes), nodes), score
    return best


def _find_start(state: ConversationState, nodes: Sequence[MessageNode | None]) -> Cursor:
    """Return the place before the first known message."""
    first = next((node for node in nodes if node is not None), None)
    parent = state.parent_of(first) if first else None
    return parent.cursor if parent else START


def match_prefix(
    state: ConversationState, links: Sequence[Fragment], head_id: str | None = None
) -> list[MessageNode]:
    """Return the known messages of any branch that the links begin with, word for word.

    Args:
        head_id: After which link they come; None: at the beginning of the conversation.
    """
    nodes: list[MessageNode] = []
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
    """Return the message after ``node`` that says what a link says. No message of the user is skipped."""
    key = link.hash_content(state.namespace)
    return next(
        (successor for successor in list_successors(state, node) if successor.content_key == key), None
    )


def _match_after(state: ConversationState, start: Cursor, links: Sequence[Fragment]) -> _Match:
    """Match what follows a known place: it may be known as well, in another form."""
    first = state.nodes.get(start.head_id or "")
    if first is None:
        return _Match(start)
    exact, resent = _match_from(state, first, links)[1:], count_resent(links)
    if len(exact) >= resent:
        return _Match(start, exact)
    changed = match_changed(state, links, first)
    if len(changed) >= resent:
        return _Match(start, changed)
    doubled = match_changed(state, links)
    if len(doubled) >= resent and doubled[resent - 1] == first:
        return _Match(_find_start(state, doubled), doubled)  # added to itself, as a checkpointer does
    return _Match(start, changed if len(changed) > len(exact) else exact)


def _match_from(state: ConversationState, first: MessageNode, links: Sequence[Fragment]) -> list[MessageNode]:
    """Return ``first``, and the messages after it that the links are, shortened."""
    nodes = [first]
    for link in links:
        successor = find_successor(state, nodes[-1], link)
        if successor is None:
            break
        nodes.append(successor)
    return nodes


def _score(state: ConversationState, nodes: Sequence[MessageNode]) -> tuple[bool, int]:
    """Rate a match: best is to end where the conversation is now, for then nothing is lost."""
    return bool(nodes) and nodes[-1].id == state.facts.cursor.head_id, len(nodes)
