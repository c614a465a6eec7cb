"""What a conversation's page is made of, as plain values: bubbles, folded steps, failures, happenings, turns. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from greenflash_otel.emulator.instants import read_instant_us
from greenflash_otel.emulator.stored import StoredConversation, StoredMessage, StoredOutcome, StoredRating
from greenflash_otel.emulator.viewer.rows import describe_error

RESULTS = ("observation", "tool_error")
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
    def own_error(self) -> str:
        """What went wrong in the step itself: a failed result says so without help."""
        return read_error(self.message)

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
            read_instant_us(message.created_at)
            for step in self.steps
            for message in (step.message, *step.results)
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
        return max((find_begin(item) for turn in self.turns[-1:] for item in turn.items), default="")


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


def find_begin(item: Item) -> str:
    """Return when an item began."""
    if isinstance(item, HappeningView):
        return item.at
    return item.steps[0].message.created_at if isinstance(item, StepsView) else item.message.created_at
