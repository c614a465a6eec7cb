"""A captured conversation as a tree of text, and how two trees differ. Pure.

ada          Can I invite my team?
  tool_call  price_of {"plan": "team"} → 149.00
answer       The Team plan covers 20 people.
◆ upgrade    149.00 (currency)
"""

from __future__ import annotations

import difflib
import json
import re
from collections import deque
from collections.abc import Sequence
from textwrap import dedent
from typing import Any

from greenflash_otel.emulator.stored import StoredOutcome, StoredRating
from greenflash_otel.testing.turns import CapturedStep, CapturedTurn

GAP = "  "
STEP = "  "
"""In front of what the user did not see, and of a rating."""
ANYTHING = "…"
VALUE = "<any>"
VALUE_PATTERN = r'(?:"(?:[^"\\]|\\.)*"|\{.*?\}|\[.*?\]|[^\s,{}\[\]"]+)'
LEGEND = "differs (- expected, + captured)"

_texts: deque[tuple[str, str]] = deque(maxlen=100)
"""Trees that tests were given, with the id of the conversation."""


def remember_text(text: str, id: str) -> str:
    """Return a tree. If a test compares it, the difference will be shown as one of trees."""
    _texts.append((text, id))
    return text


def write_tree(
    turns: Sequence[CapturedTurn], ratings: Sequence[StoredRating], outcomes: Sequence[StoredOutcome]
) -> str:
    """Write a line for each message, step, rating and outcome."""
    rows: list[tuple[str, str]] = []
    for turn in turns:
        for number, item in enumerate(turn.items):
            mark = "⑂ " if turn.is_branch and number == 0 else ""
            if isinstance(item, CapturedStep):
                rows.append((STEP + item.type, _write_step(item)))
            else:
                rows.append((mark + item.who, item.text))
                rows += [(STEP + "★", _write_rating(rating)) for rating in item.ratings]
    rows += [("★", _write_rating(rating)) for rating in _list_other_ratings(turns, ratings)]
    rows += [(f"◆ {outcome.event_type}", _write_outcome(outcome)) for outcome in outcomes]
    column = max((len(label) for label, _ in rows), default=0)
    return "\n".join(f"{label.ljust(column)}{GAP}{_join_lines(text)}".rstrip() for label, text in rows)


def compare_trees(expected: str, captured: str) -> list[str]:
    """Return the lines of both with ``-`` and ``+`` where they differ; an empty list if they match.

    Args:
        expected: May have ``…`` for any text, ``…`` on a line of its own for any lines, and ``<any>`` for one value.
        captured: The tree of a conversation.
    """
    wanted = [line.rstrip() for line in dedent(expected).strip("\n").splitlines() if line.strip()]
    found = captured.splitlines()
    lines = _align(wanted, found)
    return lines if any(line[0] in "-+" for line in lines) else []


def explain_difference(left: object, right: object) -> list[str] | None:
    """Return how a tree that a test was given differs from what it expected; None if neither is one."""
    if not isinstance(left, str) or not isinstance(right, str):
        return None
    for text, id in _texts:
        if text in (left, right):
            expected = right if text == left else left
            return [f"{id} {LEGEND}", *_align_exactly(expected.splitlines(), text.splitlines())]
    return None


def _align(expected: Sequence[str], captured: Sequence[str]) -> list[str]:
    """Return both with as few marked lines as possible."""
    fits = [[_matches(line, other) for other in captured] for line in expected]
    rows, columns = len(expected), len(captured)
    costs = [[0] * (columns + 1) for _ in range(rows + 1)]
    for i in range(rows, -1, -1):
        for j in range(columns, -1, -1):
            is_any = i < rows and expected[i].strip() == ANYTHING
            choices = [0] if i == rows and j == columns else []
            if i < rows:
                choices.append(costs[i + 1][j] + (not is_any))
            if j < columns:
                choices.append(costs[i][j + 1] + (not is_any))
            if i < rows and j < columns and fits[i][j]:
                choices.append(costs[i + 1][j + 1])
            costs[i][j] = min(choices)
    return _read_alignment(expected, captured, fits, costs)


def _read_alignment(
    expected: Sequence[str], captured: Sequence[str], fits: list[list[bool]], costs: list[list[int]]
) -> list[str]:
    lines: list[str] = []
    i = j = 0
    while i < len(expected) or j < len(captured):
        is_any = i < len(expected) and expected[i].strip() == ANYTHING
        both = i < len(expected) and j < len(captured)
        if both and fits[i][j] and costs[i][j] == costs[i + 1][j + 1]:
            lines.append(f"  {captured[j]}")
            i, j = i + 1, j + 1
        elif i < len(expected) and costs[i][j] == costs[i + 1][j] + (not is_any):
            lines += [] if is_any else [f"- {expected[i]}"]
            i += 1
        else:
            lines.append(f"{' ' if is_any else '+'} {captured[j]}")
            j += 1
    return lines


def _align_exactly(expected: Sequence[str], captured: Sequence[str]) -> list[str]:
    return [line for line in difflib.ndiff(expected, captured) if not line.startswith("?")]


def _matches(expected: str, captured: str) -> bool:
    """Return whether a line is as expected; spaces between words do not count, those at the beginning do."""
    if expected[:1].isspace() is not captured[:1].isspace():
        return False
    pattern = re.escape(" ".join(expected.split()))
    pattern = pattern.replace(re.escape(ANYTHING), ".*").replace(re.escape(VALUE), VALUE_PATTERN)
    return re.fullmatch(pattern, " ".join(captured.split())) is not None


def _list_other_ratings(turns: Sequence[CapturedTurn], ratings: Sequence[StoredRating]) -> list[StoredRating]:
    """Return the ratings of the conversation itself, and of messages that the user did not see."""
    shown = [rating for turn in turns for message in turn.messages for rating in message.ratings]
    return [rating for rating in ratings if rating not in shown]


def _write_step(step: CapturedStep) -> str:
    parts = (step.tool_name, _write_json(step.input), step.text)
    text = " ".join(part for part in parts if part)
    said = step.result.content if step.result is not None else None
    output = " ".join(part for part in (_write_json(step.output), said) if part)
    arrow = "→ failed:" if step.has_failed else "→"
    return f"{text} {arrow} {output}".strip() if output or step.has_failed else text


def _write_json(payload: Any) -> str:
    """Write an object as JSON; a text that is all of it, as that text."""
    if not payload:
        return ""
    if list(payload) in (["result"], ["error"]):
        [payload] = payload.values()
    return payload if isinstance(payload, str) else json.dumps(payload, ensure_ascii=False)


def _write_rating(rating: StoredRating) -> str:
    feedback = f": {rating.feedback}" if rating.feedback else ""
    return f"{rating.rating:g} of {rating.rating_min:g} to {rating.rating_max:g}{feedback}"


def _write_outcome(outcome: StoredOutcome) -> str:
    notes = [
        *([] if outcome.value_type == "text" else [outcome.value_type]),
        *([] if outcome.influence == "neutral" else [outcome.influence]),
    ]
    return f"{outcome.value} ({', '.join(notes)})" if notes else outcome.value


def _join_lines(text: str) -> str:
    return " ".join(text.split())
