"""Put the messages of one update into their order. Pure.

| of two messages                                  | comes first                                       |
|--------------------------------------------------|---------------------------------------------------|
| both were said in the turn                       | the one that the chain has first                  |
| one is the parent of the other                   | the parent                                        |
| one is a step of another span                    | the earlier one; at the same time, see `_RANKS`   |

Times place steps only. What was said has an order already: times of it are unknown or rounded.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import replace

from greenflash_otel.conversations.update import MessageItem
from greenflash_otel.message_ids.chain import MessageType

_RANKS: Mapping[MessageType, int] = {
    "user_message": 0,
    "tool_call": 1,
    "tool_error": 3,
    "observation": 4,
    "assistant_message": 5,
    "final_response": 5,
}
"""Where a step is among the messages of its moment; any other type: 2. A tool that failed is tried again."""

ANSWERS = frozenset({"assistant_message", "final_response"})
"""Types of the messages that have a context."""


def order_turn(messages: Sequence[MessageItem], steps: Iterable[MessageItem]) -> list[MessageItem]:
    """Merge the steps of a turn, from other spans, into what was said; give each answer its documents.

    Of several steps with one id the last counts: a tool that ran again answers for its call. What was said
    counts before all of them.
    """
    ids, latest = {item.id for item in messages}, dict[str, MessageItem]()
    for step in sorted(steps, key=_time_key):
        if step.id not in ids:
            if step.type in ("observation", "tool_error"):
                latest.pop(step.id, None)
            latest.setdefault(step.id, step)
    return add_contexts(_merge(messages, list(latest.values()), {*ids, *latest}))


def order_nested(steps: Sequence[MessageItem]) -> Sequence[MessageItem]:
    """Return steps with each after the step that it hangs on: an inner step ends before the outer one does."""
    seen, late = set[str](), set[str]()
    for step in steps:
        late |= {step.parent_id} if step.parent_id is not None and step.parent_id not in seen else set()
        seen.add(step.id)
    if not late & seen:
        return steps
    return _merge((), sorted(steps, key=_time_key), seen)


def _time_key(item: MessageItem) -> tuple[int, int]:
    return item.created_at_ms, _RANKS.get(item.type, 2)


def _merge(
    messages: Sequence[MessageItem], steps: Sequence[MessageItem], ids: Container[str | None]
) -> list[MessageItem]:
    """Merge steps, sorted by time, into what was said; each comes after its parent."""
    ordered, placed = list[MessageItem](), set[str | None]()
    waiting = defaultdict[str | None, list[MessageItem]](list)

    def place(item: MessageItem) -> None:
        rest = [item]
        while rest:
            following = rest.pop()
            ordered.append(following)
            placed.add(following.id)
            rest += reversed(waiting.pop(following.id, []))

    def place_step(step: MessageItem) -> None:
        if step.parent_id in ids and step.parent_id not in placed:
            waiting[step.parent_id].append(step)
        else:
            place(step)

    now_ms, at = 0, 0
    for item in messages:
        now_ms = max(now_ms, item.created_at_ms)
        while at < len(steps) and _time_key(steps[at]) < (now_ms, _RANKS.get(item.type, 2)):
            place_step(steps[at])
            at += 1
        place(item)
    for step in steps[at:]:
        place_step(step)
    return ordered + [step for late in waiting.values() for step in late]


def add_contexts(ordered: Sequence[MessageItem]) -> list[MessageItem]:
    """Give each answer the documents that were found before it, each once.

    A retrieval within a retrieval is a part of it: the outer one has what came of both.
    """
    documents, items = dict[str, None](), list[MessageItem]()
    retrievals = {item.id for item in ordered if item.type == "retrieval"}
    for item in ordered:
        if item.type == "retrieval" and item.parent_id not in retrievals:
            documents |= dict.fromkeys(read_documents(item))
        elif documents and item.type in ANSWERS:
            item, documents = replace(item, context="\n\n".join(documents)), {}
        items.append(item)
    return items


def read_documents(item: MessageItem) -> list[str]:
    """Return the texts that a retrieval found."""
    documents = (item.output or {}).get("documents")
    if not isinstance(documents, Sequence) or isinstance(documents, str):
        return []
    texts = (document.get("content") for document in documents if isinstance(document, Mapping))
    return [text for text in texts if isinstance(text, str)]


def select_new(
    items: Iterable[MessageItem], emitted_ids: Container[str], last_ms: int
) -> tuple[list[MessageItem], int]:
    """Return the messages that were not emitted before, in strictly increasing time, and the last time."""
    new: dict[str, MessageItem] = {}
    for item in items:
        if item.id in emitted_ids or item.id in new:
            continue
        last_ms = max(item.created_at_ms, last_ms + 1)
        new[item.id] = item if item.created_at_ms == last_ms else replace(item, created_at_ms=last_ms)
    return list(new.values()), last_ms
