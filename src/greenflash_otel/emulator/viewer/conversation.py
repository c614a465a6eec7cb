"""A conversation as its user saw it, as plain values: turns, bubbles, folded steps, what happened meanwhile. Pure."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from greenflash_otel.emulator.instants import read_instant_us
from greenflash_otel.emulator.stored import StoredConversation, StoredMessage, StoredOutcome, StoredRating
from greenflash_otel.emulator.viewer.rows import describe_error
from greenflash_otel.emulator.viewer.texts import DAY_S, write_span
from greenflash_otel.emulator.viewer.turns import OPENING, TurnTree, build_tree, choose_path, find_parents

VISIBLE = ("user_message", "assistant_message", "final_response", "system_message")
RESULTS = ("observation", "tool_error")
DEEPEST = 6
"""Levels of steps that are indented; deeper ones stay there."""
GAP_US = DAY_S * 1_000_000
"""From this long a silence on, an outcome says how long after the talk it came."""
ENDINGS: Mapping[str, str] = {
    "abandoned": "The user left here: the stream was not read to its end.",
    "cancelled": "The call was cancelled here.",
    "pending": "This answer is still being made in the background.",
    "failed": "The call failed here.",
}


@dataclass(frozen=True, slots=True)
class BubbleView:
    """What the user said or saw."""

    message: StoredMessage
    ratings: Sequence[StoredRating]
    missing_parent: str | None
    """The id of the parent that is not stored."""
    number: int = 1
    """Of the answers to the same question, from 1 on."""
    of: int = 1
    kind: str = "bubble"

    @property
    def side(self) -> str:
        """Who said it: ``user``, ``answer`` or ``system``."""
        return {"user_message": "user", "system_message": "system"}.get(self.message.type, "answer")

    @property
    def ending(self) -> str:
        """How the answer ended, if not as it should."""
        return ENDINGS.get(str(read_property(self.message, "ending")), "")

    @property
    def error(self) -> str:
        """What went wrong; empty if nothing did."""
        return read_error(self.message)


@dataclass(frozen=True, slots=True)
class StepView:
    """An internal step, with the results that belong to it."""

    message: StoredMessage
    results: Sequence[StoredMessage]
    depth: int
    missing_parent: str | None
    ratings: Sequence[StoredRating] = ()

    @property
    def error(self) -> str:
        """What went wrong in it or in its result; empty if nothing did."""
        return next(filter(None, map(read_error, (self.message, *self.results))), "")

    @property
    def duration_us(self) -> int | None:
        """How long it took, where that is known."""
        latency_ms = read_property(self.message, "latency_ms")
        if isinstance(latency_ms, int | float):
            return int(latency_ms * 1_000)
        if self.results:
            return max(
                0, read_instant_us(self.results[-1].created_at) - read_instant_us(self.message.created_at)
            )
        return None


@dataclass(frozen=True, slots=True)
class StepsView:
    """Internal steps between two bubbles, folded."""

    steps: Sequence[StepView]
    kind: str = "steps"

    @property
    def id(self) -> str:
        """Name of the fold: that of its first step."""
        return self.steps[0].message.id

    @property
    def count(self) -> int:
        """How many messages these are."""
        return sum(1 + len(step.results) for step in self.steps)

    @property
    def failures(self) -> Sequence[StepView]:
        """Those in which something went wrong."""
        return [step for step in self.steps if step.error]

    @property
    def duration_us(self) -> int:
        """From the first to the last of them."""
        times = [
            read_instant_us(one.created_at) for step in self.steps for one in (step.message, *step.results)
        ]
        longest = max((step.duration_us or 0 for step in self.steps), default=0)
        return max(max(times) - min(times), longest)


@dataclass(frozen=True, slots=True)
class FailureView:
    """A call that failed without an answer: the user saw an error."""

    message: StoredMessage
    text: str
    kind: str = "failure"


@dataclass(frozen=True, slots=True)
class HappeningView:
    """An outcome or a rating of the conversation, when it happened."""

    at: str
    outcome: StoredOutcome | None
    rating: StoredRating | None
    gap: str
    """How long after the message before it, if that was long."""
    unknown_message: bool = False
    """True of a rating whose message the conversation does not have."""
    kind: str = "happening"


Item: TypeAlias = BubbleView | StepsView | FailureView | HappeningView


@dataclass(frozen=True, slots=True)
class Branch:
    """One of several turns that follow the same one."""

    id: str
    is_shown: bool
    was_continued: bool


@dataclass(frozen=True, slots=True)
class TurnView:
    """What happens from a user message to the next one."""

    number: int
    id: str
    title: str
    at: str
    day: str
    """Where it differs from that of the turn before; else empty."""
    items: Sequence[Item]
    branches: Sequence[Branch]
    """More than one where the conversation branches here."""

    @property
    def has_failed(self) -> bool:
        """Whether anything went wrong in it."""
        return any(
            isinstance(item, FailureView)
            or (isinstance(item, StepsView) and bool(item.failures))
            or (isinstance(item, BubbleView) and bool(item.error))
            for item in self.items
        )


@dataclass(frozen=True, slots=True)
class ConversationView:
    """A conversation along one of its branches."""

    conversation: StoredConversation
    turns: Sequence[TurnView]
    branch_count: int
    """Places where it branches."""
    tokens: tuple[int, int]
    """Read and written by models, in all branches."""
    model_us: int
    """Time in models, in all branches."""
    missing_parents: int

    @property
    def ended_at(self) -> str:
        """When the last thing on it happened."""
        return max((_begin(item) for turn in self.turns[-1:] for item in turn.items), default="")


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


def read_property(message: StoredMessage, name: str) -> Any:  # Any: whatever was sent
    """Return a property of a message; None if it has none of that name."""
    return (message.properties or {}).get(name)


def read_error(message: StoredMessage) -> str:
    """Say in one line what went wrong in a message; empty if nothing did."""
    error = read_property(message, "error")
    if error is not None:
        return describe_error({"error": error})
    if message.type == "tool_error":
        return f"{message.tool_name or 'the tool'} failed"
    return "the call failed" if read_property(message, "ending") == "failed" else ""


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
    has_answer = any(message.type in VISIBLE and message.type != "user_message" for message in messages)
    # A step may have begun before its question was noted; the question opens the turn all the same.
    ordered = sorted(messages, key=lambda message: message.type != "user_message")
    numbers = _number_answers(messages, reading)
    for message in ordered:
        if message.type not in VISIBLE:
            waiting.append(message)
            continue
        yield from _fold(waiting, reading)
        waiting.clear()
        number, of = numbers.get(message.id, (1, 1))
        yield BubbleView(
            message, _find_ratings(message, reading), reading.missing.get(message.id), number, of
        )
    yield from _fold(waiting, reading)
    if not has_answer:
        failed = [message for message in messages if message.type == "llm" and read_error(message)]
        if failed:
            yield FailureView(failed[-1], read_error(failed[-1]))


def _number_answers(messages: Sequence[StoredMessage], reading: _Reading) -> Mapping[str, tuple[int, int]]:
    """Number the answers to the same question. A text with which a tool was called is no answer of its own."""
    answers: defaultdict[str, list[str]] = defaultdict(list)
    for message in messages:
        calls = any(child.type == "tool_call" for child in reading.children.get(message.id, ()))
        if (
            message.type in ("assistant_message", "final_response")
            and message.id in reading.parents
            and not calls
        ):
            answers[reading.parents[message.id]].append(message.id)
    return {answer: (number, len(same)) for same in answers.values() for number, answer in enumerate(same, 1)}


def _fold(messages: Sequence[StoredMessage], reading: _Reading) -> Iterator[StepsView]:
    """Return steps with their results, each below the step that it hangs on."""
    if not messages:
        return
    here = {message.id: message for message in messages}
    results: defaultdict[str, list[StoredMessage]] = defaultdict(list)
    for message in messages:
        call = here.get(reading.parents.get(message.id, ""))
        if message.type in RESULTS and call is not None and call.type == "tool_call":
            results[call.id].append(message)
    joined = {result.id for each in results.values() for result in each}
    steps = []
    seen: set[str] = set()
    roots = [message for message in messages if reading.parents.get(message.id) not in here]
    waiting = [(message, 0) for message in reversed([*roots, *messages])]
    while waiting:  # the roots come first; all are offered at last, so that a circle hides nothing
        message, depth = waiting.pop()
        if message.id in seen:
            continue
        seen.add(message.id)
        if message.id not in joined:
            ratings = _find_ratings(message, reading)
            missing = reading.missing.get(message.id)
            steps.append(StepView(message, results[message.id], min(depth, DEEPEST), missing, ratings))
        below = [child for child in reading.children.get(message.id, ()) if child.id in here]
        waiting += [(child, depth + (message.id not in joined)) for child in reversed(below)]
    yield StepsView(steps)


def _find_ratings(message: StoredMessage, reading: _Reading) -> Sequence[StoredRating]:
    return [
        *reading.ratings.get(message.external_id or message.id, ()),
        *(reading.ratings.get(message.id, ()) if message.external_id else ()),
    ]


def _place_happenings(
    turns: Sequence[TurnView], conversation: StoredConversation, reading: _Reading
) -> Sequence[TurnView]:
    """Put outcomes and ratings of the conversation behind the last turn that had begun by then."""
    known = {id for message in conversation.messages for id in (message.id, message.external_id)}
    happened = [(each.occurred_at, each, None, False) for each in conversation.outcomes]
    rated = [
        (each.rated_at, None, each, each.message is not None)
        for each in conversation.ratings
        if each.message not in known or each.message is None
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
        index = max((n for n, item in enumerate(items) if _begin(item) <= happening.at), default=0)
        merged.insert(index + 1, happening)
    return merged


def _begin(item: Item) -> str:
    if isinstance(item, HappeningView):
        return item.at
    return item.steps[0].message.created_at if isinstance(item, StepsView) else item.message.created_at


def _measure_gap(turn: TurnView, at: str) -> str:
    gap_us = read_instant_us(at) - max(read_instant_us(_begin(item)) for item in turn.items)
    return write_span(gap_us) if gap_us >= GAP_US else ""


def _sum_property(messages: Sequence[StoredMessage], name: str) -> int:
    values = (read_property(message, name) for message in messages)
    return int(
        sum(value for value in values if isinstance(value, int | float) and not isinstance(value, bool))
    )
