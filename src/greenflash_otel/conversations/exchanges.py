"""Find a conversation that nobody named by one of its exchanges, a question and its answer. Pure.

Many applications resend no more than the last exchanges, and not word for word. So the index has, of the last
exchange of each call, the hash of both texts, and that of each text alone in any form. A text alone says too
little: other users get the same answer, and ask the same. So the other text has to agree, too.

| the index knows | and the known exchange has                                                             |
|-----------------|----------------------------------------------------------------------------------------|
| both texts      | both texts                                                                             |
| the answer      | a question that is alike; for an answer of many words, one that shares half the words  |
| the question    | an answer that is alike; or only one answer, and the same user, or the same text       |
|                 | before the question                                                                    |
| a tool call     | a question that is alike; only while that is not answered yet, or with the call's id   |

Two strangers may ask the same and get other answers, each seen by another process. That is why the answer of
a user who is not known has to be alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from greenflash_otel.conversations.changed_history import (
    LEAST_WORDS,
    are_alike,
    is_same_text,
    list_successors,
)
from greenflash_otel.conversations.changes import MessageNode
from greenflash_otel.conversations.index import ConversationIndex
from greenflash_otel.conversations.prepare import list_links
from greenflash_otel.conversations.state import ConversationState
from greenflash_otel.message_ids.fragments import Fragment, SplitMessage
from greenflash_otel.message_ids.ids import compute_containment, id_of_written
from greenflash_otel.values import value

MAX_EXCHANGES = 16
"""Exchanges of a history that are looked up in any form, the newest first."""
MAX_CALLS = 4
"""First calls of an exchange by which it is found as well."""
MANY_WORDS = 8
"""Words of an answer that is hardly given to two questions."""
HALF = 0.5


@value
class ResentExchange:
    """A question of a history, the last answer to it, and the link before it.

    While nothing is answered yet, the first call of a tool counts as the answer.
    """

    question: Fragment
    answer: Fragment
    before: Fragment | None
    calls: Sequence[Fragment] = ()
    """The first calls of tools, where there is an answer too: either side may be recorded without some of it."""

    def hash_words(self, namespace: str) -> str:
        """Return the hash of both texts."""
        written = f"[{self.question.written}, {self.answer.written}]"
        return id_of_written(namespace, None, "exchange", written)

    def list_calls(self) -> list[ResentExchange]:
        """Return the same question with each of its first calls that has an id."""
        return [ResentExchange(self.question, call, self.before) for call in self.calls if call.call_id]

    def name_call(self, namespace: str) -> str:
        """Return what names an answer that is a call, with its id."""
        return f"form {self.answer.hash_content(namespace)}"

    def list_forms(self, namespace: str) -> list[str]:
        """Return what names each text in any form; texts of few words are no names.

        Many users make the same call. So a call has a name with its id, too, for those who keep that.
        """
        call_names = [self.name_call(namespace)] if self.answer.kind == "tool_call" else []
        return call_names + [
            f"form {fragment.hash_loosely(namespace)}"
            for fragment in (self.answer, self.question)
            if fragment.kind == "tool_call" or fragment.sketch.bit_count() >= LEAST_WORDS
        ]


def list_last_exchange_names(namespace: str, messages: Sequence[SplitMessage]) -> list[str]:
    """Return all by which the last exchange is found."""
    names: list[str] = []
    for exchange in walk_exchanges_backwards(messages):
        if exchange.answer.kind == "answer":
            own = [exchange.hash_words(namespace), *exchange.list_forms(namespace)]
            return [*names, *own, *(call.name_call(namespace) for call in exchange.list_calls())]
        if not names:
            names = exchange.list_forms(namespace)
    return names


def walk_exchanges_backwards(messages: Sequence[SplitMessage]) -> Iterator[ResentExchange]:
    """Yield each question with the last answer to it, the newest first."""
    links = list_links(messages)
    answer: Fragment | None = None
    calls: list[Fragment] = []
    for at in range(len(links) - 1, -1, -1):
        link = links[at]
        if link.kind == "answer" and answer is None:
            answer = link
        elif link.kind == "tool_call":
            calls = [link, *calls[: MAX_CALLS - 1]]
        elif link.kind == "user" and (reply := answer or next(iter(calls), None)) is not None:
            yield ResentExchange(link, reply, links[at - 1] if at else None, calls if answer else ())
            answer, calls = None, []


def find_by_exchange(
    index: ConversationIndex,
    get_state: Callable[[str], ConversationState],
    namespace: str,
    messages: Sequence[SplitMessage],
    *,
    is_user_known: bool,
) -> str | None:
    """Return the conversation that has an exchange of a history, word for word or in another form."""
    exchanges = list(walk_exchanges_backwards(messages))
    for exchange in exchanges:
        name = exchange.hash_words(namespace)
        if index.histories.has(name):
            return index.histories.get(name)
    for exchange in exchanges[:MAX_EXCHANGES]:
        for name in exchange.list_forms(namespace):
            id = index.histories.get(name)
            if id is not None and _has_exchange(get_state(id), exchange, is_user_known=is_user_known):
                return id
        for call_exchange in exchange.list_calls():
            id = index.histories.get(call_exchange.name_call(namespace))
            if id is not None and _has_exchange(get_state(id), call_exchange, is_user_known=is_user_known):
                return id
    return None


def _has_exchange(state: ConversationState, exchange: ResentExchange, *, is_user_known: bool) -> bool:
    """Return whether a conversation has an exchange in any form."""
    question, answer = exchange.question, exchange.answer
    for node in _list_same(state, answer):
        known_question = state.nodes.get(node.cursor.turn_user_id or "")
        if known_question is not None and _is_question_of(state, question, known_question, answer):
            return True
    for node in _list_same(state, question):
        answers = [successor for successor in list_successors(state, node) if successor.kind == answer.kind]
        if any(are_alike(answer, known_answer) for known_answer in answers):
            return True
        if answer.kind == "tool_call":
            continue
        parent = state.parent_of(node)
        continues = exchange.before and parent and is_same_text(state, exchange.before, parent)
        if len(answers) == 1 and (is_user_known or continues):
            return True
    return False


def _is_question_of(
    state: ConversationState, question: Fragment, known_question: MessageNode, answer: Fragment
) -> bool:
    if is_same_text(state, question, known_question) or are_alike(question, known_question):
        return True
    shared = compute_containment(question.sketch, known_question.sketch)
    return answer.sketch.bit_count() >= MANY_WORDS and shared >= HALF


def _list_same(state: ConversationState, fragment: Fragment) -> list[MessageNode]:
    keys = {fragment.hash_content(state.namespace), fragment.hash_loosely(state.namespace)}
    return [node for key in keys for node in state.find_by_content(key)]
