"""A conversation as its user saw it, made of what is stored of it. Pure."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from greenflash_otel.emulator.instants import read_instant_us
from greenflash_otel.emulator.stored import StoredConversation, StoredMessage, StoredRating
from greenflash_otel.emulator.viewer.items import (
    RESULTS,
    Branch,
    BubbleView,
    ConversationView,
    FailureView,
    HappeningView,
    Item,
    StepsView,
    StepView,
    TurnView,
    find_begin,
    read_error,
    read_property,
)
from greenflash_otel.emulator.viewer.rows import ANSWER_TYPES, VISIBLE_TYPES
from greenflash_otel.emulator.viewer.texts import DAY_S, write_span
from greenflash_otel.emulator.viewer.turns import OPENING, TurnTree, build_tree, choose_path, find_parents

DEEPEST = 6
"""Levels of steps that are indented; deeper ones stay there."""
GAP_US = DAY_S * 1_000_000
"""From this long a silence on, an outcome says how long after the talk it came."""


@dataclass(slots=True)
class _Reading:
    """What is known of all messages while the items are made."""

    parents: Mapping[str, str]
    missing: Mapping[str, str]
    ratings: Mapping[str, Sequence[StoredRating]]
    children: defaultdict[str, list[StoredMessage]] = field(default_factory=lambda: defaultdict(list))


def view_conversation(conversation: StoredConversation, leaf: str | None = None) -> ConversationView:
    """Make the view of the branch through the message ``leaf``, by default of the one that was continued."""
    messages = conversation.messages
    parents, missing = find_parents(messages)
    tree = build_tree(messages, parents)
    reading = _Reading(parents, missing, _sort_ratings(conversation))
    for message in messages:
        if message.id in parents:
            reading.children[parents[message.id]].append(message)
    path = choose_path(tree, leaf)
    turns: list[TurnView] = []
    for number, turn in enumerate(path, 0 if path and path[0] == OPENING else 1):
        before = turns[-1].at[:10] if turns else ""
        turns.append(_make_turn(number, turn, tree, reading, before))
    return ConversationView(
        conversation=conversation,
        turns=_place_happenings(turns, conversation, reading),
        branch_count=sum(len(following) > 1 for following in tree.after.values()),
        tokens=(_sum_property(messages, "input_tokens"), _sum_property(messages, "output_tokens")),
        model_us=_sum_property(messages, "latency_ms") * 1_000,
        missing_parents=len(missing),
    )


def _sort_ratings(conversation: StoredConversation) -> Mapping[str, Sequence[StoredRating]]:
    """Return the ratings of each message that the conversation has, by the id they name."""
    sorted_ratings: defaultdict[str, list[StoredRating]] = defaultdict(list)
    for rating in conversation.ratings:
        if rating.message is not None:
            sorted_ratings[rating.message].append(rating)
    return sorted_ratings


def _make_turn(number: int, turn: str, tree: TurnTree, reading: _Reading, day_before: str) -> TurnView:
    messages = tree.messages[turn]
    opening = next((message for message in messages if message.type == "user_message"), messages[0])
    siblings = tree.after.get(tree.before[turn], ())
    return TurnView(
        number=number,
        id=turn or f"opening-{messages[0].id}",
        title=(opening.content or "") if opening.type == "user_message" else "Before the first question",
        at=opening.created_at,
        day="" if opening.created_at[:10] == day_before else opening.created_at[:10],
        items=list(_make_items(messages, reading)),
        branches=[Branch(each, each == turn, bool(tree.after.get(each))) for each in siblings],
    )


def _make_items(messages: Sequence[StoredMessage], reading: _Reading) -> Iterator[Item]:
    """Return bubbles in the order of their times, and the steps between two of them as one item."""
    waiting: list[StoredMessage] = []
    has_answer = any(message.type in VISIBLE_TYPES and message.type != "user_message" for message in messages)
    # A step may have begun before its question was noted; the question opens the turn all the same.
    ordered = sorted(messages, key=lambda message: message.type != "user_message")
    numbers = _number_answers(messages, reading)
    results = _pair_results(messages, reading)
    joined = {result.id for each in results.values() for result in each}
    for message in ordered:
        if message.type not in VISIBLE_TYPES:
            waiting += [] if message.id in joined else [message]
            continue
        yield from _fold(waiting, results, reading)
        waiting.clear()
        number, of = numbers.get(message.id, (1, 1))
        yield BubbleView(
            message, _find_ratings(message, reading), reading.missing.get(message.id), number, of
        )
    yield from _fold(waiting, results, reading)
    if not has_answer:
        failed = [message for message in messages if message.type == "llm" and read_error(message)]
        if failed:
            yield FailureView(failed[-1], read_error(failed[-1]))


def _number_answers(messages: Sequence[StoredMessage], reading: _Reading) -> Mapping[str, tuple[int, int]]:
    """Number the answers to the same question. A text with which a tool was called is no answer of its own."""
    answers: defaultdict[str, list[str]] = defaultdict(list)
    for message in messages:
        calls = any(child.type == "tool_call" for child in reading.children.get(message.id, ()))
        if message.type in ANSWER_TYPES and message.id in reading.parents and not calls:
            answers[reading.parents[message.id]].append(message.id)
    return {answer: (number, len(same)) for same in answers.values() for number, answer in enumerate(same, 1)}


def _pair_results(
    messages: Sequence[StoredMessage], reading: _Reading
) -> Mapping[str, Sequence[StoredMessage]]:
    """Return the results of each tool call of a turn, also of one that the user was asked about first."""
    calls = {message.id for message in messages if message.type == "tool_call"}
    results: defaultdict[str, list[StoredMessage]] = defaultdict(list)
    for message in messages:
        call = reading.parents.get(message.id)
        if message.type in RESULTS and call in calls:
            results[call or ""].append(message)
    return results


def _fold(
    messages: Sequence[StoredMessage], results: Mapping[str, Sequence[StoredMessage]], reading: _Reading
) -> Iterator[StepsView]:
    """Return steps with their results, each below the step that it hangs on."""
    if not messages:
        return
    here = {message.id for message in messages}
    steps = []
    seen: set[str] = set()
    roots = [message for message in messages if reading.parents.get(message.id) not in here]
    waiting = [(message, 0) for message in reversed([*roots, *messages])]
    while waiting:  # the roots come first; all are offered at last, so that a circle hides nothing
        message, depth = waiting.pop()
        if message.id in seen:
            continue
        seen.add(message.id)
        ratings, missing = _find_ratings(message, reading), reading.missing.get(message.id)
        steps.append(StepView(message, results.get(message.id, ()), min(depth, DEEPEST), missing, ratings))
        below = [
            child
            for each in (message, *results.get(message.id, ()))
            for child in reading.children.get(each.id, ())
            if child.id in here
        ]
        waiting += [(child, depth + 1) for child in reversed(below)]
    yield StepsView(steps)


def _find_ratings(message: StoredMessage, reading: _Reading) -> Sequence[StoredRating]:
    """Return the ratings that name either id of a message."""
    ids = filter(None, (message.external_id, message.id))
    return [rating for id in ids for rating in reading.ratings.get(id, ())]


def _place_happenings(
    turns: Sequence[TurnView], conversation: StoredConversation, reading: _Reading
) -> Sequence[TurnView]:
    """Put outcomes and ratings of the conversation behind the last turn that had begun by then."""
    message_ids = {id for message in conversation.messages for id in (message.id, message.external_id)}
    happened = [(each.occurred_at, each, None, False) for each in conversation.outcomes]
    rated = [
        (each.rated_at, None, each, each.message is not None)
        for each in conversation.ratings
        if each.message not in message_ids or each.message is None
    ]
    placed: defaultdict[int, list[HappeningView]] = defaultdict(list)
    for at, outcome, rating, unknown in sorted([*happened, *rated], key=lambda each: each[0]):
        index = max((n for n, turn in enumerate(turns) if turn.at <= at), default=0)
        gap = _measure_gap(turns[index], at) if turns else ""
        placed[index].append(HappeningView(at, outcome, rating, gap, unknown))
    return [dataclasses.replace(turn, items=_merge(turn.items, placed[n])) for n, turn in enumerate(turns)]


def _merge(items: Sequence[Item], happenings: Sequence[HappeningView]) -> Sequence[Item]:
    """Put what happened behind the last item that had begun by then; the question stays the first."""
    merged = list(items)
    for happening in reversed(happenings):
        index = max((n for n, item in enumerate(items) if find_begin(item) <= happening.at), default=0)
        merged.insert(index + 1, happening)
    return merged


def _measure_gap(turn: TurnView, at: str) -> str:
    gap_us = read_instant_us(at) - max(read_instant_us(find_begin(item)) for item in turn.items)
    return write_span(gap_us) if gap_us >= GAP_US else ""


def _sum_property(messages: Sequence[StoredMessage], name: str) -> int:
    values = (read_property(message, name) for message in messages)
    return int(
        sum(value for value in values if isinstance(value, int | float) and not isinstance(value, bool))
    )
