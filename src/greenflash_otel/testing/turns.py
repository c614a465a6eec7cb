"""What the user saw, and the steps behind it, turn by turn. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from greenflash_otel.emulator.stored import (
    JsonObject,
    StoredConversation,
    StoredMessage,
    StoredRating,
)
from greenflash_otel.emulator.viewer.turns import build_tree, choose_path, find_parents

VISIBLE = frozenset({"user_message", "assistant_message", "final_response", "system_message"})
RESULTS = frozenset({"observation", "tool_error"})


@dataclass(frozen=True, slots=True)
class CapturedMessage:
    """What the user said or saw."""

    id: str
    """What ``record_rating(message_id=…)`` takes."""
    who: str
    """The user's id, ``answer`` or ``system``."""
    text: str
    ratings: tuple[StoredRating, ...]
    raw: StoredMessage

    @property
    def type(self) -> str:
        """Greenflash's name of its kind, e.g. ``user_message``."""
        return self.raw.type

    @property
    def model(self) -> str | None:
        """The model that wrote it."""
        return self.raw.model

    @property
    def properties(self) -> JsonObject:
        """What was recorded about it."""
        return self.raw.properties or {}

    def __str__(self) -> str:
        return f"{self.who}: {self.text}"


@dataclass(frozen=True, slots=True)
class CapturedStep:
    """What happened between question and answer, and the user did not see."""

    raw: StoredMessage
    result: StoredMessage | None
    """The message with what a tool returned."""

    @property
    def id(self) -> str:
        """The id of the message that it is."""
        return _id_of(self.raw)

    @property
    def type(self) -> str:
        """Greenflash's name of its kind, e.g. ``tool_call``."""
        return self.raw.type

    @property
    def tool_name(self) -> str | None:
        """The name of the tool."""
        return self.raw.tool_name

    @property
    def text(self) -> str | None:
        """Its content."""
        return self.raw.content

    @property
    def input(self) -> JsonObject | None:
        """What went in."""
        return self.raw.input

    @property
    def output(self) -> JsonObject | None:
        """What came out."""
        return self.result.output if self.result is not None and self.result.output else self.raw.output

    @property
    def has_failed(self) -> bool:
        """Whether a tool failed."""
        return "tool_error" in (self.raw.type, self.result and self.result.type)

    @property
    def properties(self) -> JsonObject:
        """What was recorded about it."""
        return self.raw.properties or {}


@dataclass(frozen=True, slots=True)
class CapturedTurn:
    """What happened from one message of the user to the next."""

    messages: tuple[CapturedMessage, ...]
    steps: tuple[CapturedStep, ...]
    items: tuple[CapturedMessage | CapturedStep, ...]
    """Both, in the order of their times."""
    is_branch: bool
    """Whether another turn follows the same one, and came before: the user asked again, or otherwise."""


def _id_of(message: StoredMessage) -> str:
    return message.external_id or message.id


def read_turns(raw: StoredConversation) -> Mapping[str, CapturedTurn]:
    """Return the turns in the order of their times, by the id of the message that opens each."""
    parents, _ = find_parents(raw.messages)
    tree = build_tree(raw.messages, parents)
    by_id = {message.id: message for message in raw.messages}
    results: dict[str, StoredMessage] = {}
    merged: set[str] = set()
    for message in raw.messages:
        called = by_id.get(parents.get(message.id, ""))
        is_result = message.type in RESULTS and called is not None and called.type == "tool_call"
        if is_result and called and results.setdefault(called.id, message) is message:
            merged.add(message.id)
    turns = {}
    for opened_by, messages in tree.messages.items():
        items = tuple(
            _read_item(message, raw, results.get(message.id))
            for message in messages
            if message.id not in merged
        )
        siblings = tree.after[tree.before[opened_by]]
        turns[opened_by] = _make_turn(items, is_branch=siblings[0] != opened_by)
    return turns


def list_branches(
    raw: StoredConversation, turns: Mapping[str, CapturedTurn]
) -> Iterator[tuple[CapturedTurn, ...]]:
    """Yield each way through the turns, in the order of the turns that end them."""
    parents, _ = find_parents(raw.messages)
    tree = build_tree(raw.messages, parents)
    for last in turns:
        if not tree.after.get(last):
            yield tuple(turns[turn] for turn in choose_path(tree, last))


def _make_turn(items: tuple[CapturedMessage | CapturedStep, ...], *, is_branch: bool) -> CapturedTurn:
    return CapturedTurn(
        tuple(item for item in items if isinstance(item, CapturedMessage)),
        tuple(item for item in items if isinstance(item, CapturedStep)),
        items,
        is_branch,
    )


def _read_item(
    message: StoredMessage, raw: StoredConversation, result: StoredMessage | None
) -> CapturedMessage | CapturedStep:
    if message.type not in VISIBLE or message.content is None:
        return CapturedStep(message, result)
    others: Mapping[str, str] = {"user_message": raw.external_user_id, "system_message": "system"}
    who = others.get(message.type, "answer")
    ratings = tuple(rating for rating in raw.ratings if rating.message in (message.id, message.external_id))
    return CapturedMessage(_id_of(message), who, message.content, ratings, message)
